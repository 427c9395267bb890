#include "core/write/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pg/write/sample_table.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"

extern "C" {
#include "access/sysattr.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
}

namespace wearables::pg {

namespace {

enum Column { kUser, kTs, kValue, kVersion, kSecondary, kTsEnd, kMetric, kSource, kTzOffset, kColumns };

struct ColumnType {
  const char* name;
  Oid type;
};

constexpr ColumnType kLayout[kColumns] = {
    {"user_id", INT8OID},          {"ts", TIMESTAMPTZOID},     {"value", FLOAT8OID},
    {"version", INT8OID},          {"value_secondary", FLOAT8OID}, {"ts_end", TIMESTAMPTZOID},
    {"metric_id", INT2OID},        {"source_id", INT2OID},     {"tz_offset", INT2OID}};

constexpr AttrNumber kKeyColumns[] = {kUser + 1, kMetric + 1, kTs + 1, kSource + 1};
constexpr int kKeys = 4;

bool has_our_columns(TupleDesc desc) {
  if (desc->natts != kColumns) return false;
  for (int i = 0; i < kColumns; ++i) {
    const FormData_pg_attribute* column = TupleDescAttr(desc, i);
    if (column->attisdropped || column->attgenerated != '\0' || column->atttypid != kLayout[i].type ||
        strcmp(NameStr(column->attname), kLayout[i].name) != 0) {
      return false;
    }
  }
  return desc->constr == nullptr || desc->constr->num_check == 0;
}

// Rows of a table that inherits from it would be looked for in vain.
bool has_children(Relation heap) {
  return heap->rd_rel->relhassubclass && find_inheritance_children(RelationGetRelid(heap), NoLock) != NIL;
}

Statement insert_one{R"(
  INSERT INTO wearables.sample_points (user_id, ts, value, version, value_secondary, ts_end, metric_id, source_id, tz_offset)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9))"};

// What the planner itself would write by nothing but its own ModifyTable. Of the rest the SQL form takes care.
bool is_plain(Relation heap) {
  const FormData_pg_class* form = heap->rd_rel;
  return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID && heap->trigdesc == nullptr &&
         heap->rd_rules == nullptr && !form->relrowsecurity && !form->relispartition && !has_children(heap) &&
         has_our_columns(RelationGetDescr(heap)) &&
         is_plain_insert(insert_one, RelationGetRelid(heap),
                         {INT8OID, TIMESTAMPTZOID, FLOAT8OID, INT8OID, FLOAT8OID, TIMESTAMPTZOID, INT2OID, INT2OID, INT2OID});
}

bool is_our_key(Relation index) {
  if (index->rd_index->indnkeyatts != kKeys || index->rd_rel->relam != BTREE_AM_OID) return false;
  for (int i = 0; i < kKeys; ++i) {
    if (index->rd_index->indkey.values[i] != kKeyColumns[i]) return false;
  }
  return true;
}

// Fills the slot; every column is of this row or null.
void fill(TupleTableSlot* slot, int64 user_id, const Row& row) {
  ExecClearTuple(slot);
  Datum* values = slot->tts_values;
  bool* nulls = slot->tts_isnull;
  std::fill(nulls, nulls + kColumns, false);
  values[kUser] = Int64GetDatum(user_id);
  values[kTs] = TimestampTzGetDatum(to_server(row.ts));
  values[kValue] = Float8GetDatum(row.value);
  values[kVersion] = Int64GetDatum(row.version);
  values[kSecondary] = Float8GetDatum(row.secondary);
  nulls[kSecondary] = std::isnan(row.secondary);
  nulls[kTsEnd] = row.ts_end == kNoInstant;
  values[kTsEnd] = TimestampTzGetDatum(nulls[kTsEnd] ? 0 : to_server(row.ts_end));
  values[kMetric] = Int16GetDatum(row.metric_id);
  values[kSource] = Int16GetDatum(row.source_id);
  nulls[kTzOffset] = row.tz_offset == kNoOffset;
  values[kTzOffset] = Int16GetDatum(row.tz_offset);
  ExecStoreVirtualTuple(slot);
}

Row row_of_slot(TupleTableSlot* slot) {
  slot_getallattrs(slot);
  const Datum* values = slot->tts_values;
  const bool* nulls = slot->tts_isnull;
  Row row{};
  row.version = DatumGetInt64(values[kVersion]);
  row.ts = to_core(DatumGetTimestampTz(values[kTs]));
  row.ts_end = nulls[kTsEnd] ? kNoInstant : to_core(DatumGetTimestampTz(values[kTsEnd]));
  row.value = DatumGetFloat8(values[kValue]);
  row.secondary = nulls[kSecondary] ? std::numeric_limits<double>::quiet_NaN()
                                    : DatumGetFloat8(values[kSecondary]);
  row.metric_id = DatumGetInt16(values[kMetric]);
  row.source_id = DatumGetInt16(values[kSource]);
  row.tz_offset = nulls[kTzOffset] ? kNoOffset : DatumGetInt16(values[kTzOffset]);
  return row;
}

// A scan of one metric's range, moved forward over gaps.
struct Scan {
  IndexScanDesc index;
  TupleTableSlot* slot;
  ScanKeyData keys[4];
  int misses, wait;  // how often in a row no row of ours lay behind the one judged; finds until the next look
};

void position(Scan* scan, int64 user_id, int16 metric_id, Micros from, Micros to) {
  ScanKeyInit(&scan->keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
  ScanKeyInit(&scan->keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(metric_id));
  ScanKeyInit(&scan->keys[2], 3, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
              TimestampTzGetDatum(to_server(from)));
  ScanKeyInit(&scan->keys[3], 3, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
              TimestampTzGetDatum(to_server(to)));
  index_rescan(scan->index, scan->keys, 4, nullptr, 0);
}

// Stored rows between two of ours that are read before the scan jumps ahead instead.
constexpr int kPatience = 32;

// How many rows lie behind the one the index led to. Where that is none, as when they came one by one, it is
// tried less and less.
int follow(Scan* scan, const SampleTable& table, int64 user_id, const Row* rows, int count, Judged* judged) {
  if (scan->wait > 0) {
    --scan->wait;
    return 0;
  }
  const int followed = judge_following(table, user_id, scan->slot->tts_tid, rows, count, judged);
  scan->misses = followed > 0 ? 0 : std::min(scan->misses + 1, 6);
  scan->wait = (1 << scan->misses) - 1;
  return followed;
}

// The rows are of one metric: one merge of two ascending streams.
void judge_metric(Scan* scan, const SampleTable& table, int64 user_id, const Row* rows, int count,
                    Judged* judged) {
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
      if (followed > kPatience && next < count) {
        position(scan, user_id, rows[next].metric_id, rows[next].ts, last);
      }
    } else if (++passed > kPatience && rows[next].ts > stored.ts) {
      position(scan, user_id, rows[next].metric_id, rows[next].ts, last);
      passed = 0;
    }
  }
}

