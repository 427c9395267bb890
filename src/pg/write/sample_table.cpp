// The fast way into sample_points: index scan, multi-insert, update by tid, without the executor.
//
// Locks: the table and its key stay open with RowExclusiveLock for one chunk; the user's lock keeps other writers of
// ours away. The snapshot is taken when the table is opened, after the user's lock, so it shows what the last holder
// committed. Who writes past that lock is noticed: by the unique index, or by an update that finds another version.
// What is read or made for a chunk lives in the caller's context or in slots that are dropped at its end.
#include "core/write/sample.h"

#include <algorithm>
#include <utility>

#include "pg/rollup/rollup.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"
#include "pg/write/sample_columns.h"
#include "pg/write/sample_table.h"

extern "C" {
#include "access/sysattr.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
}

namespace wearables::pg {

namespace {

constexpr int kKeys = static_cast<int>(kKeyColumns.size());

// Rows of a table that inherits from it would be looked for in vain.
bool has_children(Relation heap) {
  return heap->rd_rel->relhassubclass && find_inheritance_children(RelationGetRelid(heap), NoLock) != NIL;
}

bool is_ours(const FormData_pg_attribute& column, const ColumnInfo& ours) {
  return !column.attisdropped && column.attgenerated == '\0' && column.atttypid == ours.type &&
         column.attnotnull != ours.nullable && strcmp(NameStr(column.attname), ours.name) == 0;
}

bool has_sample_columns(TupleDesc desc) {
  if (desc->natts != kSampleColumnCount) return false;
  for (int i = 0; i < kSampleColumnCount; ++i) {
    if (!is_ours(*TupleDescAttr(desc, i), kColumnInfo[i])) return false;
  }
  return true;
}

// The same from the catalog, for health: it must not wait for a lock of the table.
bool has_sample_columns(Oid relation) {
  HeapTuple form = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(form)) return false;
  bool ours = reinterpret_cast<Form_pg_class>(GETSTRUCT(form))->relnatts == kSampleColumnCount;
  ReleaseSysCache(form);
  for (int i = 0; i < kSampleColumnCount && ours; ++i) {
    HeapTuple column = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(i + 1));
    if (!HeapTupleIsValid(column)) return false;
    ours = is_ours(*reinterpret_cast<Form_pg_attribute>(GETSTRUCT(column)), kColumnInfo[i]);
    ReleaseSysCache(column);
  }
  return ours;
}

bool has_foreign_triggers(const TriggerDesc* triggers) {
  return triggers != nullptr &&
         !std::all_of(triggers->triggers, triggers->triggers + triggers->numtriggers, is_rollup_trigger);
}

bool has_checks(TupleDesc desc) { return desc->constr != nullptr && desc->constr->num_check > 0; }

constexpr auto kInsertOne = static_text([](TextWriter& out) {
  out << "INSERT INTO wearables.sample_points (" << ColumnNames{kAllColumns} << ") VALUES ("
      << Parameters{kAllColumns, 1} << ")";
});
Statement insert_one{kInsertOne.data};

bool planner_writes_plainly(Oid table) {
  return [table]<std::size_t... I>(std::index_sequence<I...>) {
    return is_plain_insert(insert_one, table, {kColumnInfo[I].type...});
  }
  (std::make_index_sequence<kSampleColumnCount>{});
}

// What the planner itself would write by nothing but its own ModifyTable. Of the rest the SQL form takes care. Policies
// count where they bind the owner, as whom the writer runs: those of readers do not.
bool is_plain(Relation heap) {
  const FormData_pg_class* form = heap->rd_rel;
  return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
         !has_foreign_triggers(heap->trigdesc) && heap->rd_rules == nullptr && !form->relispartition &&
         !has_children(heap) && check_enable_rls(RelationGetRelid(heap), InvalidOid, true) != RLS_ENABLED &&
         has_sample_columns(RelationGetDescr(heap)) && !has_checks(RelationGetDescr(heap)) &&
         planner_writes_plainly(RelationGetRelid(heap));
}

