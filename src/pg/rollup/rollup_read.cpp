// Reads rollups by their key, without SQL: a caller of a chart needs rights on sample_points alone, which are looked at
// here as the executor would. The snapshot is that of the calling query, under which the chart reads its samples, too.
// Locks the tables as a SELECT does.
#include "pg/rollup/rollup_read.h"

#include "pg/server/settings.h"

extern "C" {
#include "catalog/pg_class.h"
#include "utils/rel.h"
#include "utils/rls.h"
}

namespace wearables::pg {

namespace {

// Whoever has a right on some columns only, or is bound by policies, is left to the executor.
bool may_read_all(Oid sample_points) {
  return pg_class_aclcheck(sample_points, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
         check_enable_rls(sample_points, InvalidOid, true) != RLS_ENABLED;
}

bool holds_for_caller() {
  const Oid relation = get_relname_relid("sample_points", get_namespace_oid("wearables", false));
  if (!OidIsValid(relation) || !may_read_all(relation)) return false;
  Relation points = table_open(relation, AccessShareLock);
  const bool holds = rollups_can_hold(points);
  table_close(points, NoLock);
  return holds;
}

}  // namespace

bool open_rollups(RollupReader* reader) {
  if (!settings().use_rollups || !holds_for_caller()) return false;
  reader->snapshot = GetActiveSnapshot();
  return find_rollup_epoch(reader->snapshot, &reader->epoch) &&
         open_internal_table("rollups", AccessShareLock, &reader->rollups);
}

void close_rollups(const RollupReader& reader) { close_internal_table(reader.rollups); }

void read_rollups(const RollupReader& reader, int64 user_id, int16 metric_id, const DayRange& days,
                  void (*receive)(void* arg, DateADT day, std::string_view entries), void* arg) {
  RollupScan scan;
  begin_rollup_scan(reader.rollups, reader.snapshot, user_id, metric_id, days, &scan);
  for (HeapTuple row; HeapTupleIsValid(row = next_rollup(scan));) {
    CHECK_FOR_INTERRUPTS();
    Datum values[kRollupEntries];
    bool nulls[kRollupEntries];
    heap_deform_tuple(row, scan.desc, values, nulls);
    if (DatumGetInt64(values[kRollupEpoch - 1]) != reader.epoch) continue;
    auto* stored = reinterpret_cast<struct varlena*>(DatumGetPointer(values[kRollupEntries - 1]));
    struct varlena* entries = pg_detoast_datum_packed(stored);
    receive(arg, DatumGetDateADT(values[kRollupDay - 1]), {VARDATA_ANY(entries), VARSIZE_ANY_EXHDR(entries)});
    if (entries != stored) pfree(entries);
  }
  end_rollup_scan(scan);
}

}  // namespace wearables::pg