// What the executor would have set up for the table.
struct Target {
  EState* estate;
  ResultRelInfo* info;
};

Target open_target(const SampleTable& table) {
  auto* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RELATION;
  entry->relid = RelationGetRelid(table.heap);
  entry->relkind = table.heap->rd_rel->relkind;
  entry->rellockmode = RowExclusiveLock;
  Target target{CreateExecutorState(), makeNode(ResultRelInfo)};
  compat_init_range_table(target.estate, entry);
  InitResultRelInfo(target.info, table.heap, 1, nullptr, 0);
  ExecOpenIndices(target.info, false);
  return target;
}

void close_target(const Target& target) {
  ExecCloseIndices(target.info);
  ExecResetTupleTable(target.estate->es_tupleTable, false);
  FreeExecutorState(target.estate);
}

constexpr int kSlots = 500;

struct Buffer {
  TupleTableSlot* slots[kSlots];
  int made, used;
  BulkInsertState bulk;
  CommandId command;
};

void flush(Buffer* buffer, const SampleTable& table, const Target& target) {
  if (buffer->used == 0) return;
  table_multi_insert(table.heap, buffer->slots, buffer->used, buffer->command, 0, buffer->bulk);
  for (int i = 0; i < buffer->used; ++i) {
    compat_insert_index_tuples(target.info, buffer->slots[i], target.estate, false, false);
    ExecClearTuple(buffer->slots[i]);
    ResetPerTupleExprContext(target.estate);
  }
  buffer->used = 0;
}

TupleTableSlot* next_slot(Buffer* buffer, const SampleTable& table) {
  if (buffer->used == buffer->made) {
    buffer->slots[buffer->made++] = table_slot_create(table.heap, nullptr);
  }
  return buffer->slots[buffer->used++];
}

void insert_new(const SampleTable& table, const Target& target, CommandId command, int64 user_id,
                const Row* rows, int count, const Judged* judged) {
  Buffer buffer;
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
void add_key_entry(const SampleTable& table, const Target& target, TupleTableSlot* slot) {
  Datum values[kKeys];
  bool nulls[kKeys] = {};
  for (int i = 0; i < kKeys; ++i) values[i] = slot->tts_values[kKeyColumns[i] - 1];
  (void)index_insert(table.key, values, nulls, &slot->tts_tid, table.heap, UNIQUE_CHECK_NO, false,
                     target.info->ri_IndexRelationInfo[0]);
}

// So many updates that the dead index entries of earlier transactions are left to vacuum.
constexpr int kMany = 256;

bool goes_by_key_alone(const SampleTable& table, const Target& target, int count, const Judged* judged) {
  const ResultRelInfo* info = target.info;
  if (info->ri_NumIndices != 1 || RelationGetRelid(info->ri_IndexRelationDescs[0]) != RelationGetRelid(table.key)) {
    return false;
  }
  return std::count_if(judged, judged + count, is_update) >= kMany;
}

bool update_changed(const SampleTable& table, const Target& target, CommandId command, int64 user_id,
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
    const Oid key = RelationGetPrimaryKeyIndex(table->heap
#if PG_VERSION_NUM >= 180000
                                               , false
#endif
    );
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
  scan.index = compat_index_beginscan(table.heap, table.key, table.snapshot, 4);
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
  const Target target = open_target(table);
  const CommandId command = GetCurrentCommandId(true);
  insert_new(table, target, command, user_id, rows, count, judged);
  const bool all = update_changed(table, target, command, user_id, rows, count, judged);
  close_target(target);
  return all;
}

}  // namespace wearables::pg
