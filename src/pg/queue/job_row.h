// What the files that hold statements on wearables.jobs share: its columns as they are read, and how much a scan costs.
#pragma once

#include "pg/queue/job.h"
#include "pg/server/spi.h"

namespace wearables::pg {

// The columns of a claim, j being the table; behind them kAttempt and the following.
#define CLAIMED "j.job_id, j.event_id, j.received_at, j.leased_by, j.leased_at, j.waiting_since"

enum JobColumn {
  kJobId = 1,
  kEventId,
  kReceivedAt,
  kLeasedBy,
  kLeasedAt,
  kWaitingSince,
  kAttempt,
  kSuspect,
  kKind,
  kArgument,
  kRunAt,            // of a claim
  kExpired = kRunAt  // of the running jobs
};

// A copy; its argument lives in `context`, which may be null where the argument is. `kind` is null where it is unknown.
Job job_of_row(uint64 row, MemoryContext context);

// Whether jobs of the kind may have to wait for each other.
inline bool is_limited(const JobKind& kind) {
  return kind.concurrency.max_running != nullptr || kind.concurrency.one_per_subject;
}

// A full scan is repeated at once where it touched few pages of the table and its indexes; else so seldom that it takes
// a twentieth of the time.
struct ScanCost {
  TimestampTz begun;
  int64 pages;
  bool planned;  // to plan it touches pages of the catalog, once
};
ScanCost begin_scan(const Statement& statement);

// When the next full scan is due, of one that found `rows`.
TimestampTz next_full_scan(const ScanCost& cost, uint64 rows);

}  // namespace wearables::pg