bool is_our_key(Relation index) {
  if (index->rd_index->indnkeyatts != kKeys || index->rd_rel->relam != BTREE_AM_OID) return false;
  for (int i = 0; i < kKeys; ++i) {
    if (index->rd_index->indkey.values[i] != kKeyColumns[i] + 1) return false;
  }
  return true;
}

void fill(TupleTableSlot* slot, int64 user_id, const Row& row) {
  ExecClearTuple(slot);
  Datum* values = slot->tts_values;
  bool* nulls = slot->tts_isnull;
  for_each_column([&]<class Column>(const Column&, int i) {
    bool null;
    values[i] = datum_of(Column::encode(user_id, row, &null));
    nulls[i] = null;
  });
  ExecStoreVirtualTuple(slot);
}

Row row_of_slot(TupleTableSlot* slot) {
  slot_getallattrs(slot);
  StoredRow stored{};
  for_each_column([&]<class Column>(const Column&, int i) {
    if (Column::kNullable && slot->tts_isnull[i]) {
      Column::decode_null(&stored);
    } else {
      Column::decode(stored_of<typename Column::Stored>(slot->tts_values[i]), &stored);
    }
  });
  return stored.row;
}

constexpr int kScanKeys = 4;  // user, metric, from, to

// A scan of one metric's range, moved forward over gaps.
struct Scan {
  IndexScanDesc index;
  TupleTableSlot* slot;
  ScanKeyData keys[kScanKeys];
  int misses;  // times in a row that no row of ours lay behind the one that was judged
  int wait;    // rows to be judged before that is tried again
};

