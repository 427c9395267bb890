#include "core/retry.h"

#include <algorithm>

#include "pg/allocator.h"
#include "pg/ingest.h"
#include "pg/job.h"
#include "pg/lock.h"
#include "pg/names.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "pg/subtransaction.h"
#include "pg/wakeup.h"

extern "C" {
#include "common/pg_prng.h"
#include "tcop/pquery.h"
}

namespace wearables::pg {

namespace {

constexpr int kClaim = 64;

struct Job {
  int64 job_id;
  int64 event_id;
  TimestampTz received_at;
  int32 attempt;
  int64 revision;  // of the mappings of this attempt, -1 before it has the event
  size_t body_size;
  MissingNames missing;
  const ClosedNames* closed;
};

// Of what is ready: first attempts come together, in order up to the next that was begun before. Such a one
// ($4) comes alone, and only while no other is worked on anywhere: whatever took its holder down is then the
// only one that pays for it.
Statement claim_statement{R"(
  WITH ready AS (
    SELECT j.job_id, j.attempt, row_number() OVER (ORDER BY j.priority, j.run_at, j.job_id) AS place
    FROM (SELECT x.job_id, x.attempt, x.priority, x.run_at FROM wearables.jobs x
          WHERE x.state = 'ready' AND x.run_at <= clock_timestamp()
          ORDER BY x.priority, x.run_at, x.job_id LIMIT $1 FOR UPDATE SKIP LOCKED) j),
  chosen AS (
    SELECT r.job_id FROM ready r
    WHERE CASE
      WHEN NOT $4 THEN r.attempt = 0 AND r.place < coalesce((SELECT min(o.place) FROM ready o WHERE o.attempt > 0), $1 + 1)
      WHEN EXISTS (SELECT FROM wearables.jobs o WHERE o.state = 'running' AND o.attempt > 1) THEN r.attempt = 0
      ELSE r.place = 1 END)
  UPDATE wearables.jobs j
  SET state = 'running', attempt = j.attempt + 1, leased_by = $2, leased_at = clock_timestamp(),
      leased_until = clock_timestamp() + make_interval(secs => $3)
  WHERE j.job_id = ANY (ARRAY(SELECT c.job_id FROM chosen c))
  RETURNING j.job_id, j.event_id, j.received_at, j.attempt, j.priority, j.run_at)"};

// First and not last: the row is ours until the transaction ends, and if the attempt is not ours any more,
// because the lease was lost, nothing is found and nothing done. An abort brings the job back.
Statement finish_statement{
    "DELETE FROM wearables.jobs j WHERE j.job_id = $1 AND j.attempt = $2 AND j.state = 'running'"};

Statement retry_statement{R"(
  UPDATE wearables.jobs j
  SET state = 'ready', run_at = clock_timestamp() + make_interval(secs => $3), last_error = $4,
      leased_by = NULL, leased_at = NULL, leased_until = NULL
  WHERE j.job_id = $1 AND j.attempt = $2 AND j.state = 'running')"};

Statement give_back_statement{R"(
  UPDATE wearables.jobs j
  SET state = 'ready', attempt = j.attempt - 1, leased_by = NULL, leased_at = NULL, leased_until = NULL
  WHERE j.leased_by = $1 AND j.state = 'running')"};

// Back as it was before its attempt, and out of the way for a while.
Statement put_off_statement{R"(
  UPDATE wearables.jobs j
  SET state = 'ready', attempt = j.attempt - 1, run_at = clock_timestamp() + make_interval(secs => $3),
      leased_by = NULL, leased_at = NULL, leased_until = NULL
  WHERE j.job_id = $1 AND j.attempt = $2 AND j.state = 'running')"};

Statement give_up_statement{R"(
  UPDATE wearables.jobs j
  SET state = 'failed', last_error = $3, leased_by = NULL, leased_at = NULL, leased_until = NULL
  WHERE j.job_id = $1 AND j.attempt = $2 AND j.state = 'running')"};

Statement drop_statement{"DELETE FROM wearables.jobs j WHERE j.job_id = $1 AND j.state = 'failed'"};

Statement leases_statement{R"(
  SELECT j.job_id, j.event_id, j.received_at, j.attempt, j.leased_by, j.leased_at, j.leased_until < clock_timestamp()
  FROM wearables.jobs j WHERE j.state = 'running' FOR UPDATE SKIP LOCKED)"};

TimestampTz instant_of(uint64 row, int column) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? 0 : DatumGetTimestampTz(value);
}

Job job_of_row(uint64 row) {
  return {get_int8(row, 1), get_int8(row, 2), instant_of(row, 3), get_int4(row, 4), -1, 0, {}, nullptr};
}

bool last_attempt(const Job& job) { return job.attempt >= settings().max_attempts; }

void give_up(const Job& job, const Failed& failed, bool bad_data) {
  // a lease that was lost: the event is another's
  if (run(give_up_statement, {arg_int8(job.job_id), arg_int4(job.attempt), arg_text(failed.error)}) == 0) return;
  Event event;
  if (bad_data && load_event_head(job.event_id, job.received_at, &event)) {
    const Outcome outcome = refuse(&event, failed, Locks::kTake);
    if (outcome.status != Status::kFailed) run(drop_statement, {arg_int8(job.job_id)});
  } else {
    mark_failed(job.event_id, job.received_at, failed, false);
  }
}

void try_again(const Job& job, const char* error) {
  const RetryPolicy policy{static_cast<double>(settings().retry_base_seconds), 3600.0};
  const double wait = retry_delay_seconds(policy, job.attempt, pg_prng_double(&pg_global_prng_state));
  run(retry_statement, {arg_int8(job.job_id), arg_int4(job.attempt),
                        arg_datum(FLOAT8OID, Float8GetDatum(wait)), arg_text(error)});
}

void record_failure(const Job& job, int sqlstate, const char* message) {
  const char* error = psprintf("%s (SQLSTATE %s)", message, unpack_sql_state(sqlstate));
  if (is_final(sqlstate) || last_attempt(job)) {
    give_up(job, {error, job.revision}, is_bad_data(sqlstate));
  } else {
    try_again(job, error);
  }
}

void work_on(Job& job) {
  keep_freed_memory();
  if (run(finish_statement, {arg_int8(job.job_id), arg_int4(job.attempt)}) == 0) return;
  Event event;
  // while a dump is restored the queue is there before the events are: they come
  if (!load_event(job.event_id, job.received_at, &event)) {
    ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("the event is not there")));
  }
  job.revision = event.revision;
  job.body_size = event.body.size();
  ingest(event, {Locks::kTake, &job.missing, job.closed});
}

