// A claim ends by one statement that names job, session and instant of the claim: it changes nothing where another
// session has the job by now. The row is locked by that statement, or has been since hold_claim(), until the
// transaction ends. Claims that were left behind are looked for without a lock, then locked one by one with SKIP
// LOCKED.
#include "pg/queue/job.h"

#include "pg/queue/flight.h"
#include "pg/queue/job_row.h"
#include "pg/queue/wakeup.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

extern "C" {
#include "common/pg_prng.h"
}

namespace wearables::pg {

namespace {

// What is put off waits from a quarter of a second to half a minute.
constexpr double kShortestWait = 0.25;
constexpr double kLongestWait = 30.0;

#define THIS_CLAIM                                                                                  \
  " j.job_id = $1 AND j.leased_by IS NOT DISTINCT FROM $2 AND j.leased_at IS NOT DISTINCT FROM $3 " \
  "AND j.state = 'running'"
#define NO_LEASE " leased_by = NULL, leased_at = NULL, leased_until = NULL "
#define NO_WAITS " waits = 0, waiting_since = NULL,"

Statement hold_statement{"SELECT FROM wearables.jobs j WHERE" THIS_CLAIM " FOR UPDATE"};

Statement finish_statement{"DELETE FROM wearables.jobs j WHERE" THIS_CLAIM};

Statement reschedule_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = j.attempt - j.suspect::integer, suspect = false, "
    "run_at = clock_timestamp() + make_interval(secs => $4)," NO_WAITS NO_LEASE "WHERE" THIS_CLAIM};

Statement retry_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = $4, "
    "run_at = clock_timestamp() + make_interval(secs => $5), last_sqlstate = $6, last_error = $7, "
    "suspect = false," NO_WAITS NO_LEASE "WHERE" THIS_CLAIM};

Statement put_off_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = j.attempt - j.suspect::integer, waits = j.waits + 1, "
    "waiting_since = coalesce(j.waiting_since, clock_timestamp()), "
    "run_at = clock_timestamp() + make_interval(secs => least($4 * power(2, least(j.waits, 30)), $5) * $6), "
    "last_sqlstate = $7, last_error = $8," NO_LEASE "WHERE" THIS_CLAIM};

Statement fail_statement{
    "UPDATE wearables.jobs j SET state = 'failed', attempt = $4, failed_at = clock_timestamp(), last_sqlstate = $5, "
    "last_error = $6, suspect = false," NO_WAITS NO_LEASE "WHERE" THIS_CLAIM};

Statement delete_dead_letter_statement{"DELETE FROM wearables.jobs j WHERE j.job_id = $1 AND j.state = 'failed'"};

Statement release_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = j.attempt - j.suspect::integer," NO_LEASE
    "WHERE j.leased_by = $1 AND j.state = 'running' AND j.job_id <> ALL ($2::bigint[])"};

// Without waiting: job rows come first in the order of locks (lock.h), and a replay holds others already.
Statement delete_dead_letters_statement{R"(
  DELETE FROM wearables.jobs j WHERE j.job_id = ANY (ARRAY(
    SELECT f.job_id FROM wearables.jobs f
    WHERE f.state = 'failed' AND f.event_id = ANY ($1::bigint[]) AND EXISTS (
      SELECT FROM wearables.webhook_events e
      WHERE e.event_id = f.event_id AND e.received_at = f.received_at AND e.status <> 'failed' OFFSET 0)
    FOR UPDATE OF f SKIP LOCKED)))"};

// The next job of the subject that a claim has moved out of the way.
Statement free_subject_statement{R"(
  UPDATE wearables.jobs j SET blocked = false, run_at = clock_timestamp()
  WHERE j.job_id = ANY (ARRAY(
    SELECT x.job_id FROM wearables.jobs x
    WHERE x.blocked AND x.kind = $1::wearables.job_kind AND x.subject = $2
    ORDER BY x.priority, x.job_id LIMIT 1 FOR UPDATE SKIP LOCKED)))"};

Statement subject_statement{"SELECT j.subject FROM wearables.jobs j WHERE j.job_id = $1"};

// Not locked: whoever works on one of them must not run into this look.
Statement running_statement{"SELECT " CLAIMED
                            ", j.attempt, j.suspect, j.kind::text, NULL::jsonb, j.leased_until < clock_timestamp() "
                            "FROM wearables.jobs j WHERE j.state = 'running'"};

// Of one that was found lost: not where its session is at work on it after all, and only beyond its lease.
Statement hold_lost_statement{"SELECT FROM wearables.jobs j WHERE" THIS_CLAIM " FOR UPDATE SKIP LOCKED"};

// Lost without a word: by a crash, or by an attempt that lasts longer than its lease.
Statement suspect_statement{
    "UPDATE wearables.jobs j SET state = 'ready', suspect = true, "
    "run_at = clock_timestamp() + make_interval(secs => $4), last_sqlstate = $5, last_error = $6," NO_LEASE
    "WHERE" THIS_CLAIM};

Arg arg_sqlstate(int sqlstate) { return arg_text(unpack_sql_state(sqlstate)); }

