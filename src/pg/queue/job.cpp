// Claims are made with SKIP LOCKED, so no session waits here for another one. The index of ready jobs begins with the
// kind: a claim reads its own kind's entries in the order of priority and run_at, and none of a kind that is paused, at
// its limit or unknown. While a long snapshot keeps the rows of done jobs, the index holds their entries, too. So a
// scan begins behind what an earlier one has found empty (LowWaterMark), and reads all of it now and then. The claim
// lock of a kind with a limit is tried, and held until the claim has committed: of two sessions the second one sees
// what the first one has claimed.
#include "pg/queue/job.h"

#include <algorithm>

#include "pg/queue/wakeup.h"
#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

extern "C" {
#include "common/pg_prng.h"
#include "executor/instrument.h"
}

namespace wearables::pg {

namespace {

// What is put off waits from a quarter of a second to half a minute.
constexpr double kShortestWait = 0.25;
constexpr double kLongestWait = 30.0;
// A job whose subject is being worked on is moved out of the claims' way. Whoever ends that work brings it back; the
// time is for the case that the two cross.
constexpr double kSubjectWait = 10.0;

// --- Statements

enum JobColumn {
  kJobId = 1, kEventId, kReceivedAt, kLeasedBy, kLeasedAt, kWaitingSince, kAttempt, kSuspect, kKind, kArgument,
  kRunAt,            // of a claim
  kExpired = kRunAt  // of the running jobs
};

#define CLAIMED "j.job_id, j.event_id, j.received_at, j.leased_by, j.leased_at, j.waiting_since"
#define TAKE                                                                                       \
  "UPDATE wearables.jobs j SET state = 'running', leased_by = $2, leased_at = clock_timestamp(), " \
  "leased_until = clock_timestamp() + make_interval(secs => $3) "
#define READY                                                                              \
  "x.state = 'ready' AND NOT x.suspect AND x.kind = $4::wearables.job_kind "                \
  "AND x.run_at <= clock_timestamp()"
#define BY_AGE "ORDER BY x.priority, x.run_at, x.job_id "
#define OF_CLAIM "RETURNING " CLAIMED ", j.attempt + 1, false, $4::text, j.argument, j.run_at"

#define CLAIM(which)                                                                           \
  TAKE "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM wearables.jobs x WHERE " READY which \
       BY_AGE "LIMIT $1 FOR UPDATE SKIP LOCKED)) " OF_CLAIM

// $5: where to begin
#define LIVE " AND x.priority = 0 AND x.run_at >= $5 "
#define OTHERS " AND x.priority > 0 "

// Of the first kMaxClaim candidates ($6) those whose subject is not worked on, one of each; the rest are moved.
#define CLAIM_BY_SUBJECT(which)                                                                                    \
  "WITH candidate AS MATERIALIZED (SELECT x.job_id, x.subject, x.priority, x.run_at FROM wearables.jobs x WHERE "  \
  READY which BY_AGE "LIMIT $6 FOR UPDATE SKIP LOCKED), "                                                          \
  "judged AS MATERIALIZED (SELECT c.*, c.subject IS NULL OR "                                                      \
  "row_number() OVER (PARTITION BY c.subject ORDER BY c.priority, c.run_at, c.job_id) = 1 AND NOT EXISTS ("        \
  "SELECT FROM wearables.jobs r WHERE r.state = 'running' AND r.kind = $4::wearables.job_kind "                    \
  "AND r.subject = c.subject) AS is_free FROM candidate c), "                                                      \
  "moved AS (UPDATE wearables.jobs j SET run_at = clock_timestamp() + make_interval(secs => $7) "                  \
  "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM judged x WHERE NOT x.is_free))) "                              \
  TAKE "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM judged x WHERE x.is_free " BY_AGE "LIMIT $1)) " OF_CLAIM

Statement claim_live{CLAIM(LIVE)};
Statement claim_others{CLAIM(OTHERS)};
Statement claim_live_by_subject{CLAIM_BY_SUBJECT(LIVE)};
Statement claim_others_by_subject{CLAIM_BY_SUBJECT(OTHERS)};

// Up to $2 of them are counted.
Statement count_running{R"(
  SELECT (SELECT count(*) FROM (SELECT FROM wearables.jobs j
            WHERE j.state = 'running' AND NOT j.suspect AND j.kind = $1::wearables.job_kind LIMIT $2) x)
       + (SELECT count(*) FROM (SELECT FROM wearables.jobs j
            WHERE j.state = 'running' AND j.suspect AND j.kind = $1::wearables.job_kind LIMIT $2) x))"};

Statement claim_one_suspect{R"(
  UPDATE wearables.jobs j
  SET state = 'running', attempt = j.attempt + 1, leased_by = $1, leased_at = clock_timestamp(),
      leased_until = clock_timestamp() + make_interval(secs => $2)
  WHERE j.job_id = ANY (ARRAY(
    SELECT x.job_id FROM wearables.jobs x
    WHERE x.suspect AND x.state = 'ready' AND x.run_at <= clock_timestamp()
      AND x.kind = ANY ($3::wearables.job_kind[])
      AND NOT EXISTS (SELECT FROM wearables.jobs o WHERE o.suspect AND o.state = 'running')
    ORDER BY x.priority, x.run_at, x.job_id LIMIT 1 FOR UPDATE SKIP LOCKED))
  RETURNING )" CLAIMED ", j.attempt, true, j.kind::text, j.argument, j.run_at"};

#define THIS_CLAIM                                                                                             \
  " j.job_id = $1 AND j.leased_by IS NOT DISTINCT FROM $2 AND j.leased_at IS NOT DISTINCT FROM $3 "            \
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
    "WHERE j.leased_by = $1 AND j.state = 'running'"};

// Without waiting: job rows come first in the order of locks (lock.h), and a replay holds others already.
Statement delete_dead_letters_statement{R"(
  DELETE FROM wearables.jobs j WHERE j.job_id = ANY (ARRAY(
    SELECT f.job_id FROM wearables.jobs f
    WHERE f.state = 'failed' AND f.event_id = ANY ($1::bigint[]) AND EXISTS (
      SELECT FROM wearables.webhook_events e
      WHERE e.event_id = f.event_id AND e.received_at = f.received_at AND e.status <> 'failed' OFFSET 0)
    FOR UPDATE OF f SKIP LOCKED)))"};

// The next job of the subject $2, not job $3, which was moved out of the way (kSubjectWait).
Statement free_subject_statement{R"(
  UPDATE wearables.jobs j SET run_at = clock_timestamp()
  WHERE j.job_id = ANY (ARRAY(
    SELECT x.job_id FROM wearables.jobs x
    WHERE x.state = 'ready' AND x.subject IS NOT NULL AND x.kind = $1::wearables.job_kind AND x.subject = $2
      AND x.job_id <> $3 AND x.run_at > clock_timestamp()
    ORDER BY x.job_id LIMIT 1 FOR UPDATE SKIP LOCKED)))"};

Statement subject_statement{"SELECT j.subject FROM wearables.jobs j WHERE j.job_id = $1"};

// Not locked: whoever works on one of them must not run into this look.
Statement running_statement{
    "SELECT " CLAIMED ", j.attempt, j.suspect, j.kind::text, NULL::jsonb, j.leased_until < clock_timestamp() "
    "FROM wearables.jobs j WHERE j.state = 'running'"};

// Of one that was found lost: not where its session is at work on it after all, and only beyond its lease.
Statement hold_lost_statement{"SELECT FROM wearables.jobs j WHERE" THIS_CLAIM " FOR UPDATE SKIP LOCKED"};

// Lost without a word: by a crash, or by an attempt that lasts longer than its lease.
Statement suspect_statement{
    "UPDATE wearables.jobs j SET state = 'ready', suspect = true, "
    "run_at = clock_timestamp() + make_interval(secs => $4), last_sqlstate = $5, last_error = $6," NO_LEASE
    "WHERE" THIS_CLAIM};

// $2: where to begin among those of priority 0.
Statement next_due_statement{R"(
  SELECT least((SELECT x.run_at FROM wearables.jobs x
                WHERE x.state = 'ready' AND NOT x.suspect AND x.kind = $1::wearables.job_kind AND x.priority = 0
                  AND x.run_at >= $2
                ORDER BY x.priority, x.run_at, x.job_id LIMIT 1),
               (SELECT min(x.run_at) FROM wearables.jobs x
                WHERE x.state = 'ready' AND NOT x.suspect AND x.kind = $1::wearables.job_kind AND x.priority > 0)))"};

Statement next_suspect_due_statement{R"(
  SELECT min(x.run_at) FROM wearables.jobs x
  WHERE x.suspect AND x.state = 'ready' AND x.kind = ANY ($1::wearables.job_kind[]))"};

// --- Rows

TimestampTz get_instant(uint64 row, int column, TimestampTz if_null = 0) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetTimestampTz(value);
}