void position(Scan* scan, int64 user_id, int16 metric_id, Micros from, Micros to) {
  constexpr AttrNumber kUserKey = 1, kMetricKey = 2, kTsKey = 3;  // of the index
  static_assert(kKeyColumns[kUserKey - 1] == kUserColumn && kKeyColumns[kMetricKey - 1] == kMetricColumn &&
                kKeyColumns[kTsKey - 1] == kTsColumn);
  ScanKeyInit(&scan->keys[0], kUserKey, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
  ScanKeyInit(&scan->keys[1], kMetricKey, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(metric_id));
  ScanKeyInit(&scan->keys[2], kTsKey, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
              TimestampTzGetDatum(to_server(from)));
  ScanKeyInit(&scan->keys[3], kTsKey, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, TimestampTzGetDatum(to_server(to)));
  index_rescan(scan->index, scan->keys, kScanKeys, nullptr, 0);
}

// Stored rows between two of ours that are read before the scan jumps ahead instead.
constexpr int kMaxRowsBetween = 32;

// The exponent of how seldom it is tried: after so many misses in a row, behind one of 64 rows.
constexpr int kMostMisses = 6;

// Judges the rows that lie behind the one the index led to; returns how many. Where there are none, as when they came
// one by one, that is tried less and less.
int follow(Scan* scan, const SampleTable& table, int64 user_id, const Row* rows, int count, Judged* judged) {
  if (scan->wait > 0) {
    --scan->wait;
    return 0;
  }
  const int followed = judge_following(table, user_id, scan->slot->tts_tid, rows, count, judged);
  scan->misses = followed > 0 ? 0 : std::min(scan->misses + 1, kMostMisses);
  scan->wait = (1 << scan->misses) - 1;
  return followed;
}

// The rows are of one metric: one merge of two ascending streams.
void judge_metric(Scan* scan, const SampleTable& table, int64 user_id, const Row* rows, int count, Judged* judged) {
  const Micros last = rows[count - 1].ts;
  position(scan, user_id, rows[0].metric_id, rows[0].ts, last);
  int next = 0;
  int passed = 0;
  while (next < count && index_getnext_slot(scan->index, ForwardScanDirection, scan->slot)) {
    const Row stored = row_of_slot(scan->slot);
    while (next < count && key_less(rows[next], stored)) ++next;
    if (next == count) return;
    if (key_equal(rows[next], stored)) {
      judged[next] = judge_stored(rows[next], stored, scan->slot->tts_tid);
      ++next;
      passed = 0;
      const int followed = follow(scan, table, user_id, rows + next, count - next, judged + next);
      next += followed;
      if (followed > kMaxRowsBetween && next < count) {
        position(scan, user_id, rows[next].metric_id, rows[next].ts, last);
      }
    } else if (++passed > kMaxRowsBetween && rows[next].ts > stored.ts) {
      position(scan, user_id, rows[next].metric_id, rows[next].ts, last);
      passed = 0;
    }
  }
}

// What the executor would have set up for the table as the one that it writes to.
struct ResultTable {
  EState* estate;
  ResultRelInfo* info;
};

ResultTable open_result_table(const SampleTable& table) {
  auto* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RELATION;
  entry->relid = RelationGetRelid(table.heap);
  entry->relkind = table.heap->rd_rel->relkind;
  entry->rellockmode = RowExclusiveLock;
  ResultTable target{CreateExecutorState(), makeNode(ResultRelInfo)};
  compat_init_range_table(target.estate, entry);
  InitResultRelInfo(target.info, table.heap, 1, nullptr, 0);
  ExecOpenIndices(target.info, false);
  return target;
}

void close_result_table(const ResultTable& target) {
  ExecCloseIndices(target.info);
  ExecResetTupleTable(target.estate->es_tupleTable, false);
  FreeExecutorState(target.estate);
}

constexpr int kSlots = 500;  // rows of one multi-insert

struct InsertBuffer {
  TupleTableSlot* slots[kSlots];
  int made, used;
  BulkInsertState bulk;
  CommandId command;
};

void flush(InsertBuffer* buffer, const SampleTable& table, const ResultTable& target) {
  if (buffer->used == 0) return;
  table_multi_insert(table.heap, buffer->slots, buffer->used, buffer->command, 0, buffer->bulk);
  for (int i = 0; i < buffer->used; ++i) {
    compat_insert_index_tuples(target.info, buffer->slots[i], target.estate, false, false);
    ExecClearTuple(buffer->slots[i]);
    ResetPerTupleExprContext(target.estate);
  }
  buffer->used = 0;
}

TupleTableSlot* next_slot(InsertBuffer* buffer, const SampleTable& table) {
  if (buffer->used == buffer->made) {
    buffer->slots[buffer->made++] = table_slot_create(table.heap, nullptr);
  }
  return buffer->slots[buffer->used++];
}

void insert_new(const SampleTable& table, const ResultTable& target, CommandId command, int64 user_id, const Row* rows,
                int count, const Judged* judged) {
  InsertBuffer buffer;
  buffer.made = buffer.used = 0;
  buffer.bulk = GetBulkInsertState();
  buffer.command = command;
  for (int i = 0; i < count; ++i) {
    if (judged[i].verdict != Verdict::kInsert) continue;
    fill(next_slot(&buffer, table), user_id, rows[i]);
    if (buffer.used == kSlots) flush(&buffer, table, target);
  }
  flush(&buffer, table, target);
  FreeBulkInsertState(buffer.bulk);
  table_finish_bulk_insert(table.heap, 0);
  for (int i = 0; i < buffer.made; ++i) ExecDropSingleTupleTableSlot(buffer.slots[i]);
}

bool is_update(const Judged& judged) {
  return judged.verdict == Verdict::kChange || judged.verdict == Verdict::kConfirm;
}

// The entry of a row whose key stood there before, in the version that has just been updated: so it is unique, and the
// dead entries beside it are of this transaction. To look for either costs more than the entry.
void add_key_entry(const SampleTable& table, const ResultTable& target, TupleTableSlot* slot) {
  Datum values[kKeys];
  bool nulls[kKeys] = {};
  for (int i = 0; i < kKeys; ++i) values[i] = slot->tts_values[kKeyColumns[i]];
  (void)index_insert(table.key, values, nulls, &slot->tts_tid, table.heap, UNIQUE_CHECK_NO, false,
                     target.info->ri_IndexRelationInfo[0]);
}

// So many updates that the dead index entries of earlier transactions are left to vacuum.
constexpr int kManyUpdates = 256;

bool goes_by_key_alone(const SampleTable& table, const ResultTable& target, int count, const Judged* judged) {
  const ResultRelInfo* info = target.info;
  if (info->ri_NumIndices != 1 || RelationGetRelid(info->ri_IndexRelationDescs[0]) != RelationGetRelid(table.key)) {
    return false;
  }
  return std::count_if(judged, judged + count, is_update) >= kManyUpdates;
}

bool update_changed(const SampleTable& table, const ResultTable& target, CommandId command, int64 user_id,
                    const Row* rows, int count, const Judged* judged) {
  TupleTableSlot* slot = nullptr;
  bool all = true;
  const bool by_key = goes_by_key_alone(table, target, count, judged);
  for (int i = 0; i < count && all; ++i) {
    if (!is_update(judged[i])) continue;
    if (slot == nullptr) {
      CheckCmdReplicaIdentity(table.heap, CMD_UPDATE);
      slot = table_slot_create(table.heap, nullptr);
    }
    fill(slot, user_id, rows[i]);
    ItemPointerData tid = judged[i].tid;
    const Update update = compat_update(table.heap, &tid, slot, command, table.snapshot);
    all = update.result == TM_Ok;
    if (all && update.indexes && by_key) {
      add_key_entry(table, target, slot);
    } else if (all && update.indexes && target.info->ri_NumIndices > 0) {
      compat_insert_index_tuples(target.info, slot, target.estate, true, update.only_summarizing);
    }
    ResetPerTupleExprContext(target.estate);
  }
  if (slot != nullptr) ExecDropSingleTupleTableSlot(slot);
  return all;
}

}  // namespace

