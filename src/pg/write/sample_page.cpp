// Rows that lie one behind the other on the pages of sample_points, read without the index.
//
// A page is pinned and share-locked while its rows are judged, and let go before the next. Visibility is by the
// snapshot of the chunk. Under serializable isolation each row that was read has to be remembered, so the index is used
// there.
#include "core/write/sample.h"

#include <cstring>

#include "pg/write/sample_columns.h"
#include "pg/write/sample_table.h"

extern "C" {
#include "storage/bufmgr.h"
#include "utils/rel.h"
}

namespace wearables::pg {

namespace {

template <class T>
T take(const char** at) {
  T value;
  memcpy(&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

// False where a column is null that may not be: the table was another one when the row was written. Columns stand in
// descending order of width (sample_columns.h), so none is padded.
bool read_tuple(HeapTupleHeader tuple, StoredRow* stored) {
  const bool any_null = (tuple->t_infomask & HEAP_HASNULL) != 0;
  const char* at = reinterpret_cast<const char*>(tuple) + tuple->t_hoff;
  bool readable = true;
  for_each_column([&]<class Column>(const Column&, int i) {
    if (any_null && att_isnull(i, tuple->t_bits)) {
      readable = readable && Column::kNullable;
      Column::decode_null(stored);
    } else {
      Column::decode(take<typename Column::Stored>(&at), stored);
    }
  });
  return readable;
}

struct PagePosition {
  Page page;
  Buffer buffer;
  BlockNumber block;
  OffsetNumber offset;
};

bool judge_at(const PagePosition& position, const SampleTable& table, int64 user_id, const Row& row, Judged* judged) {
  const ItemId item = PageGetItemId(position.page, position.offset);
  if (!ItemIdIsNormal(item)) return false;
  HeapTupleData tuple;
  tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(position.page, item));
  tuple.t_len = ItemIdGetLength(item);
  tuple.t_tableOid = RelationGetRelid(table.heap);
  ItemPointerSet(&tuple.t_self, position.block, position.offset);
  if (HeapTupleHeaderGetNatts(tuple.t_data) != kSampleColumnCount) return false;
  StoredRow stored{};
  if (!read_tuple(tuple.t_data, &stored) || stored.user_id != user_id || !key_equal(row, stored.row)) return false;
  if (!HeapTupleSatisfiesVisibility(&tuple, table.snapshot, position.buffer)) return false;
  *judged = judge_stored(row, stored.row, tuple.t_self);
  return true;
}

}  // namespace

int judge_following(const SampleTable& table, int64 user_id, ItemPointerData tid, const Row* rows, int count,
                    Judged* judged) {
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