Jsonb* copy_argument(uint64 row, MemoryContext context) {
  bool null;
  const Datum value = get(row, kArgument, &null);
  if (null) return nullptr;
  MemoryContext old = MemoryContextSwitchTo(context);
  Jsonb* copy = DatumGetJsonbPCopy(value);
  MemoryContextSwitchTo(old);
  return copy;
}

Job job_of_row(uint64 row, MemoryContext context) {
  Job job{};
  job.kind = find_job_kind(get_text(row, kKind));
  job.job_id = get_int8(row, kJobId);
  job.event_id = get_int8(row, kEventId);
  job.received_at = get_instant(row, kReceivedAt);
  job.leased_by = get_int4(row, kLeasedBy);
  job.leased_at = get_instant(row, kLeasedAt);
  job.waiting_since = get_instant(row, kWaitingSince);
  job.attempt = get_int4(row, kAttempt);
  job.suspect = get_bool(row, kSuspect);
  job.argument = copy_argument(row, context);
  job.context = context;
  return job;
}

Arg arg_seconds(double seconds) { return arg_datum(FLOAT8OID, Float8GetDatum(seconds)); }
Arg arg_sqlstate(int sqlstate) { return arg_text(unpack_sql_state(sqlstate)); }

// What tells this claim from another one's.
Arg arg_holder(const Job& job) { return arg_datum(INT4OID, Int32GetDatum(job.leased_by), job.leased_by == 0); }
Arg arg_claimed_at(const Job& job) {
  return arg_datum(TIMESTAMPTZOID, TimestampTzGetDatum(job.leased_at), job.leased_at == 0);
}

