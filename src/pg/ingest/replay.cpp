// replay(): an aggregate over event ids whose last step does the work.
#include "core/write/sample.h"

#include "pg/server/allocator.h"
#include "pg/ingest/claimant.h"
#include "pg/ingest/ingest.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/subtransaction.h"
#include "pg/queue/job.h"
#include "pg/queue/trouble.h"
#include "pg/people/user.h"

namespace wearables::pg {

namespace {

Statement tell_archived{"SELECT wearables_internal.tell_archived($1)"};

struct EventIds {
  Datum* ids;
  int64 count, capacity;
};

struct Planned {
  int64 event_id;
  TimestampTz received_at;
  int64 user_id;
  bool lacks_link;
  bool parked;  // before it was known whether the event holds anything for us
};

// Where events have given up keys that others may claim.
struct Given {
  FreedSpan* spans;
  int count;
};

struct Totals {
  int64 events, by_status[5];
  Counts counts;
  int64 removed;
};

void append(EventIds* ids, int64 event_id) {
  if (ids->count == ids->capacity) {
    if (ids->capacity >= PG_INT32_MAX / 16) {
      ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many events for one replay"),
                      errhint("Replay fewer at a time, the newest first.")));
    }
    ids->capacity *= 2;
    ids->ids = static_cast<Datum*>(repalloc_huge(ids->ids, sizeof(Datum) * ids->capacity));
  }
  ids->ids[ids->count++] = Int64GetDatum(event_id);
}

EventIds* make_ids(MemoryContext context) {
  MemoryContext old = MemoryContextSwitchTo(context);
  auto* ids = static_cast<EventIds*>(palloc(sizeof(EventIds)));
  *ids = {static_cast<Datum*>(palloc(sizeof(Datum) * 64)), 0, 64};
  MemoryContextSwitchTo(old);
  return ids;
}

Planned* put_in_order(const EventIds& ids, MemoryContext context, int* count) {
  const EventKey* keys = find_events_newest_first(ids.ids, static_cast<int>(ids.count), count);
  auto* planned = static_cast<Planned*>(MemoryContextAllocHuge(context, sizeof(Planned) * (*count + 1)));
  for (int i = 0; i < *count; ++i) planned[i] = {keys[i].event_id, keys[i].received_at, 0, false, false};
  return planned;
}

// Calls for_each(event, planned) in `scratch`, which is reset after it, with the head of each event that is there.
template <typename ForEach>
void look_at_heads(Planned* planned, int count, MemoryContext scratch, ForEach for_each) {
  for (int i = 0; i < count; ++i) {
    MemoryContext old = MemoryContextSwitchTo(scratch);
    Event event;
    if (load_event_head(planned[i].event_id, planned[i].received_at, &event)) for_each(event, &planned[i], old);
    MemoryContextSwitchTo(old);
    MemoryContextReset(scratch);
  }
}

// All users are found, links are made, and what is unknown is parked, in this order (user.h), before the first lock of
// a user is taken: from then on nothing is waited for that another writer could hold.
void lock_everybody(Planned* planned, int count, MemoryContext scratch) {
  // two of an event: the one whose rows it wrote may be another one than its ids name now
  auto* users = static_cast<int64*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * (2 * count + 1)));
  int known = 0;
  bool any_unknown = false;
  NewLinks links{};
  look_at_heads(planned, count, scratch, [&](const Event& event, Planned* plan, MemoryContext caller) {
    plan->user_id = user_of(event, &plan->lacks_link);
    any_unknown = any_unknown || plan->user_id == 0;
    if (event.wrote.user_id > 0) users[known++] = event.wrote.user_id;
    MemoryContextSwitchTo(caller);
    if (plan->lacks_link) add_link(event, plan->user_id, &links);
  });
  if (links.count > 0) make_links(links);
  if (links.count > 0 || any_unknown) {
    look_at_heads(planned, count, scratch, [](const Event& event, Planned* plan, MemoryContext) {
      if (plan->lacks_link || plan->user_id == 0) plan->user_id = user_of(event);
      if (plan->user_id != 0 || !names_somebody(event)) return;
      plan->user_id = park(event);
      plan->parked = plan->user_id == 0;
    });
  }
  for (int i = 0; i < count; ++i) {
    if (planned[i].user_id > 0) users[known++] = planned[i].user_id;
  }
  lock_users(users, known);
}

void add(Totals* totals, const Outcome& outcome) {
  ++totals->events;
  ++totals->by_status[static_cast<int>(outcome.status)];
  add_counts(outcome.counts, &totals->counts);
  totals->removed += outcome.removed;
}

struct Replayed {
  const Planned* planned;
  MissingNames missing;
  const ClosedNames* closed;
  bool handled;
  Outcome outcome;
  int64 revision;  // of the attempt, -1 before it has the event
  size_t body_size;
};

void replay_event(void* arg) {
  auto* replayed = static_cast<Replayed*>(arg);
  Event event;
  if (!load_event(replayed->planned->event_id, replayed->planned->received_at, &event)) return;
  replayed->revision = event.revision;
  replayed->body_size = event.body.size();
  replayed->outcome = ingest(event, {Locks::kHeld, &replayed->missing, replayed->closed});
  replayed->handled = true;
}

void note_freed(const Outcome& outcome, Given* given) {
  given->count += freed_spans(outcome, given->spans + given->count);
}

