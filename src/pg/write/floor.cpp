// The floors are kept by the session, for the writer asks for each batch, and a floor moves once a day. A trigger on
// retention_floors makes every session that sees a change read them again: at its commit, or at once for the session
// that makes it. They are read under the latest snapshot whatever the transaction's is: a transaction with an old one
// must not write below a floor that has moved since. A parallel query may take no such snapshot; it reads them under
// its own, and keeps nothing. Locks the table as a SELECT does.
#include "pg/write/floor.h"

#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/trigger.h"

extern "C" {
#include "access/genam.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "utils/inval.h"
#include "utils/rel.h"
}

namespace wearables::pg {

namespace {

// Columns of retention_floors, in the order of the table.
enum FloorColumn { kMetricId = 1, kFloor };

constinit MemoryContext floors_context = nullptr;
constinit const Floors* floors = nullptr;
constinit bool floors_valid = false;
constinit Oid floors_table = InvalidOid;
constinit uint64 changes_heard = 0;

void forget(Datum, Oid table) {
  if (OidIsValid(table) && table != floors_table) return;
  floors_valid = false;
  ++changes_heard;
}

void listen() {
  constinit static bool listening = false;
  if (!listening) CacheRegisterRelcacheCallback(forget, Datum{0});
  listening = true;
}

void read_floors(Relation table, Snapshot snapshot, Floors* into) {
  SysScanDesc scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, nullptr);
  for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));) {
    bool null;
    const int16 metric = DatumGetInt16(heap_getattr(row, kMetricId, RelationGetDescr(table), &null));
    const TimestampTz at = DatumGetTimestampTz(heap_getattr(row, kFloor, RelationGetDescr(table), &null));
    const Micros floor = TIMESTAMP_NOT_FINITE(at) ? kNoInstant : to_core(at);
    call_core([&]() -> Result<Done> { return into->add(metric, floor), Done{}; });
  }
  systable_endscan(scan);
}

// Where the schema is older than this library, there is no such table.
Relation open_floors() {
  const Oid schema = get_namespace_oid("wearables", true);
  floors_table = OidIsValid(schema) ? get_relname_relid("retention_floors", schema) : InvalidOid;
  return OidIsValid(floors_table) ? table_open(floors_table, AccessShareLock) : nullptr;
}

}  // namespace

const Floors& current_floors() {
  AcceptInvalidationMessages();
  if (floors_valid) return *floors;
  listen();
  const bool keeps = !IsInParallelMode();
  if (floors_context == nullptr) {
    floors_context = AllocSetContextCreate(TopMemoryContext, "wearables floors", ALLOCSET_SMALL_SIZES);
  }
  MemoryContextReset(floors_context);
  auto* fresh = owned_by<Floors>(floors_context);
  Relation table = open_floors();
  if (table != nullptr) {
    // what changes from here on may not be read, and is told
    const uint64 changes = changes_heard;
    Snapshot snapshot = RegisterSnapshot(keeps ? GetLatestSnapshot() : GetActiveSnapshot());
    read_floors(table, snapshot, fresh);
    UnregisterSnapshot(snapshot);
    table_close(table, NoLock);
    floors_valid = keeps && changes == changes_heard;
  }
  floors = fresh;
  return *floors;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_retention_floors_changed);

Datum wearables_retention_floors_changed(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TriggerData* data = trigger_on(fcinfo, "retention_floors_changed", {"retention_floors"});
  CacheInvalidateRelcache(data->tg_relation);
  return PointerGetDatum(nullptr);
}
}
