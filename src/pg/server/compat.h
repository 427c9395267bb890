// Where the executor's and the access methods' interfaces differ between PostgreSQL 15 and 18.
#pragma once

#include "pg/server/server.h"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "parser/parse_relation.h"
}

namespace wearables::pg {

inline IndexScanDesc compat_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int keys) {
#if PG_VERSION_NUM >= 180000
  return index_beginscan(heap, index, snapshot, nullptr, keys, 0);
#else
  return index_beginscan(heap, index, snapshot, keys, 0);
#endif
}

inline Oid compat_primary_key(Relation heap) {
#if PG_VERSION_NUM >= 180000
  return RelationGetPrimaryKeyIndex(heap, false);
#else
  return RelationGetPrimaryKeyIndex(heap);
#endif
}

// A range table of the one relation, as logical replication's worker makes it.
inline void compat_init_range_table(EState* estate, RangeTblEntry* entry) {
#if PG_VERSION_NUM >= 180000
  List* permissions = NIL;
  addRTEPermissionInfo(&permissions, entry);
  ExecInitRangeTable(estate, list_make1(entry), permissions, bms_make_singleton(1));
#elif PG_VERSION_NUM >= 160000
  List* permissions = NIL;
  addRTEPermissionInfo(&permissions, entry);
  ExecInitRangeTable(estate, list_make1(entry), permissions);
#else
  ExecInitRangeTable(estate, list_make1(entry));
#endif
}

// Index entries of a row just inserted, or of an updated one that moved (not HOT).
inline void compat_insert_index_tuples(ResultRelInfo* info, TupleTableSlot* slot, EState* estate, bool update,
                                       bool only_summarizing) {
#if PG_VERSION_NUM >= 160000
  (void)ExecInsertIndexTuples(info, slot, estate, update, false, nullptr, NIL, only_summarizing);
#else
  (void)only_summarizing;
  (void)ExecInsertIndexTuples(info, slot, estate, update, false, nullptr, NIL);
#endif
}

// Updates the row at `tid`; tells whether its index entries must follow, and whether only those that summarize.
struct Update {
  TM_Result result;
  bool indexes, only_summarizing;
};

inline Update compat_update(Relation heap, ItemPointer tid, TupleTableSlot* slot, CommandId command,
                            Snapshot snapshot) {
  TM_FailureData failure;
  LockTupleMode mode;
#if PG_VERSION_NUM >= 160000
  TU_UpdateIndexes indexes = TU_None;
  const TM_Result result =
      table_tuple_update(heap, tid, slot, command, snapshot, InvalidSnapshot, true, &failure, &mode, &indexes);
  return {result, indexes != TU_None, indexes == TU_Summarizing};
#else
  bool indexes = false;
  const TM_Result result =
      table_tuple_update(heap, tid, slot, command, snapshot, InvalidSnapshot, true, &failure, &mode, &indexes);
  return {result, indexes, false};
#endif
}

}  // namespace wearables::pg