// --- How far a scan of ready jobs has to go

// Before `from` no ready job of priority 0 was seen. Some may have come there since: one released, one whose
// transaction began long ago. So all of it is read again, as often as that is cheap.
struct LowWaterMark {
  TimestampTz from;
  TimestampTz full_scan_at;
};

// Of this session, by kind.
struct KindScan {
  LowWaterMark mark;
  TimestampTz others_scan_at;
  bool at_limit;  // found by the last claim
};
constinit KindScan scans[kMaxJobKinds] = {};

// A transaction that receives may be as far behind its clock.
constexpr int64 kMargin = USECS_PER_SEC;

// A full scan is repeated at once where it touched few pages of the table and its indexes; else so seldom that it takes
// a twentieth of the time.
struct ScanCost {
  TimestampTz begun;
  int64 pages;
  bool planned;  // to plan it touches pages of the catalog, once
};
constexpr int64 kFewPages = 50;
constexpr int64 kRestPerScan = 20;

int64 pages_touched() { return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read; }

ScanCost begin_scan(const Statement& statement) {
  return {GetCurrentTimestamp(), pages_touched(), statement.plan != nullptr};
}

// To take what is found touches some, too.
TimestampTz next_full_scan(const ScanCost& cost, uint64 rows) {
  if (is_stepped() || !cost.planned) return 0;
  if (pages_touched() - cost.pages < kFewPages * (1 + static_cast<int64>(rows))) return 0;
  const TimestampTz ended = GetCurrentTimestamp();
  return ended + kRestPerScan * (ended - cost.begun);
}

