// Claims are made with SKIP LOCKED, so no session waits here for another one. A claim looks at what is ready in the
// order of priority and run_at. While a long snapshot keeps the rows of done jobs, the index holds their entries, too.
// So a look begins behind what an earlier one has found empty (Mark), and looks at all of it now and then.
#include "pg/queue/job.h"

#include <algorithm>

#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"
#include "pg/queue/wakeup.h"

extern "C" {
#include "common/pg_prng.h"
#include "executor/instrument.h"
}

namespace wearables::pg {

namespace {

// What is put off waits from a quarter of a second to half a minute.
constexpr double kShortestWait = 0.25;
constexpr double kLongestWait = 30.0;

#define CLAIMED "j.job_id, j.event_id, j.received_at, j.leased_by, j.leased_at, j.waiting_since"
#define CLAIM(which)                                                                                        \
  "UPDATE wearables.jobs j SET state = 'running', leased_by = $2, leased_at = clock_timestamp(), "          \
  "leased_until = clock_timestamp() + make_interval(secs => $3) "                                           \
  "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM wearables.jobs x "                                      \
  "WHERE x.state = 'ready' AND NOT x.suspect AND " which " AND x.run_at <= clock_timestamp() "              \
  "ORDER BY x.priority, x.run_at, x.job_id LIMIT $1 FOR UPDATE SKIP LOCKED)) "                              \
  "RETURNING " CLAIMED ", j.attempt + 1, false, j.run_at"

// $4: where to begin; of other priorities there are few, unless there is nothing else to do.
Statement claim_live{CLAIM("x.priority = 0 AND x.run_at >= $4")};
Statement claim_others{CLAIM("x.priority > 0")};

Statement claim_one_suspect{R"(
  UPDATE wearables.jobs j
  SET state = 'running', attempt = j.attempt + 1, leased_by = $1, leased_at = clock_timestamp(),
      leased_until = clock_timestamp() + make_interval(secs => $2)
  WHERE j.job_id = ANY (ARRAY(
    SELECT x.job_id FROM wearables.jobs x
    WHERE x.suspect AND x.state = 'ready' AND x.run_at <= clock_timestamp()
      AND NOT EXISTS (SELECT FROM wearables.jobs o WHERE o.suspect AND o.state = 'running')
    ORDER BY x.priority, x.run_at, x.job_id LIMIT 1 FOR UPDATE SKIP LOCKED))
  RETURNING )" CLAIMED ", j.attempt, true, j.run_at"};

#define THE_CLAIM \
  " j.job_id = $1 AND j.leased_by IS NOT DISTINCT FROM $2 AND j.leased_at IS NOT DISTINCT FROM $3 AND j.state = 'running'"
#define NO_LEASE " leased_by = NULL, leased_at = NULL, leased_until = NULL "

Statement finish_statement{"DELETE FROM wearables.jobs j WHERE" THE_CLAIM};

Statement retry_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = $4, run_at = clock_timestamp() + make_interval(secs => $5), "
    "last_sqlstate = $6, last_error = $7, suspect = false, waits = 0, waiting_since = NULL," NO_LEASE "WHERE" THE_CLAIM};

Statement put_off_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = j.attempt - j.suspect::integer, waits = j.waits + 1, "
    "waiting_since = coalesce(j.waiting_since, clock_timestamp()), "
    "run_at = clock_timestamp() + make_interval(secs => least($4 * power(2, least(j.waits, 30)), $5) * $6), "
    "last_sqlstate = $7, last_error = $8," NO_LEASE "WHERE" THE_CLAIM};

Statement bury_statement{
    "UPDATE wearables.jobs j SET state = 'failed', attempt = $4, failed_at = clock_timestamp(), last_sqlstate = $5, "
    "last_error = $6, suspect = false, waits = 0, waiting_since = NULL," NO_LEASE "WHERE" THE_CLAIM};

Statement drop_statement{"DELETE FROM wearables.jobs j WHERE j.job_id = $1 AND j.state = 'failed'"};

Statement give_back_statement{
    "UPDATE wearables.jobs j SET state = 'ready', attempt = j.attempt - j.suspect::integer," NO_LEASE
    "WHERE j.leased_by = $1 AND j.state = 'running'"};

// Not locked: whoever works on one of them must not run into this look.
Statement leases_statement{
    "SELECT " CLAIMED ", j.attempt, j.suspect, j.leased_until < clock_timestamp() "
    "FROM wearables.jobs j WHERE j.state = 'running'"};

