// Opens the tables of the room and scans them. Locks of relations stay until the transaction ends, as SQL's do; nothing
// else is locked here.
#include "pg/rollup/rollup_tables.h"

#include "pg/rollup/rollup.h"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
}

namespace wearables::pg {

bool open_internal_table(const char* name, LOCKMODE mode, KeyedTable* table) {
  const Oid schema = get_namespace_oid("wearables_internal", true);
  const Oid relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
  if (!OidIsValid(relation)) return false;
  table->heap = table_open(relation, mode);
  table->key = index_open(compat_primary_key(table->heap), mode);
  return true;
}

void close_internal_table(const KeyedTable& table) {
  index_close(table.key, NoLock);
  table_close(table.heap, NoLock);
}

void begin_rollup_scan(const KeyedTable& rollups, Snapshot snapshot, int64 user_id, int16 metric_id,
                       const DayRange& days, RollupScan* scan) {
  ScanKeyData* keys = scan->keys;
  ScanKeyInit(&keys[0], kRollupUser, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
  ScanKeyInit(&keys[1], kRollupMetric, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(metric_id));
  ScanKeyInit(&keys[2], kRollupDay, BTGreaterEqualStrategyNumber, F_DATE_GE, DateADTGetDatum(days.from));
  ScanKeyInit(&keys[3], kRollupDay, BTLessEqualStrategyNumber, F_DATE_LE, DateADTGetDatum(days.to));
  scan->desc = RelationGetDescr(rollups.heap);
  scan->scan = systable_beginscan_ordered(rollups.heap, rollups.key, snapshot, lengthof(scan->keys), keys);
}

HeapTuple next_rollup(const RollupScan& scan) { return systable_getnext_ordered(scan.scan, ForwardScanDirection); }

void end_rollup_scan(const RollupScan& scan) { systable_endscan_ordered(scan.scan); }

bool find_rollup_epoch(Snapshot snapshot, int64* epoch) {
  constexpr int kResetId = 1;
  KeyedTable resets;
  if (!open_internal_table("rollup_resets", AccessShareLock, &resets)) return false;
  SysScanDesc scan = systable_beginscan_ordered(resets.heap, resets.key, snapshot, 0, nullptr);
  HeapTuple newest = systable_getnext_ordered(scan, BackwardScanDirection);
  bool null;
  *epoch = HeapTupleIsValid(newest)
               ? DatumGetInt64(heap_getattr(newest, kResetId, RelationGetDescr(resets.heap), &null))
               : 0;
  systable_endscan_ordered(scan);
  close_internal_table(resets);
  return true;
}

bool is_rollup_trigger(const Trigger& trigger) {
  return !TRIGGER_FOR_ROW(trigger.tgtype) && strcmp(trigger.tgname, "reset_rollups") == 0;
}

namespace {

bool has_trigger_always(const TriggerDesc* triggers) {
  for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
    const Trigger& trigger = triggers->triggers[i];
    if (is_rollup_trigger(trigger)) return trigger.tgenabled == TRIGGER_FIRES_ALWAYS;
  }
  return false;
}

// What replication applies fires no trigger of statements.
bool is_subscribed(Oid relation) {
  ScanKeyData key;
  Relation catalog = table_open(SubscriptionRelRelationId, AccessShareLock);
  ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  SysScanDesc scan = systable_beginscan(catalog, SubscriptionRelSrrelidSrsubidIndexId, true, nullptr, 1, &key);
  const bool found = HeapTupleIsValid(systable_getnext(scan));
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return found;
}

}  // namespace

bool rollups_can_hold(Relation sample_points) {
  const FormData_pg_class* form = sample_points->rd_rel;
  return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID && !form->relispartition &&
         !form->relhassubclass && has_trigger_always(sample_points->trigdesc) &&
         !is_subscribed(RelationGetRelid(sample_points));
}

DateADT utc_day(TimestampTz at) {
  const int64 rest = at % USECS_PER_DAY;
  return static_cast<DateADT>((at - (rest < 0 ? rest + USECS_PER_DAY : rest)) / USECS_PER_DAY);
}

}  // namespace wearables::pg