// --- Claims

uint64 run_claim(Statement& plain, Statement& by_subject, const JobKind& kind, int wanted, TimestampTz from) {
  const Arg limit = arg_int4(wanted);
  const Arg holder = arg_int4(MyProcPid);
  const Arg lease = arg_seconds(settings().lease_seconds);
  if (!kind.concurrency.one_per_subject) {
    return run(plain, {limit, holder, lease, arg_text(kind.name), arg_instant(from)});
  }
  return run(by_subject, {limit, holder, lease, arg_text(kind.name), arg_instant(from), arg_int4(kMaxClaim),
                          arg_seconds(kSubjectWait)});
}

int take_rows(uint64 rows, Job* jobs, MemoryContext context) {
  for (uint64 row = 0; row < rows; ++row) jobs[row] = job_of_row(row, context);
  return static_cast<int>(rows);
}

int claim_live_jobs(const JobKind& kind, KindScan* scan, Job* jobs, int wanted, MemoryContext context) {
  Statement& statement = kind.concurrency.one_per_subject ? claim_live_by_subject : claim_live;
  const ScanCost cost = begin_scan(statement);
  LowWaterMark& mark = scan->mark;
  // a clock that was set back counts as a mark that says nothing
  const bool full = cost.begun >= mark.full_scan_at || cost.begun + kMargin < mark.from;
  const uint64 rows = run_claim(claim_live, claim_live_by_subject, kind, wanted, full ? DT_NOBEGIN : mark.from);
  if (full) {
    mark.full_scan_at = next_full_scan(cost, rows);
    // nothing is ready: what comes is of now
    mark.from = rows == 0 ? cost.begun - kMargin : DT_NOBEGIN;
  }
  for (uint64 row = 0; row < rows; ++row) mark.from = std::max(mark.from, get_instant(row, kRunAt) - kMargin);
  return take_rows(rows, jobs, context);
}

// Without a mark: of these there are few, unless they are all that is done.
int claim_other_jobs(const JobKind& kind, KindScan* scan, Job* jobs, int wanted, MemoryContext context) {
  Statement& statement = kind.concurrency.one_per_subject ? claim_others_by_subject : claim_others;
  const ScanCost cost = begin_scan(statement);
  if (cost.begun < scan->others_scan_at) return 0;
  const uint64 rows = run_claim(claim_others, claim_others_by_subject, kind, wanted, DT_NOBEGIN);
  scan->others_scan_at = rows > 0 ? 0 : next_full_scan(cost, rows);
  return take_rows(rows, jobs, context);
}

bool is_limited(const JobKind& kind) {
  return kind.concurrency.max_running > 0 || kind.concurrency.one_per_subject;
}

// How many jobs of the kind this session may claim now, its claim lock taken. 0, too, while another session claims
// some.
int free_slots(int which) {
  const JobKind& kind = job_kind(which);
  const ConcurrencyRule& rule = kind.concurrency;
  scans[which].at_limit = false;
  if (!is_limited(kind)) return rule.max_claimed;
  if (!try_lock_job_kind(kind.name)) return 0;
  if (rule.max_running == 0) return rule.max_claimed;
  run(count_running, {arg_text(kind.name), arg_int4(rule.max_running)});
  const int running = static_cast<int>(get_int8(0, 1));
  scans[which].at_limit = running >= rule.max_running;
  return std::clamp(rule.max_running - running, 0, rule.max_claimed);
}

struct Slots {
  int left[kMaxJobKinds];
};