// Of one that was found lost: not where its session is at work on it after all, and only beyond its lease.
Statement hold_lost{"SELECT FROM wearables.jobs j WHERE" THE_CLAIM " FOR UPDATE SKIP LOCKED"};

// Lost without a word: by a crash, or by an attempt that lasts longer than its lease.
Statement suspect_statement{
    "UPDATE wearables.jobs j SET state = 'ready', suspect = true, run_at = clock_timestamp() + make_interval(secs => $4), "
    "last_sqlstate = $5, last_error = $6," NO_LEASE "WHERE" THE_CLAIM};

Statement next_due_statement{R"(
  SELECT least((SELECT x.run_at FROM wearables.jobs x
                WHERE x.state = 'ready' AND NOT x.suspect AND x.priority = 0 AND x.run_at >= $1
                ORDER BY x.priority, x.run_at, x.job_id LIMIT 1),
               (SELECT min(x.run_at) FROM wearables.jobs x WHERE x.state = 'ready' AND NOT x.suspect AND x.priority > 0),
               (SELECT min(x.run_at) FROM wearables.jobs x WHERE x.suspect AND x.state = 'ready')))"};

TimestampTz instant_of(uint64 row, int column) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? 0 : DatumGetTimestampTz(value);
}

Job job_of_row(uint64 row) {
  Job job{};
  job.job_id = get_int8(row, 1);
  job.event_id = get_int8(row, 2);
  job.received_at = instant_of(row, 3);
  job.leased_by = get_int4(row, 4);
  job.leased_at = instant_of(row, 5);
  job.waiting_since = instant_of(row, 6);
  job.attempt = get_int4(row, 7);
  job.suspect = get_bool(row, 8);
  job.revision = -1;
  return job;
}

Arg arg_seconds(double seconds) { return arg_datum(FLOAT8OID, Float8GetDatum(seconds)); }
Arg arg_sqlstate(int sqlstate) { return arg_text(unpack_sql_state(sqlstate)); }

// Before `from` no ready job of priority 0 was seen. Some may have come there since: one given back, one whose
// transaction began long ago. So all of it is looked at again, as often as that is cheap.
struct Mark {
  TimestampTz from;
  TimestampTz look_again_at;
};
constinit Mark mark{DT_NOBEGIN, 0};

// A transaction that receives may be as far behind its clock.
constexpr int64 kMargin = USECS_PER_SEC;

// A look at everything is repeated at once where it touched few pages of the table and its indexes; else so seldom that it
// takes a twentieth of the time.
struct Glance {
  TimestampTz begun;
  int64 pages;
  bool planned;  // to plan it touches pages of the catalog, once
};

int64 pages_touched() { return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read; }
Glance begin_look(const Statement& statement) {
  return {GetCurrentTimestamp(), pages_touched(), statement.plan != nullptr};
}

constexpr int64 kFewPages = 50;

// To take what is found touches some, too.
TimestampTz look_again_at(const Glance& look, uint64 rows) {
  if (is_stepped() || !look.planned) return 0;
  if (pages_touched() - look.pages < kFewPages * (1 + static_cast<int64>(rows))) return 0;
  const TimestampTz ended = GetCurrentTimestamp();
  return ended + 20 * (ended - look.begun);
}

void advance(Mark* to, uint64 rows) {
  for (uint64 row = 0; row < rows; ++row) to->from = std::max(to->from, instant_of(row, 9) - kMargin);
}

int claim_live_jobs(Job* jobs, int wanted) {
  const Glance look = begin_look(claim_live);
  // a clock that was set back counts as a mark that says nothing
  const bool whole = look.begun >= mark.look_again_at || look.begun + kMargin < mark.from;
  const uint64 rows = run(claim_live, {arg_int4(wanted), arg_int4(MyProcPid), arg_seconds(settings().lease_seconds),
                                       arg_instant(whole ? DT_NOBEGIN : mark.from)});
  for (uint64 row = 0; row < rows; ++row) jobs[row] = job_of_row(row);
  if (whole) {
    mark.look_again_at = look_again_at(look, rows);
    // nothing is ready: what comes is of now
    mark.from = rows == 0 ? look.begun - kMargin : DT_NOBEGIN;
  }
  advance(&mark, rows);
  return static_cast<int>(rows);
}

// False while its session is at work on it.
bool is_lost(const Job& job, bool expired, Lost::Why* why) {
  const bool mine = job.leased_by == MyProcPid;
  const bool gone = BackendPidGetProc(job.leased_by) == nullptr;
  const bool before_crash = job.leased_at < shared_memory_made_at();
  // without shared memory nobody knows whether the server crashed meanwhile
  const bool since_start = shared_memory_made_at() != 0 && !before_crash;
  *why = since_start && mine ? Lost::Why::kOwn : since_start && gone ? Lost::Why::kInOrder : Lost::Why::kUnknown;
  return mine || gone || before_crash || expired;
}

