// The job of an event: one transaction that reads the event, writes what it holds and marks it. The job's row is locked
// before the event's user (lock.h). Names of sources and metrics that have no number yet are made in a transaction of
// their own before it, so that nobody waits for a name longer than that lasts.
#include "pg/ingest/normalize_job.h"

#include "pg/ingest/ingest.h"
#include "pg/parse/names.h"
#include "pg/queue/job.h"
#include "pg/queue/trouble.h"
#include "pg/server/allocator.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

struct NormalizeState {
  bool loaded;     // the attempt has come to the event
  int64 revision;  // of the mappings it is made under, where loaded
  size_t body_size;
  MissingNames missing;
  const ClosedNames* closed;
};

NormalizeState* state_of(const Job& job) { return static_cast<NormalizeState*>(job.state); }

void normalize_event_job(Job* job) {
  NormalizeState* state = state_of(*job);
  state->missing = {};
  state->missing.context = job->context;
  Event event;
  // while a dump is restored the queue is there before the events are: they come
  if (!load_event(job->event_id, job->received_at, &event)) {
    ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("the event does not exist")));
  }
  stop_point("loaded");
  state->loaded = true;
  state->revision = event.revision;
  state->body_size = event.body.size();
  ingest(event, {Locks::kTake, &state->missing, state->closed});
  stop_point("ingested");
}

const char* make_missing_names(Job* job) {
  NormalizeState* state = state_of(*job);
  stop_point("names");
  if (!make_names(&state->missing, false))
    return "another transaction is creating a source or metric that the event needs";
  state->closed = closed_names(state->missing, job->context);
  return nullptr;
}

// Marks the event. Where the data is bad and a replay has made something of it meanwhile, there is no dead letter.
bool fail_event_of(const Job& job, int sqlstate, const char* error) {
  const NormalizeState* state = state_of(job);
  const FailedAttempt failed{error, state != nullptr && state->loaded ? state->revision : -1};
  Event event;
  if (trouble_of(sqlstate) == Trouble::kBadData && load_event_head(job.event_id, job.received_at, &event)) {
    return fail_event(&event, failed, Locks::kTake).status == Status::kFailed;
  }
  mark_failed(job.event_id, job.received_at, failed, false);
  return true;
}

void release_body(const Job& job) { give_back_after(state_of(job)->body_size); }

constexpr double kLongestRetryDelay = 3600.0;

constexpr JobKind event_kind(const char* name) {
  JobKind kind{};
  kind.name = name;
  kind.state_size = sizeof(NormalizeState);
  kind.work = normalize_event_job;
  kind.needs_preparation = is_names_missing;
  kind.prepare = make_missing_names;
  kind.give_up = fail_event_of;
  kind.release = release_body;
  kind.concurrency = {nullptr, false, kMaxClaim};
  kind.retry = {0, -1.0, kLongestRetryDelay, 0.5, nullptr, 0};
  return kind;
}

constexpr JobKind kNormalize = event_kind("normalize");
constexpr JobKind kReplay = event_kind("replay");

}  // namespace

void register_event_job_kinds() {
  register_job_kind(&kNormalize);
  register_job_kind(&kReplay);
}

}  // namespace wearables::pg