bool open_sample_table(SampleTable* table) {
  const Oid schema = get_namespace_oid("wearables", false);
  const Oid relation = get_relname_relid("sample_points", schema);
  if (!OidIsValid(relation)) return false;
  table->heap = table_open(relation, RowExclusiveLock);
  if (is_plain(table->heap)) {
    const Oid key = compat_primary_key(table->heap);
    if (OidIsValid(key)) {
      table->key = index_open(key, RowExclusiveLock);
      if (is_our_key(table->key)) {
        // what this transaction wrote before must be seen, and what others have committed meanwhile
        CommandCounterIncrement();
        PushActiveSnapshot(GetTransactionSnapshot());
        table->snapshot = GetActiveSnapshot();
        table->blocks = RelationGetNumberOfBlocks(table->heap);
        return true;
      }
      index_close(table->key, NoLock);
    }
  }
  table_close(table->heap, NoLock);
  return false;
}

void close_sample_table(SampleTable* table) {
  PopActiveSnapshot();
  index_close(table->key, NoLock);
  table_close(table->heap, NoLock);
  CommandCounterIncrement();
}

void judge_rows(const SampleTable& table, int64 user_id, const Row* rows, int count, Judged* judged) {
  for (int i = 0; i < count; ++i) judged[i] = {Verdict::kInsert, false, {}};
  Scan scan;
  scan.index = compat_index_beginscan(table.heap, table.key, table.snapshot, kScanKeys);
  scan.slot = table_slot_create(table.heap, nullptr);
  scan.misses = scan.wait = 0;
  for (int begin = 0; begin < count;) {
    int end = begin;
    while (end < count && rows[end].metric_id == rows[begin].metric_id) ++end;
    judge_metric(&scan, table, user_id, rows + begin, end - begin, judged + begin);
    begin = end;
  }
  ExecDropSingleTupleTableSlot(scan.slot);
  index_endscan(scan.index);
}

bool store_rows(const SampleTable& table, int64 user_id, const Row* rows, int count, const Judged* judged) {
  const ResultTable target = open_result_table(table);
  const CommandId command = GetCurrentCommandId(true);
  insert_new(table, target, command, user_id, rows, count, judged);
  const bool all = update_changed(table, target, command, user_id, rows, count, judged);
  close_result_table(target);
  return all;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_has_sample_columns);

Datum wearables_has_sample_columns(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(wearables::pg::has_sample_columns(PG_GETARG_OID(0)));
}
}