// What tells this claim from another one's.
Arg arg_holder(const Job& job) { return arg_datum(INT4OID, Int32GetDatum(job.leased_by), job.leased_by == 0); }
Arg arg_claimed_at(const Job& job) { return arg_datum(TIMESTAMPTZOID, TimestampTzGetDatum(job.leased_at), job.leased_at == 0); }

bool update_claim(Statement& statement, std::initializer_list<Arg> args) { return run(statement, args) > 0; }

// Without a mark: of these there are few, unless they are all that is done.
int claim_other_jobs(Job* jobs, int wanted) {
  constinit static TimestampTz next_look = 0;
  const Glance look = begin_look(claim_others);
  if (look.begun < next_look) return 0;
  const uint64 rows =
      run(claim_others, {arg_int4(wanted), arg_int4(MyProcPid), arg_seconds(settings().lease_seconds)});
  for (uint64 row = 0; row < rows; ++row) jobs[row] = job_of_row(row);
  next_look = rows > 0 ? 0 : look_again_at(look, rows);
  return static_cast<int>(rows);
}

}  // namespace

int claim_jobs(Job* jobs, int wanted) {
  int count = claim_live_jobs(jobs, wanted);
  if (count == 0) count = claim_other_jobs(jobs, wanted);
  std::sort(jobs, jobs + count, [](const Job& a, const Job& b) { return a.job_id < b.job_id; });
  return count;
}

bool claim_suspect(Job* job) {
  if (!try_lock_suspects()) return false;
  if (run(claim_one_suspect, {arg_int4(MyProcPid), arg_seconds(settings().lease_seconds)}) == 0) return false;
  *job = job_of_row(0);
  return true;
}

bool finish_job(const Job& job) {
  return update_claim(finish_statement, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job)});
}

bool retry_job(const Job& job, double delay, int sqlstate, const char* error) {
  return update_claim(retry_statement, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job),
                                        arg_int4(job.attempt), arg_seconds(delay), arg_sqlstate(sqlstate), arg_text(error)});
}

bool put_off_job(const Job& job, int sqlstate, const char* error) {
  constexpr double kBeyondTheTest = 1e6;
  const double jitter = is_stepped() ? kBeyondTheTest : 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
  return update_claim(put_off_statement,
                      {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job), arg_seconds(kShortestWait),
                       arg_seconds(kLongestWait), arg_seconds(jitter), arg_sqlstate(sqlstate), arg_text(error)});
}

bool bury_job(const Job& job, int sqlstate, const char* error) {
  return update_claim(bury_statement, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job),
                                       arg_int4(job.attempt), arg_sqlstate(sqlstate), arg_text(error)});
}

void drop_dead_letter(const Job& job) { run(drop_statement, {arg_int8(job.job_id)}); }

void give_back_claimed() { run(give_back_statement, {arg_int4(MyProcPid)}); }

int find_lost(Lost* lost, int most) {
  constinit static TimestampTz next_look = 0;
  const Glance look = begin_look(leases_statement);
  if (look.begun < next_look) return 0;
  const uint64 rows = run(leases_statement, {});
  int count = 0;
  for (uint64 row = 0; row < rows && count < most; ++row) {
    Lost& found = lost[count];
    found.job = job_of_row(row);
    if (is_lost(found.job, get_bool(row, 9), &found.why)) ++count;
  }
  next_look = count == most ? 0 : look_again_at(look, rows);
  int held = 0;
  for (int i = 0; i < count; ++i) {
    const Job& job = lost[i].job;
    if (run(hold_lost, {arg_int8(job.job_id), arg_holder(job), arg_claimed_at(job)}) > 0) lost[held++] = lost[i];
  }
  return held;
}

void suspect_job(const Lost& lost, double delay) {
  run(suspect_statement, {arg_int8(lost.job.job_id), arg_holder(lost.job), arg_claimed_at(lost.job),
                          arg_seconds(delay), arg_sqlstate(ERRCODE_CRASH_SHUTDOWN),
                          arg_text("the session that worked on it was lost")});
}

TimestampTz next_due() {
  if (run(next_due_statement, {arg_instant(mark.from)}) == 0) return DT_NOEND;
  bool null;
  const Datum due = get(0, 1, &null);
  return null ? DT_NOEND : DatumGetTimestampTz(due);
}

}  // namespace wearables::pg
