#include "pg/ingest/claimant.h"

#include "pg/server/allocator.h"
#include "pg/parse/mapping.h"
#include "pg/server/spi.h"
#include "pg/server/subtransaction.h"

namespace wearables::pg {

namespace {

// More than so many are left to the queue: a transaction of one event must not last for ever.
constexpr int kMostAtOnce = 1000;

struct Claimant {
  int64 event_id;
  TimestampTz received_at;
  int64 version;
};

struct Claimants {
  HTAB* seen;
  Claimant* found;
  int count, capacity;
};

// Those handled under older mappings are behind, and a replay finds them by that. Those whose ids name somebody else
// now would give up keys in turn: they have jobs of their own (link_job.cpp).
Statement select_claimants{R"(
  SELECT e.event_id, e.received_at, e.version
  FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS f (user_id, from_ts, to_ts)
  JOIN wearables.users u ON u.user_id = f.user_id
  CROSS JOIN LATERAL (
    SELECT x.* FROM wearables.webhook_events x
    WHERE x.user_id = f.user_id AND x.wrote_to >= f.from_ts AND x.wrote_from <= f.to_ts
      AND (x.user_zone IS NULL OR x.user_zone = u.time_zone)
      AND x.status = 'processed' AND x.revision = )" REVISION_IN_FORCE R"(
    OFFSET 0) e
  WHERE f.user_id = coalesce((SELECT l.user_id FROM wearables.user_links l
                              WHERE l.endpoint = e.endpoint AND l.external_user_id = e.external_user_id),
                             CASE WHEN u.client_user_id = e.client_user_id THEN u.user_id END))"};
enum { kEventId = 1, kReceivedAt, kVersion };

Statement queue_claimant{"SELECT wearables_internal.enqueue_event($1, $2, 'normalize', 10)"};

Claimants make_claimants() {
  HASHCTL control{};
  control.keysize = control.entrysize = sizeof(int64);
  control.hcxt = CurrentMemoryContext;
  return {hash_create("wearables claimants", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT), nullptr, 0, 0};
}

// Whether the event is seen for the first time.
bool see(Claimants* claimants, int64 event_id) {
  bool found;
  (void)hash_search(claimants->seen, &event_id, HASH_ENTER, &found);
  return !found;
}

void append(Claimants* claimants, const Claimant& claimant) {
  if (claimants->count == claimants->capacity) {
    claimants->capacity = Max(64, 2 * claimants->capacity);
    const Size size = sizeof(Claimant) * claimants->capacity;
    claimants->found =
        static_cast<Claimant*>(claimants->found == nullptr ? palloc(size) : repalloc_huge(claimants->found, size));
  }
  claimants->found[claimants->count++] = claimant;
}

void find_claimants(Claimants* claimants, const FreedSpan* spans, int count) {
  auto column = [count] { return static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1))); };
  Datum *users = column(), *from = column(), *to = column();
  for (int i = 0; i < count; ++i) {
    users[i] = Int64GetDatum(spans[i].user_id);
    from[i] = TimestampTzGetDatum(spans[i].from);
    to[i] = TimestampTzGetDatum(spans[i].to);
  }
  const uint64 rows =
      run(select_claimants, {arg_array(INT8OID, users, nullptr, count), arg_array(TIMESTAMPTZOID, from, nullptr, count),
                             arg_array(TIMESTAMPTZOID, to, nullptr, count)});
  for (uint64 row = 0; row < rows; ++row) {
    const int64 event_id = get_int8(row, kEventId);
    if (see(claimants, event_id)) append(claimants, {event_id, get_instant(row, kReceivedAt), get_int8(row, kVersion)});
  }
}

int newest_first(const void* a, const void* b) {
  const auto* left = static_cast<const Claimant*>(a);
  const auto* right = static_cast<const Claimant*>(b);
  if (left->version != right->version) return left->version > right->version ? -1 : 1;
  return left->event_id > right->event_id ? -1 : left->event_id < right->event_id ? 1 : 0;
}

struct Attempt {
  const Claimant* claimant;
  bool handled;
  Event event;
  Outcome outcome;
};

void handle(void* arg) {
  auto* attempt = static_cast<Attempt*>(arg);
  if (!load_event(attempt->claimant->event_id, attempt->claimant->received_at, &attempt->event)) return;
  MissingNames missing{};
  missing.context = CurrentMemoryContext;
  attempt->outcome = ingest(attempt->event, {Locks::kHeld, &missing, nullptr});
  attempt->handled = true;
}

void put_in_queue(const Claimant& claimant) {
  run(queue_claimant, {arg_int8(claimant.event_id), arg_instant(claimant.received_at)});
}

// What is wrong with it, or what it needs first, is a matter of its own job.
void handle_or_queue(const Claimant& claimant, ClaimantNote note, void* arg) {
  Attempt attempt{&claimant, false, {}, {}};
  ErrorData* error = in_subtransaction(handle, &attempt);
  give_back_after(attempt.event.body.size());
  if (error != nullptr) {
    if (error->sqlerrcode == ERRCODE_QUERY_CANCELED) ReThrowError(error);
    put_in_queue(claimant);
  } else if (attempt.handled && note != nullptr) {
    note(arg, attempt.event, attempt.outcome);
  }
}

}  // namespace

void reprocess_claimants(const FreedSpan* spans, int count, const int64* done, int done_count, ClaimantNote note,
                         void* arg) {
  if (count == 0) return;
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext list = AllocSetContextCreate(caller, "wearables claimants", ALLOCSET_DEFAULT_SIZES);
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables claimant", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(list);
  Claimants claimants = make_claimants();
  for (int i = 0; i < done_count; ++i) (void)see(&claimants, done[i]);
  find_claimants(&claimants, spans, count);
  if (claimants.count > 1) qsort(claimants.found, claimants.count, sizeof(Claimant), newest_first);
  for (int i = 0; i < claimants.count; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    if (i < kMostAtOnce) {
      handle_or_queue(claimants.found[i], note, arg);
    } else {
      put_in_queue(claimants.found[i]);
    }
    MemoryContextReset(scratch);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  MemoryContextDelete(list);
}

}  // namespace wearables::pg
