#include "core/write/sample.h"

#include <cstring>
#include <limits>

#include "pg/server/instant.h"
#include "pg/write/sample_table.h"

extern "C" {
#include "storage/bufmgr.h"
#include "utils/rel.h"
}

namespace wearables::pg {

namespace {

constexpr int kColumns = 9;
constexpr int kSecondary = 4, kTsEnd = 5, kTzOffset = 8;  // those that may be null

template <class T>
T take(const char** at) {
  T value;
  memcpy(&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

struct StoredRow {
  int64 user_id;
  Row row;
};

// The columns stand in descending order of width, so that none is padded.
StoredRow read(HeapTupleHeader tuple) {
  const bool any_null = (tuple->t_infomask & HEAP_HASNULL) != 0;
  auto null = [&](int column) { return any_null && att_isnull(column, tuple->t_bits); };
  const char* at = reinterpret_cast<const char*>(tuple) + tuple->t_hoff;
  StoredRow stored{};
  Row& row = stored.row;
  stored.user_id = take<int64>(&at);
  row.ts = to_core(take<TimestampTz>(&at));
  row.value = take<double>(&at);
  row.version = take<int64>(&at);
  row.secondary = null(kSecondary) ? std::numeric_limits<double>::quiet_NaN() : take<double>(&at);
  row.ts_end = null(kTsEnd) ? kNoInstant : to_core(take<TimestampTz>(&at));
  row.metric_id = take<int16>(&at);
  row.source_id = take<int16>(&at);
  row.tz_offset = null(kTzOffset) ? kNoOffset : take<int16>(&at);
  return stored;
}

struct PagePosition {
  Page page;
  Buffer buffer;
  BlockNumber block;
  OffsetNumber offset;
};

bool judge_at(const PagePosition& position, const SampleTable& table, int64 user_id, const Row& row,
              Judged* judged) {
  const ItemId item = PageGetItemId(position.page, position.offset);
  if (!ItemIdIsNormal(item)) return false;
  HeapTupleData tuple;
  tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(position.page, item));
  tuple.t_len = ItemIdGetLength(item);
  tuple.t_tableOid = RelationGetRelid(table.heap);
  ItemPointerSet(&tuple.t_self, position.block, position.offset);
  if (HeapTupleHeaderGetNatts(tuple.t_data) != kColumns) return false;
  const StoredRow stored = read(tuple.t_data);
  if (stored.user_id != user_id || !key_equal(row, stored.row)) return false;
  if (!HeapTupleSatisfiesVisibility(&tuple, table.snapshot, position.buffer)) return false;
  *judged = judge_stored(row, stored.row, tuple.t_self);
  return true;
}

}  // namespace

int judge_following(const SampleTable& table, int64 user_id, ItemPointerData tid, const Row* rows,
                int count, Judged* judged) {
  // there each row that was read has to be remembered
  if (IsolationIsSerializable()) return 0;
  PagePosition position{nullptr, InvalidBuffer, ItemPointerGetBlockNumber(&tid),
              OffsetNumberNext(ItemPointerGetOffsetNumber(&tid))};
  int done = 0;
  for (bool on = true; on && done < count && position.block < table.blocks;) {
    position.buffer = ReadBuffer(table.heap, position.block);
    LockBuffer(position.buffer, BUFFER_LOCK_SHARE);
    position.page = BufferGetPage(position.buffer);
    const OffsetNumber last = PageGetMaxOffsetNumber(position.page);
    while (done < count && position.offset <= last && on) {
      on = judge_at(position, table, user_id, rows[done], &judged[done]);
      if (!on) break;
      ++done;
      ++position.offset;
    }
    UnlockReleaseBuffer(position.buffer);
    ++position.block;
    position.offset = FirstOffsetNumber;
  }
  return done;
}

}  // namespace wearables::pg