// What tells this claim from another one's.
Arg arg_holder(const Job& job) { return arg_datum(INT4OID, Int32GetDatum(job.leased_by), job.leased_by == 0); }
Arg arg_claimed_at(const Job& job) {
  return arg_datum(TIMESTAMPTZOID, TimestampTzGetDatum(job.leased_at), job.leased_at == 0);
}

Arg arg_jobs_in_flight() {
  Datum ids[kMaxFlights];
  const int count = jobs_in_flight(ids);
  return arg_array(INT8OID, ids, nullptr, count);
}

// --- Ends of a claim

// A job that ends makes room for another of its kind, or of its subject: sessions that found none are woken.
bool end_claim(const Job& job, Statement& statement, std::initializer_list<Arg> args) {
  Assert(job.kind != nullptr);
  const ConcurrencyRule& rule = job.kind->concurrency;
  char* subject = nullptr;
  if (rule.one_per_subject && run(subject_statement, {arg_int8(job.job_id)}) > 0) {
    subject = copy_text(0, 1, CurrentMemoryContext);
  }
  const uint64 rows = run(statement, args);
  Assert(rows <= 1);
  if (rows == 0) return false;
  if (subject != nullptr) {
    run(free_subject_statement, {arg_text(job.kind->name), arg_text(subject)});
  }
  if (is_limited(*job.kind)) wake_at_commit();
  return true;
}

// False while its session is at work on it.
bool is_lost(const Job& job, bool expired, LostClaim::Why* why) {
  const bool mine = job.leased_by == MyProcPid;
  const bool gone = BackendPidGetProc(job.leased_by) == nullptr;
  const bool before_crash = job.leased_at < shared_memory_made_at();
  // without shared memory nobody knows whether the server crashed meanwhile
  const bool since_start = shared_memory_made_at() != 0 && !before_crash;
  *why = since_start && mine   ? LostClaim::Why::kOwn
         : since_start && gone ? LostClaim::Why::kInOrder
                               : LostClaim::Why::kUnknown;
  return mine || gone || before_crash || expired;
}

}  // namespace

bool hold_claim(const Job& job) {
  return run(hold_statement, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job)}) > 0;
}

bool finish_job(const Job& job) {
  return end_claim(job, finish_statement, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job)});
}

bool reschedule_job(const Job& job, double delay) {
  return end_claim(job, reschedule_statement,
                   {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job), arg_seconds(delay)});
}

bool retry_job(const Job& job, double delay, int sqlstate, const char* error) {
  return end_claim(job, retry_statement,
                   {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job), arg_int4(job.attempt),
                    arg_seconds(delay), arg_sqlstate(sqlstate), arg_text(error)});
}

bool put_off_job(const Job& job, int sqlstate, const char* error) {
  constexpr double kBeyondTheTest = 1e6;
  const double jitter = is_stepped() ? kBeyondTheTest : 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
  return end_claim(job, put_off_statement,
                   {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job), arg_seconds(kShortestWait),
                    arg_seconds(kLongestWait), arg_seconds(jitter), arg_sqlstate(sqlstate), arg_text(error)});
}

bool fail_job(const Job& job, int sqlstate, const char* error) {
  return end_claim(job, fail_statement,
                   {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job), arg_int4(job.attempt),
                    arg_sqlstate(sqlstate), arg_text(error)});
}

void delete_dead_letter(const Job& job) { run(delete_dead_letter_statement, {arg_int8(job.job_id)}); }

void delete_dead_letters(Datum* event_ids, int count) {
  run(delete_dead_letters_statement, {arg_array(INT8OID, event_ids, nullptr, count)});
}

void release_claims() { run(release_statement, {arg_int4(MyProcPid), arg_jobs_in_flight()}); }

int find_lost_claims(LostClaim* lost, int most) {
  constinit static TimestampTz next_scan = 0;
  const ScanCost cost = begin_scan(running_statement);
  if (cost.begun < next_scan) return 0;
  const uint64 rows = run(running_statement, {});
  int count = 0;
  for (uint64 row = 0; row < rows && count < most; ++row) {
    LostClaim& found = lost[count];
    found.job = job_of_row(row, nullptr);
    if (found.job.kind == nullptr || is_in_flight(found.job)) continue;
    if (is_lost(found.job, get_bool(row, kExpired), &found.why)) ++count;
  }
  next_scan = count == most ? 0 : next_full_scan(cost, rows);
  int held = 0;
  for (int i = 0; i < count; ++i) {
    const Job& job = lost[i].job;
    if (run(hold_lost_statement, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job)}) > 0) {
      lost[held++] = lost[i];
    }
  }
  return held;
}

void suspect_job(const LostClaim& lost, double delay) {
  (void)end_claim(lost.job, suspect_statement,
                  {arg_int8(lost.job.job_id), arg_holder(lost.job), arg_claimed_at(lost.job), arg_seconds(delay),
                   arg_sqlstate(ERRCODE_CRASH_SHUTDOWN), arg_text("the session that ran the job was lost")});
}

int64 id_in_argument(const Job& job, const char* name) {
  if (job.argument == nullptr) return 0;
  JsonbValue found;
  const JsonbValue* value =
      getKeyJsonValueFromContainer(&job.argument->root, name, static_cast<int>(strlen(name)), &found);
  if (value == nullptr || value->type != jbvNumeric) return 0;
  return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

}  // namespace wearables::pg
