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
  bool done;  // was among those to leave out
};

struct Spans {
  Datum *users, *from, *to;
  int count, capacity;
};

struct Seen {
  int64 event_id;
  bool done;  // to be left out
};

struct Claimants {
  HTAB* seen;
  Claimant* found;
  int count, capacity;
};

// Those handled under older mappings are behind, and a replay finds them by that.
Statement select_claimants{R"(
  SELECT e.event_id, e.received_at, e.version, e.user_id, e.wrote_from, e.wrote_to
  FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS f (user_id, from_ts, to_ts)
  CROSS JOIN LATERAL (
    SELECT x.* FROM wearables.webhook_events x
    WHERE x.user_id = f.user_id AND x.wrote_to >= f.from_ts AND x.wrote_from <= f.to_ts
      AND x.status = 'processed' AND x.revision = )" REVISION_IN_FORCE R"(
    OFFSET 0) e)"};

Statement queue_claimant{"SELECT wearables_internal.enqueue_event($1, $2, 'normalize', 10)"};

Spans make_spans(int capacity) {
  auto column = [capacity] { return static_cast<Datum*>(palloc(sizeof(Datum) * (capacity + 1))); };
  return {column(), column(), column(), 0, capacity};
}

void append(Spans* spans, const FreedSpan& span) {
  Assert(spans->count < spans->capacity);
  spans->users[spans->count] = Int64GetDatum(span.user_id);
  spans->from[spans->count] = TimestampTzGetDatum(span.from);
  spans->to[spans->count++] = TimestampTzGetDatum(span.to);
}

Claimants make_claimants() {
  HASHCTL control{};
  control.keysize = sizeof(int64);
  control.entrysize = sizeof(Seen);
  control.hcxt = CurrentMemoryContext;
  return {hash_create("wearables claimants", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT), nullptr, 0, 0};
}

// Whether the event is seen for the first time; `done` tells for another one whether it was to be left out.
bool see(Claimants* claimants, int64 event_id, bool** done) {
  bool found;
  auto* seen = static_cast<Seen*>(hash_search(claimants->seen, &event_id, HASH_ENTER, &found));
  if (!found) seen->done = false;
  *done = &seen->done;
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

// Adds the events that overlap with the spans; returns their own spans, where those may move in turn.
Spans add_overlapping(Claimants* claimants, const Spans& spans, bool moves) {
  const uint64 rows = run(select_claimants, {arg_array(INT8OID, spans.users, nullptr, spans.count),
                                             arg_array(TIMESTAMPTZOID, spans.from, nullptr, spans.count),
                                             arg_array(TIMESTAMPTZOID, spans.to, nullptr, spans.count)});
  Spans next = make_spans(moves ? static_cast<int>(rows) : 0);
  for (uint64 row = 0; row < rows; ++row) {
    const int64 event_id = get_int8(row, 1);
    bool* done;
    const bool first = see(claimants, event_id, &done);
    if (!first && !(moves && *done)) continue;
    append(claimants, {event_id, get_instant(row, 2), get_int8(row, 3), *done});
    *done = false;
    if (moves) append(&next, {get_int8(row, 4), get_instant(row, 5), get_instant(row, 6)});
  }
  return next;
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
  } else if (attempt.handled && note != nullptr && !claimant.done) {
    note(arg, attempt.event, attempt.outcome);
  }
}

}  // namespace

void reprocess_claimants(const FreedSpan* spans, int count, bool moves, const int64* done, int done_count,
                         ClaimantNote note, void* arg) {
  if (count == 0) return;
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext list = AllocSetContextCreate(caller, "wearables claimants", ALLOCSET_DEFAULT_SIZES);
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables claimant", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(list);
  Claimants claimants = make_claimants();
  bool* left_out;
  for (int i = 0; i < done_count; ++i) {
    if (see(&claimants, done[i], &left_out)) *left_out = true;
  }
  Spans next = make_spans(count);
  for (int i = 0; i < count; ++i) append(&next, spans[i]);
  while (next.count > 0) next = add_overlapping(&claimants, next, moves);
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
