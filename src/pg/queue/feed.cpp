// Runs in a transaction that the caller begins and ends; what it locks is held no longer.
#include "pg/queue/feed.h"

#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

Statement queue_no_more_names{"SELECT wearables_internal.queue_no_more_names(false)"};
enum { kQueued = 1 };

}  // namespace

void queue_refused(void* feeding) {
  static_cast<Feeding*>(feeding)->any = run(queue_no_more_names, {}) > 0 && get_int4(0, kQueued) > 0;
}

bool feed_is_due(bool always) {
  constexpr int64 kBetween = 5 * USECS_PER_SEC;
  constinit static TimestampTz next = 0;
  const TimestampTz now = GetCurrentTimestamp();
  if (!always && now < next && next <= now + kBetween) return false;
  next = now + kBetween;
  return true;
}

void feed(void* feeding) {
  auto* fed = static_cast<Feeding*>(feeding);
  for (int i = 0; i < job_kind_count(); ++i) {
    const JobKind& kind = job_kind(i);
    if (fed->kinds.has[i] && kind.feed != nullptr && kind.feed()) fed->any = true;
  }
}

}  // namespace wearables::pg
