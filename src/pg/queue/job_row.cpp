// Reads rows of the queue that a statement has returned. Nothing here is locked or written.
#include "pg/queue/job_row.h"

#include "pg/server/stop_point.h"

extern "C" {
#include "executor/instrument.h"
}

namespace wearables::pg {

namespace {

constexpr int64 kFewPages = 50;
constexpr int64 kRestPerScan = 20;

int64 pages_touched() { return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read; }

Jsonb* copy_argument(uint64 row, MemoryContext context) {
  bool null;
  const Datum value = get(row, kArgument, &null);
  if (null) return nullptr;
  MemoryContext old = MemoryContextSwitchTo(context);
  Jsonb* copy = DatumGetJsonbPCopy(value);
  MemoryContextSwitchTo(old);
  return copy;
}

}  // namespace

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

}  // namespace wearables::pg
