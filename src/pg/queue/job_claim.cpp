// Claims are made with SKIP LOCKED, so no session waits here for another one. The index of ready jobs begins with the
// kind: a claim reads its own kind's entries in the order of priority and run_at, and none of a kind that is paused, at
// its limit or unknown. While a long snapshot keeps the rows of done jobs, the index holds their entries, too. So a
// scan begins behind what an earlier one has found empty (LowWaterMark), and reads all of it now and then. The claim
// lock of a kind with a limit is tried, and held until the claim has committed: of two sessions the second one sees
// what the first one has claimed.
#include <algorithm>

#include "pg/queue/job.h"
#include "pg/queue/job_row.h"
#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

// A job whose subject is being worked on is moved out of the claims' way. Whoever ends that work brings it back; the
// time is for the case that the two cross.
constexpr double kSubjectWait = 10.0;

// --- Statements

#define TAKE                                                                                                        \
  "UPDATE wearables.jobs j SET state = 'running', blocked = false, leased_by = $2, leased_at = clock_timestamp(), " \
  "leased_until = clock_timestamp() + make_interval(secs => $3) "
#define READY                                                                \
  "x.state = 'ready' AND NOT x.suspect AND x.kind = $4::wearables.job_kind " \
  "AND x.run_at <= clock_timestamp()"
#define BY_AGE "ORDER BY x.priority, x.run_at, x.job_id "
#define OF_CLAIM "RETURNING " CLAIMED ", j.attempt + 1, false, $4::text, j.argument, j.run_at"

#define CLAIM(which)                                                                                 \
  TAKE "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM wearables.jobs x WHERE " READY which BY_AGE \
       "LIMIT $1 FOR UPDATE SKIP LOCKED)) " OF_CLAIM

// $5: where to begin
#define LIVE " AND x.priority = 0 AND x.run_at >= $5 "
#define OTHERS " AND x.priority > 0 "

// Of the first kMaxClaim candidates ($6) those whose subject is not worked on, one of each; the rest are moved.
#define CLAIM_BY_SUBJECT(which)                                                                             \
  "WITH candidate AS MATERIALIZED (SELECT x.job_id, x.subject, x.priority, x.run_at FROM wearables.jobs x " \
  "WHERE " READY which BY_AGE                                                                               \
  "LIMIT $6 FOR UPDATE SKIP LOCKED), "                                                                      \
  "judged AS MATERIALIZED (SELECT c.*, c.subject IS NULL OR "                                               \
  "row_number() OVER (PARTITION BY c.subject ORDER BY c.priority, c.run_at, c.job_id) = 1 AND NOT EXISTS (" \
  "SELECT FROM wearables.jobs r WHERE r.state = 'running' AND r.kind = $4::wearables.job_kind "             \
  "AND r.subject = c.subject) AS is_free FROM candidate c), "                                               \
  "moved AS (UPDATE wearables.jobs j "                                                                      \
  "SET blocked = true, run_at = clock_timestamp() + make_interval(secs => $7) "                             \
  "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM judged x WHERE NOT x.is_free))) " TAKE                  \
  "WHERE j.job_id = ANY (ARRAY(SELECT x.job_id FROM judged x WHERE x.is_free " BY_AGE "LIMIT $1)) " OF_CLAIM

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
  bool at_limit;              // found by the last claim
  TimestampTz skipped_until;  // the last claim did not look; 0: it did
};
constinit KindScan scans[kMaxJobKinds] = {};

// Another session's claim of a limited kind is over by then, as a rule.
constexpr int64 kClaimOfAnother = 10 * 1000;

// A transaction that receives may be as far behind its clock.
constexpr int64 kMargin = USECS_PER_SEC;

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
  if (cost.begun < scan->others_scan_at) {
    scan->skipped_until = scan->others_scan_at;
    return 0;
  }
  const uint64 rows = run_claim(claim_others, claim_others_by_subject, kind, wanted, DT_NOBEGIN);
  scan->others_scan_at = rows > 0 ? 0 : next_full_scan(cost, rows);
  return take_rows(rows, jobs, context);
}

// How many jobs of the kind this session may claim now, its claim lock taken. 0, too, while another session claims
// some.
int free_slots(int which) {
  const JobKind& kind = job_kind(which);
  const ConcurrencyRule& rule = kind.concurrency;
  scans[which].at_limit = false;
  const int most = kind.flight == nullptr ? rule.max_claimed : std::min(rule.max_claimed, kind.flight->room());
  if (!is_limited(kind) || most == 0) return most;
  if (!try_lock_job_kind(kind.name)) {
    scans[which].skipped_until = GetCurrentTimestamp() + kClaimOfAnother;
    return 0;
  }
  if (rule.max_running == nullptr) return most;
  const int max_running = rule.max_running();
  run(count_running, {arg_text(kind.name), arg_int4(max_running)});
  const int running = static_cast<int>(get_int8(0, 1));
  scans[which].at_limit = running >= max_running;
  return std::clamp(max_running - running, 0, most);
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

bool is_outside(const Job& job) { return works_outside(*job.kind); }

bool works_before(const Job& a, const Job& b) {
  return is_outside(a) != is_outside(b) ? is_outside(b) : a.job_id < b.job_id;
}

}  // namespace

int claim_jobs(const JobKindSet& kinds, Job* jobs, int wanted, MemoryContext context) {
  Assert(wanted > 0 && wanted <= kMaxClaim);
  constinit static uint32 turn = 0;
  const int kind_count = job_kind_count();
  const int first = kind_count == 0 ? 0 : static_cast<int>(turn++ % static_cast<uint32>(kind_count));
  Slots slots;
  for (int i = 0; i < kind_count; ++i) {
    slots.left[i] = -1;
    scans[i].skipped_until = 0;
  }
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

TimestampTz claim_skipped_until(const JobKindSet& kinds) {
  TimestampTz until = 0;
  for (int i = 0; i < job_kind_count(); ++i) {
    const TimestampTz skipped = scans[i].skipped_until;
    if (kinds.has[i] && skipped != 0) until = until == 0 ? skipped : std::min(until, skipped);
  }
  return until;
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