// Under a CALL the portal holds the snapshot below our statements. A worker has no portal: it holds one
// itself, which must be down when the transaction ends.
void commit() {
  const bool without_portal = ActivePortal == nullptr;
  if (without_portal) PopActiveSnapshot();
  SPI_commit();
  if (without_portal) PushActiveSnapshot(GetTransactionSnapshot());
}

// The person at the keyboard cancels the whole of it: what is claimed goes back, its attempts uncounted.
void give_back_claimed() {
  const OwnerScope scope = enter_owner();
  run(give_back_statement, {arg_int4(MyProcPid)});
  leave(scope);
  commit();
}

enum class Ended { kDone, kFailed, kWantsNames };

Ended attempt(Job& job, const OwnerScope& scope) {
  job.missing = {};
  job.missing.context = CurrentMemoryContext;
  const ErrorData* error = in_subtransaction([](void* arg) { work_on(*static_cast<Job*>(arg)); }, &job);
  if (error == nullptr) return Ended::kDone;
  if (is_names_missing(error->sqlerrcode)) return Ended::kWantsNames;
  if (error->sqlerrcode == ERRCODE_QUERY_CANCELED) {
    leave(scope);
    give_back_claimed();
    ReThrowError(const_cast<ErrorData*>(error));
  }
  record_failure(job, error->sqlerrcode, error->message);
  return Ended::kFailed;
}

// R10: the job and the event are durable since they were received; doing the job twice is harmless.
void commit_without_waiting() {
  (void)set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true,
                          0, false);
  commit();
}

struct Making {
  MissingNames* missing;
  bool made;
};

// In a transaction of its own: nobody waits for a name longer than that lasts.
bool make_names_of(Job& job) {
  const OwnerScope scope = enter_owner();
  Making making{&job.missing, false};
  const ErrorData* error = in_subtransaction(
      [](void* arg) {
        auto* names = static_cast<Making*>(arg);
        names->made = make_names(names->missing, false);
      },
      &making);
  if (error != nullptr) record_failure(job, error->sqlerrcode, error->message);
  leave(scope);
  commit_without_waiting();
  return error == nullptr && making.made;
}

// A name that a transaction under way is making: it may last, and others are ready.
void put_off(const Job& job) {
  constexpr double kPauseSeconds = 0.5;
  const OwnerScope scope = enter_owner();
  run(put_off_statement, {arg_int8(job.job_id), arg_int4(job.attempt),
                          arg_datum(FLOAT8OID, Float8GetDatum(kPauseSeconds))});
  leave(scope);
  commit_without_waiting();
}

void work_through(Job& job) {
  // a name may be taken away between its making and its use: that must not go on for ever
  constexpr int kMostRounds = 10;
  for (int round = 0; round < kMostRounds; ++round) {
    const OwnerScope scope = enter_owner();
    const Ended ended = attempt(job, scope);
    leave(scope);
    commit_without_waiting();
    give_back_after(job.body_size);
    if (ended != Ended::kWantsNames) return;
    if (!make_names_of(job)) return put_off(job);
    job.closed = closed_names(job.missing, CurrentMemoryContext);
  }
  put_off(job);
}