Outcome fail_replayed(const Planned& planned, const ErrorData& error, int64 revision) {
  Outcome outcome{};
  outcome.status = Status::kFailed;
  Event event;
  if (!load_event_head(planned.event_id, planned.received_at, &event)) return outcome;
  const FailedAttempt failed{describe(error.sqlerrcode, error.message), revision};
  if (trouble_of(error.sqlerrcode) == Trouble::kBadData) return fail_event(&event, failed, Locks::kHeld);
  mark_failed(planned.event_id, planned.received_at, failed, false);
  return outcome;
}

// Names are made in this transaction, outside of what may be undone: another event may need them.
const ErrorData* try_with_names(Replayed* replayed) {
  constexpr int kMostRounds = 10;
  for (int round = 0; round < kMostRounds; ++round) {
    replayed->missing = {};
    replayed->missing.context = CurrentMemoryContext;
    const ErrorData* error = in_subtransaction(replay_event, replayed);
    give_back_after(replayed->body_size);
    if (error == nullptr || !is_names_missing(error->sqlerrcode)) return error;
    (void)make_names(&replayed->missing, true);
    replayed->closed = closed_names(replayed->missing, CurrentMemoryContext);
  }
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("sources or metrics were deleted concurrently")));
}

// What bad data does to one event must not undo the others; any other error ends the replay.
void try_event(const Planned& planned, Totals* totals, Given* given) {
  Replayed replayed{};
  replayed.planned = &planned;
  replayed.revision = -1;
  const ErrorData* error = try_with_names(&replayed);
  const bool unpark_it = error != nullptr || (replayed.handled && replayed.outcome.status != Status::kParked);
  if (planned.parked && unpark_it) unpark(planned.event_id);
  if (error != nullptr) {
    const Trouble trouble = trouble_of(error->sqlerrcode);
    if (trouble != Trouble::kBadData && trouble != Trouble::kTooLarge) ReThrowError(const_cast<ErrorData*>(error));
    replayed.outcome = fail_replayed(planned, *error, replayed.revision);
    replayed.handled = true;
  }
  if (!replayed.handled) return;
  add(totals, replayed.outcome);
  note_freed(replayed.outcome, given);
}

Given apply_in_order(const Planned* planned, int count, MemoryContext scratch, Totals* totals) {
  MemoryContext caller = CurrentMemoryContext;
  Given given{static_cast<FreedSpan*>(MemoryContextAllocHuge(caller, sizeof(FreedSpan) * (kMostFreed * count + 1))), 0};
  for (int i = 0; i < count; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    try_event(planned[i], totals, &given);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  return given;
}

Totals replay(const EventIds& ids) {
  Totals totals{};
  keep_freed_memory();
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables replay", ALLOCSET_DEFAULT_SIZES);
  int count;
  Planned* planned = put_in_order(ids, caller, &count);
  lock_everybody(planned, count, scratch);
  const Given given = apply_in_order(planned, count, scratch, &totals);
  auto* done = static_cast<int64*>(MemoryContextAllocHuge(caller, sizeof(int64) * (count + 1)));
  for (int i = 0; i < count; ++i) done[i] = planned[i].event_id;
  reprocess_claimants(
      given.spans, given.count, done, count,
      [](void* arg, const Event&, const Outcome& outcome) { add(static_cast<Totals*>(arg), outcome); }, &totals);
  delete_dead_letters(ids.ids, static_cast<int>(ids.count));
  MemoryContextDelete(scratch);
  return totals;
}

// Of a replay that found no event, too: those that were meant may be in the archive.
void warn_of_archived(const EventIds& ids) {
  run(tell_archived, {arg_array(INT8OID, ids.ids, nullptr, static_cast<int>(ids.count))});
}

Datum totals_datum(const Totals& totals, FunctionCallInfo fcinfo) {
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("replay() must return a row")));
  }
  const Counts& counts = totals.counts;
  auto of = [&totals](Status status) { return Int64GetDatum(totals.by_status[static_cast<int>(status)]); };
  Datum values[12] = {Int64GetDatum(totals.events),
                      of(Status::kProcessed),
                      of(Status::kSkipped),
                      of(Status::kParked),
                      of(Status::kFailed),
                      Int64GetDatum(counts.inserted),
                      Int64GetDatum(counts.changed),
                      Int64GetDatum(counts.confirmed),
                      Int64GetDatum(counts.unchanged),
                      Int64GetDatum(counts.stale),
                      Int64GetDatum(counts.quarantined),
                      Int64GetDatum(totals.removed)};
  bool nulls[12] = {};
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_replay_step);
PG_FUNCTION_INFO_V1(wearables_replay_final);

Datum wearables_replay_step(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  MemoryContext context;
  if (!AggCheckCallContext(fcinfo, &context)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("replay_step() can only be called by the aggregate replay()")));
  }
  auto* ids = PG_ARGISNULL(0) ? make_ids(context) : reinterpret_cast<EventIds*>(PG_GETARG_POINTER(0));
  if (!PG_ARGISNULL(1)) {
    MemoryContext old = MemoryContextSwitchTo(context);
    append(ids, PG_GETARG_INT64(1));
    MemoryContextSwitchTo(old);
  }
  PG_RETURN_POINTER(ids);
}

Datum wearables_replay_final(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Totals totals{};
  EventIds none{nullptr, 0, 0};
  const EventIds* ids = PG_ARGISNULL(0) ? &none : reinterpret_cast<EventIds*>(PG_GETARG_POINTER(0));
  SPI_connect();
  if (ids->count > 0) totals = replay(*ids);
  warn_of_archived(*ids);
  SPI_finish();
  return totals_datum(totals, fcinfo);
}
}
