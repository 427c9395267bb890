// What a write leaves for the rollups: those of its days are deleted, and the user is due. See rollup.h for why that is
// enough.
//
// Runs under the lock of the user, which all that change a row of rollup_users hold. The usual write is about today, of
// which there is no rollup, by a user that is due already: it reads one row by its key, and changes nothing.
#include "pg/rollup/rollup.h"

#include <algorithm>

#include "pg/rollup/rollup_tables.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/trigger.h"

extern "C" {
#include "access/stratnum.h"
#include "catalog/indexing.h"
#include "common/hashfn.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
}

namespace wearables::pg {

namespace {

// A row of rollup_users.
struct UserState {
  TimestampTz due_at = DT_NOEND;
  int64 epoch = 0;
  DayRange due;     // days that may lack their rollups
  DayRange rolled;  // no rollup lies elsewhere
};

DayRange days_of(const InstantRange& range) {
  if (range.empty()) return {};
  return {utc_day(to_server(range.from)), utc_day(to_server(range.to))};
}

DateADT date_column(HeapTuple row, int column, TupleDesc desc) {
  bool null;
  return DatumGetDateADT(heap_getattr(row, column, desc, &null));
}

// Finds the row of the user; null where there is none. The tuple is a copy.
HeapTuple find_state(const KeyedTable& users, Snapshot snapshot, int64 user_id, UserState* state) {
  ScanKeyData key;
  ScanKeyInit(&key, kStateUser, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
  SysScanDesc scan = systable_beginscan_ordered(users.heap, users.key, snapshot, 1, &key);
  HeapTuple row = systable_getnext_ordered(scan, ForwardScanDirection);
  if (HeapTupleIsValid(row)) {
    const TupleDesc desc = RelationGetDescr(users.heap);
    bool null;
    state->due_at = DatumGetTimestampTz(heap_getattr(row, kStateDueAt, desc, &null));
    state->epoch = DatumGetInt64(heap_getattr(row, kStateEpoch, desc, &null));
    state->due = {date_column(row, kStateDueFrom, desc), date_column(row, kStateDueTo, desc)};
    state->rolled = {date_column(row, kStateRolledFrom, desc), date_column(row, kStateRolledTo, desc)};
    row = heap_copytuple(row);
  }
  systable_endscan_ordered(scan);
  return row;
}

void store_state(const KeyedTable& users, HeapTuple former, int64 user_id, const UserState& state) {
  Datum values[kStateColumns];
  bool nulls[kStateColumns] = {};
  values[kStateUser - 1] = Int64GetDatum(user_id);
  values[kStateDueAt - 1] = TimestampTzGetDatum(state.due_at);
  values[kStateEpoch - 1] = Int64GetDatum(state.epoch);
  values[kStateDueFrom - 1] = DateADTGetDatum(state.due.from);
  values[kStateDueTo - 1] = DateADTGetDatum(state.due.to);
  values[kStateRolledFrom - 1] = DateADTGetDatum(state.rolled.from);
  values[kStateRolledTo - 1] = DateADTGetDatum(state.rolled.to);
  HeapTuple row = heap_form_tuple(RelationGetDescr(users.heap), values, nulls);
  if (former == nullptr) {
    CatalogTupleInsert(users.heap, row);
  } else {
    CatalogTupleUpdate(users.heap, &former->t_self, row);
  }
}

}  // namespace

// Today is not rolled up: the next reading would undo it. Tomorrow all users are due, so they are spread over hours.
TimestampTz rollup_due_time(int64 user_id, DateADT first) {
  constexpr int64 kSpread = 3 * USECS_PER_HOUR;
  const TimestampTz now = GetCurrentTimestamp();
  const int64 delay = settings().rollup_delay_seconds * USECS_PER_SEC;
  const DateADT today = utc_day(now);
  if (first < today) return now + delay;
  const uint32 chance = hash_bytes(reinterpret_cast<const unsigned char*>(&user_id), sizeof user_id);
  return (static_cast<int64>(today) + 1) * USECS_PER_DAY + delay + chance % kSpread;
}

namespace {

// A rollup that somebody else deletes at the same time is gone as well.
void delete_rollup(const KeyedTable& rollups, HeapTuple row, Snapshot snapshot) {
  TM_FailureData failure;
  const TM_Result result = table_tuple_delete(rollups.heap, &row->t_self, GetCurrentCommandId(true), snapshot,
                                              InvalidSnapshot, true, &failure, false);
  if (result == TM_Ok || result == TM_Deleted) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("a rollup was changed concurrently")));
}

void delete_rollups(int64 user_id, const Touched& touched, const DayRange& rolled, Snapshot snapshot) {
  KeyedTable rollups;
  if (!open_internal_table("rollups", RowExclusiveLock, &rollups)) return;
  for (const TouchedSeries& series : touched.series()) {
    DayRange days = days_of(series.written);
    if (days.empty() || !days.overlaps(rolled)) continue;
    days = {std::max(days.from, rolled.from), std::min(days.to, rolled.to)};
    RollupScan scan;
    begin_rollup_scan(rollups, snapshot, user_id, series.metric_id, days, &scan);
    for (HeapTuple row; HeapTupleIsValid(row = next_rollup(scan));) delete_rollup(rollups, row, snapshot);
    end_rollup_scan(scan);
    // two sources of a metric have the same rollups
    CommandCounterIncrement();
    snapshot->curcid = GetCurrentCommandId(false);
  }
  close_internal_table(rollups);
}

}  // namespace

void note_written(int64 user_id, const Touched& touched) {
  Assert(holds_user_lock(user_id));
  DayRange written;
  for (const TouchedSeries& series : touched.series()) {
    Assert(series.user_id == user_id);
    written.add(days_of(series.written));
  }
  if (written.empty()) return;
  KeyedTable users;
  if (!open_internal_table("rollup_users", RowExclusiveLock, &users)) return;
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  UserState state;
  HeapTuple former = find_state(users, snapshot, user_id, &state);
  if (written.overlaps(state.rolled)) delete_rollups(user_id, touched, state.rolled, snapshot);
  if (former == nullptr || !state.due.has(written)) {
    state.due.add(written);
    state.due_at = std::min(state.due_at, rollup_due_time(user_id, written.from));
    store_state(users, former, user_id, state);
    CommandCounterIncrement();
  }
  UnregisterSnapshot(snapshot);
  close_internal_table(users);
}

// --- SQL past the writer

namespace {

// Statement triggers that the writer's own statement will still fire.
constinit int own_events = 0;

Statement begin_epoch{"INSERT INTO wearables_internal.rollup_resets DEFAULT VALUES"};

}  // namespace

void begin_own_write(int events) { own_events = events; }
void end_own_write() { own_events = 0; }
void forget_own_write() noexcept { own_events = 0; }

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_reset_rollups);

Datum wearables_reset_rollups(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  // It reads no row, so any table may have it: this one under another name, too.
  if (!CALLED_AS_TRIGGER(fcinfo)) (void)trigger_on(fcinfo, "reset_rollups", {});
  if (own_events > 0) {
    --own_events;
    PG_RETURN_POINTER(nullptr);
  }
  // before the statement changes its first row
  lock_out_rollups();
  const OwnerScope scope = enter_owner();
  SPI_connect();
  run(begin_epoch, {});
  SPI_finish();
  leave(scope);
  PG_RETURN_POINTER(nullptr);
}
}
