// replay(): an aggregate over event ids whose last step does the work.
#include "core/sample.h"

#include "pg/allocator.h"
#include "pg/heir.h"
#include "pg/ingest.h"
#include "pg/lock.h"
#include "pg/spi.h"
#include "pg/subtransaction.h"
#include "pg/user.h"

namespace wearables::pg {

namespace {

struct EventIds {
  Datum* ids;
  int64 count, capacity;
};

struct Planned {
  int64 event_id;
  TimestampTz received_at;
  int64 user_id;
  bool parked;  // before it was known whether the event holds anything for us
};

// What the mappings took from events: whose, and where.
struct Freed {
  Datum* users;
  int count;
  TimestampTz from, to;
};

struct Totals {
  int64 events, by_status[5];
  Counts counts;
  int64 removed;
};

// Newest first: a key that is removed is then free for the older event that rightly claims it.
Statement order_statement{R"(
  SELECT e.event_id, e.received_at FROM wearables.webhook_events e
  WHERE e.event_id = ANY ($1::bigint[]) ORDER BY e.version DESC, e.event_id DESC)"};

// What succeeds now is no dead letter any more. Without waiting: job rows come first in the order of locks.
Statement delete_letters{R"(
  DELETE FROM wearables.jobs j WHERE j.job_id = ANY (ARRAY(
    SELECT f.job_id FROM wearables.jobs f JOIN wearables.webhook_events e USING (event_id, received_at)
    WHERE f.state = 'failed' AND f.event_id = ANY ($1::bigint[]) AND e.status <> 'failed' FOR UPDATE OF f SKIP LOCKED)))"};

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
  lock_events();
  const uint64 rows =
      run(order_statement, {arg_array(INT8OID, ids.ids, nullptr, static_cast<int>(ids.count))});
  auto* planned = static_cast<Planned*>(MemoryContextAllocHuge(context, sizeof(Planned) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) {
    bool null;
    planned[row] = {get_int8(row, 1), DatumGetTimestampTz(get(row, 2, &null)), 0, false};
  }
  *count = static_cast<int>(rows);
  return planned;
}

// All users are found, and what is unknown is parked, before the first lock of a user is taken: from then
// on nothing is waited for that another writer could hold.
void lock_everybody(Planned* planned, int count, MemoryContext scratch) {
  auto* users = static_cast<int64*>(palloc(sizeof(int64) * (count + 1)));
  int known = 0;
  for (int i = 0; i < count; ++i) {
    MemoryContext old = MemoryContextSwitchTo(scratch);
    Event event;
    if (load_event_head(planned[i].event_id, planned[i].received_at, &event)) {
      planned[i].user_id = user_of(event);
      if (planned[i].user_id == 0) {
        planned[i].user_id = park(event);
        planned[i].parked = planned[i].user_id == 0;
      }
      if (planned[i].user_id > 0) users[known++] = planned[i].user_id;
    }
    MemoryContextSwitchTo(old);
    MemoryContextReset(scratch);
  }
  lock_users(users, known);
}

void add(Totals* totals, const Outcome& outcome) {
  ++totals->events;
  ++totals->by_status[static_cast<int>(outcome.status)];
  totals->counts.inserted += outcome.counts.inserted;
  totals->counts.changed += outcome.counts.changed;
  totals->counts.confirmed += outcome.counts.confirmed;
  totals->counts.unchanged += outcome.counts.unchanged;
  totals->counts.stale += outcome.counts.stale;
  totals->counts.quarantined += outcome.counts.quarantined;
  totals->removed += outcome.removed;
}

struct Replayed {
  const Planned* planned;
  Totals totals;
  Status status;
  bool freed;  // samples of this user went that another event may claim, in this span
  int64 user_id;
  TimestampTz from, to;
  int64 revision;  // of the attempt, -1 before it has the event
};

void take_outcome(const Event& event, const Outcome& outcome, Replayed* replayed) {
  add(&replayed->totals, outcome);
  replayed->status = outcome.status;
  replayed->freed = outcome.removed > 0 && event.wrote.metrics != nullptr;
  replayed->user_id = outcome.user_id;
  replayed->from = event.wrote.from;
  replayed->to = event.wrote.to;
}

void replay_event(void* arg) {
  auto* replayed = static_cast<Replayed*>(arg);
  Event event;
  if (load_event(replayed->planned->event_id, replayed->planned->received_at, &event)) {
    replayed->revision = event.revision;
    take_outcome(event, ingest(event, Locks::kHeld), replayed);
  }
}

void note_freed(const Replayed& replayed, Freed* freed) {
  if (!replayed.freed) return;
  freed->users[freed->count++] = Int64GetDatum(replayed.user_id);
  freed->from = Min(freed->from, replayed.from);
  freed->to = Max(freed->to, replayed.to);
}

void fail_event(const Planned& planned, const ErrorData& error, int64 revision, Replayed* replayed) {
  Event event;
  if (!load_event_head(planned.event_id, planned.received_at, &event)) return;
  const char* text = psprintf("%s (SQLSTATE %s)", error.message, unpack_sql_state(error.sqlerrcode));
  Outcome outcome{};
  outcome.status = Status::kFailed;
  const Failed failed{text, revision};
  if (is_bad_data(error.sqlerrcode)) {
    outcome = refuse(&event, failed, Locks::kHeld);
  } else {
    mark_failed(planned.event_id, planned.received_at, failed, false);
  }
  take_outcome(event, outcome, replayed);
}

// What bad data does to one event must not undo the others; any other error ends the replay.
void try_event(const Planned& planned, Totals* totals, Freed* freed) {
  Replayed replayed{&planned, *totals, Status::kFailed, false, 0, 0, 0, -1};
  ErrorData* error = in_subtransaction(replay_event, &replayed);
  if (planned.parked && (error != nullptr || replayed.status != Status::kParked)) unpark(planned.event_id);
  if (error != nullptr) {
    if (!is_final(error->sqlerrcode)) ReThrowError(error);
    const int64 revision = replayed.revision;
    replayed = {&planned, *totals, Status::kFailed, false, 0, 0, 0, -1};
    fail_event(planned, *error, revision, &replayed);
  }
  *totals = replayed.totals;
  note_freed(replayed, freed);
}

Freed apply_in_order(const Planned* planned, int count, MemoryContext scratch, Totals* totals) {
  MemoryContext caller = CurrentMemoryContext;
  Freed freed{static_cast<Datum*>(MemoryContextAllocHuge(caller, sizeof(Datum) * (count + 1))), 0, PG_INT64_MAX,
              PG_INT64_MIN};
  for (int i = 0; i < count; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    try_event(planned[i], totals, &freed);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  return freed;
}

Planned* plan_heirs(const Freed& freed, const EventIds& ids, int* count) {
  const Heir* heirs = find_heirs(freed.users, freed.count, freed.from, freed.to, ids.ids,
                                 static_cast<int>(ids.count), count);
  auto* planned = static_cast<Planned*>(
      MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Planned) * (*count + 1)));
  for (int i = 0; i < *count; ++i) planned[i] = {heirs[i].event_id, heirs[i].received_at, 0, false};
  return planned;
}

Totals replay(const EventIds& ids) {
  Totals totals{};
  keep_freed_memory();
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables replay", ALLOCSET_DEFAULT_SIZES);
  int count;
  Planned* planned = put_in_order(ids, caller, &count);
  lock_everybody(planned, count, scratch);
  Freed freed = apply_in_order(planned, count, scratch, &totals);
  while (freed.count > 0) {
    planned = plan_heirs(freed, ids, &count);
    freed = apply_in_order(planned, count, scratch, &totals);
  }
  run(delete_letters, {arg_array(INT8OID, ids.ids, nullptr, static_cast<int>(ids.count))});
  MemoryContextDelete(scratch);
  return totals;
}

Datum totals_datum(const Totals& totals, FunctionCallInfo fcinfo) {
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("replay() must return a row")));
  }
  const Counts& counts = totals.counts;
  auto of = [&totals](Status status) { return Int64GetDatum(totals.by_status[static_cast<int>(status)]); };
  Datum values[12] = {Int64GetDatum(totals.events),    of(Status::kProcessed),
                      of(Status::kSkipped),            of(Status::kParked),
                      of(Status::kFailed),             Int64GetDatum(counts.inserted),
                      Int64GetDatum(counts.changed),   Int64GetDatum(counts.confirmed),
                      Int64GetDatum(counts.unchanged), Int64GetDatum(counts.stale),
                      Int64GetDatum(counts.quarantined), Int64GetDatum(totals.removed)};
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
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("replay_step() is part of the aggregate replay()")));
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
  if (!PG_ARGISNULL(0)) {
    SPI_connect();
    totals = replay(*reinterpret_cast<EventIds*>(PG_GETARG_POINTER(0)));
    SPI_finish();
  }
  return totals_datum(totals, fcinfo);
}
}