int by_order(const void* a, const void* b) {
  const auto* left = static_cast<const Job*>(a);
  const auto* right = static_cast<const Job*>(b);
  return left->job_id < right->job_id ? -1 : left->job_id > right->job_id ? 1 : 0;
}

int claim_rows(int wanted, bool begun_before) {
  return static_cast<int>(
      run(claim_statement, {arg_int4(wanted), arg_int4(MyProcPid),
                            arg_datum(FLOAT8OID, Float8GetDatum(settings().lease_seconds)),
                            arg_bool(begun_before)}));
}

int claim(Job* jobs, int wanted) {
  const OwnerScope scope = enter_owner();
  int count = claim_rows(wanted, false);
  if (count == 0) {
    lock_further_attempts();
    count = claim_rows(wanted, true);
  }
  // an attempt is counted for good before it begins: a job that takes the server down is given up in time,
  // and what was done before it is flushed with the claim
  for (int i = 0; i < count; ++i) jobs[i] = job_of_row(i);
  if (count > 0) ForceSyncCommit();
  leave(scope);
  commit();
  qsort(jobs, count, sizeof(Job), by_order);
  return count;
}

bool holder_is_gone(uint64 row) {
  const int holder = get_int4(row, 5);
  if (holder == MyProcPid || get_bool(row, 7)) return true;
  return instant_of(row, 6) < shared_memory_made_at() || BackendPidGetProc(holder) == nullptr;
}

void take_back_lost() {
  const OwnerScope scope = enter_owner();
  const uint64 rows = run(leases_statement, {});
  auto* lost = static_cast<Job*>(palloc(sizeof(Job) * (rows + 1)));
  int count = 0;
  for (uint64 row = 0; row < rows; ++row) {
    if (holder_is_gone(row)) lost[count++] = job_of_row(row);
  }
  for (int i = 0; i < count; ++i) {
    if (last_attempt(lost[i])) {
      give_up(lost[i], {"the session that worked on it was lost, at every attempt", -1}, false);
    } else {
      run(retry_statement, {arg_int8(lost[i].job_id), arg_int4(lost[i].attempt),
                            arg_datum(FLOAT8OID, Float8GetDatum(0)), arg_text("the session that worked on it was lost")});
    }
  }
  leave(scope);
  commit();
}

// Claims and works on up to `wanted` jobs; returns how many.
int work_on_claim(int wanted) {
  Job jobs[kClaim];
  const int count = claim(jobs, wanted);
  for (int i = 0; i < count; ++i) {
    if (QueryCancelPending && !ProcDiePending) give_back_claimed();
    CHECK_FOR_INTERRUPTS();
    work_through(jobs[i]);
  }
  return count;
}

Statement queue_no_more_names{"SELECT wearables_internal.queue_no_more_names(false)"};

// What there was no room for, once there is; returns whether there is something to do now.
bool queue_refused() {
  const OwnerScope scope = enter_owner();
  const bool any = run(queue_no_more_names, {}) > 0 && get_int4(0, 1) > 0;
  leave(scope);
  commit();
  return any;
}

void refuse_isolation() {
  if (XactIsoLevel == XACT_READ_COMMITTED) return;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("drain() needs isolation level READ COMMITTED"),
                  errhint("SET default_transaction_isolation = 'read committed'.")));
}

}  // namespace

DrainResult drain(int64 max_jobs) {
  refuse_isolation();
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext cycle = AllocSetContextCreate(caller, "wearables drain", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(cycle);
  take_back_lost();
  DrainResult result{0, true};
  bool asked_for_room = false;
  while (max_jobs == 0 || result.done < max_jobs) {
    MemoryContextReset(cycle);
    const int64 left = max_jobs == 0 ? kClaim : max_jobs - result.done;
    const int count = work_on_claim(static_cast<int>(std::min<int64>(kClaim, left)));
    result.done += count;
    if (count > 0) continue;
    // once: what there is still no room for would come again and again
    if (asked_for_room || !queue_refused()) {
      result.more = false;
      break;
    }
    asked_for_room = true;
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(cycle);
  return result;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_drain);

Datum wearables_drain(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const auto* context = castNode(CallContext, fcinfo->context);
  if (context == nullptr || context->atomic) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
                    errmsg("drain() cannot run inside a transaction block or a function"),
                    errdetail("It commits after each event."), errhint("CALL it on its own.")));
  }
  const int32 max_jobs = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
  if (!PG_ARGISNULL(0) && max_jobs <= 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_jobs %d is not positive", max_jobs),
                    errhint("Give a positive number, or NULL for no bound.")));
  }
  SPI_connect_ext(SPI_OPT_NONATOMIC);
  drain(max_jobs);
  SPI_finish();
  PG_RETURN_VOID();
}
}