Arg arg_kinds(const JobKindSet& kinds) {
  Datum names[kMaxJobKinds];
  int count = 0;
  for (int i = 0; i < job_kind_count(); ++i) {
    if (kinds.has[i]) names[count++] = CStringGetTextDatum(job_kind(i).name);
  }
  return arg_array(TEXTOID, names, nullptr, count);
}

bool is_outside(const Job& job) { return job.kind->outside != nullptr; }

bool works_before(const Job& a, const Job& b) {
  return is_outside(a) != is_outside(b) ? is_outside(b) : a.job_id < b.job_id;
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
    run(free_subject_statement, {arg_text(job.kind->name), arg_text(subject), arg_int8(job.job_id)});
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

int claim_jobs(const JobKindSet& kinds, Job* jobs, int wanted, MemoryContext context) {
  Assert(wanted > 0 && wanted <= kMaxClaim);
  constinit static uint32 turn = 0;
  const int kind_count = job_kind_count();
  const int first = kind_count == 0 ? 0 : static_cast<int>(turn++ % static_cast<uint32>(kind_count));
  Slots slots;
  for (int i = 0; i < kind_count; ++i) slots.left[i] = -1;
  int count = 0;
  // priority 0 of all kinds, then the others, unless there was any of the former
  for (const bool live : {true, false}) {
    for (int i = 0; i < kind_count && count < wanted; ++i) {
      const int which = (first + i) % kind_count;
      if (!kinds.has[which]) continue;
      if (slots.left[which] < 0) slots.left[which] = free_slots(which);
      const int most = std::min(wanted - count, slots.left[which]);
      if (most == 0) continue;
      const JobKind& kind = job_kind(which);
      count += live ? claim_live_jobs(kind, &scans[which], jobs + count, most, context)
                    : claim_other_jobs(kind, &scans[which], jobs + count, most, context);
      Assert(count <= wanted);
    }
    if (count > 0) break;
  }
  std::sort(jobs, jobs + count, works_before);
  return count;
}

bool claim_suspect(const JobKindSet& kinds, Job* job, MemoryContext context) {
  if (!try_lock_suspects()) return false;
  JobKindSet free{};
  for (int i = 0; i < job_kind_count(); ++i) free.has[i] = kinds.has[i] && free_slots(i) > 0;
  const uint64 rows =
      run(claim_one_suspect, {arg_int4(MyProcPid), arg_seconds(settings().lease_seconds), arg_kinds(free)});
  Assert(rows <= 1);
  if (rows == 0) return false;
  *job = job_of_row(0, context);
  Assert(job->kind != nullptr);
  return true;
}

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

void release_claims() { run(release_statement, {arg_int4(MyProcPid)}); }

int find_lost_claims(LostClaim* lost, int most) {
  constinit static TimestampTz next_scan = 0;
  const ScanCost cost = begin_scan(running_statement);
  if (cost.begun < next_scan) return 0;
  const uint64 rows = run(running_statement, {});
  int count = 0;
  for (uint64 row = 0; row < rows && count < most; ++row) {
    LostClaim& found = lost[count];
    found.job = job_of_row(row, nullptr);
    if (found.job.kind != nullptr && is_lost(found.job, get_bool(row, kExpired), &found.why)) ++count;
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
                   arg_sqlstate(ERRCODE_CRASH_SHUTDOWN), arg_text("the session that worked on it was lost")});
}

TimestampTz next_due(const JobKindSet& kinds) {
  TimestampTz due = DT_NOEND;
  for (int i = 0; i < job_kind_count(); ++i) {
    if (!kinds.has[i] || scans[i].at_limit) continue;
    run(next_due_statement, {arg_text(job_kind(i).name), arg_instant(scans[i].mark.from)});
    due = std::min(due, get_instant(0, 1, DT_NOEND));
  }
  run(next_suspect_due_statement, {arg_kinds(kinds)});
  return std::min(due, get_instant(0, 1, DT_NOEND));
}

}  // namespace wearables::pg
