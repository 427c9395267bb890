// The table of jobs in flight is this session's own and survives errors: a job leaves it by retire_job() or
// abandon_flights() alone. Its memory is a child of TopMemoryContext. No lock is held while a job is in it: what
// another session may do with its row meanwhile is found out by end_outside().
#include "pg/queue/flight.h"

#include <algorithm>

#include "pg/queue/job_transaction.h"

namespace wearables::pg {

namespace {

constinit Job* flights[kMaxFlights] = {};
constinit int count = 0;

// What a claim holds goes with its cycle.
Job* copy_of(const Job& job) {
  MemoryContext context = AllocSetContextCreate(TopMemoryContext, "wearables job in flight", ALLOCSET_SMALL_SIZES);
  MemoryContext caller = MemoryContextSwitchTo(context);
  auto* copy = static_cast<Job*>(palloc(sizeof(Job)));
  *copy = job;
  copy->context = context;
  if (job.argument != nullptr) {
    copy->argument = reinterpret_cast<Jsonb*>(PG_DETOAST_DATUM_COPY(JsonbPGetDatum(job.argument)));
  }
  copy->state = palloc0(std::max<size_t>(job.kind->state_size, 1));
  MemoryContextSwitchTo(caller);
  return copy;
}

void start_step(void* arg) {
  auto* job = static_cast<Job*>(arg);
  job->kind->flight->start(job);
}

}  // namespace

void retire_job(Job* job) {
  Job** place = std::find(flights, flights + count, job);
  Assert(place != flights + count);
  *place = flights[--count];
  if (job->kind->release != nullptr) job->kind->release(*job);
  MemoryContextDelete(job->context);
}

bool launch_job(const Job& claimed, AttemptResult* result) {
  Assert(claimed.kind->flight != nullptr && claimed.leased_by == MyProcPid);
  *result = attempt_succeeded();
  if (count == kMaxFlights) {
    *result = {false, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "too many requests are in progress in this session",
               nullptr};
    return false;
  }
  Job* job = copy_of(claimed);
  flights[count++] = job;
  bool lost = false;
  ErrorData* error = begin_outside(job, &lost);
  if (error == nullptr && !lost) error = in_no_transaction(start_step, job);
  if (error == nullptr && !lost) return true;
  job->kind->flight->abandon(job);
  retire_job(job);
  if (error != nullptr) *result = attempt_failed(error);
  return false;
}

Job* next_landing() {
  const Flight* driven = nullptr;
  for (int i = 0; i < count; ++i) {
    if (flights[i]->kind->flight != driven) flights[i]->kind->flight->drive();
    driven = flights[i]->kind->flight;
  }
  for (int i = 0; i < count; ++i) {
    Job* job = flights[i]->kind->flight->take();
    if (job == nullptr) continue;
    Assert(is_in_flight(*job));
    return job;
  }
  return nullptr;
}

AttemptResult land_job(Job* job) {
  bool lost = false;
  ErrorData* error = end_outside(job, &lost);
  return error == nullptr ? attempt_succeeded() : attempt_failed(error);
}

void abandon_flights() {
  while (count > 0) {
    flights[count - 1]->kind->flight->abandon(flights[count - 1]);
    retire_job(flights[count - 1]);
  }
}

int flight_count() noexcept { return count; }

bool is_in_flight(const Job& job) noexcept {
  return std::any_of(flights, flights + count, [&](const Job* flying) {
    return flying->job_id == job.job_id && flying->leased_by == job.leased_by && flying->leased_at == job.leased_at;
  });
}

int jobs_in_flight(Datum* ids) noexcept {
  for (int i = 0; i < count; ++i) ids[i] = Int64GetDatum(flights[i]->job_id);
  return count;
}

pgsocket flights_fd() noexcept { return count == 0 ? PGINVALID_SOCKET : flights[0]->kind->flight->readiness_fd(); }

}  // namespace wearables::pg
