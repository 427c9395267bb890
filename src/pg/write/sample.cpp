// The writer of samples: a chunk is judged against what is stored, then only what differs is written.
//
// The user's lock keeps other writers of ours away from look to write. SQL that writes to the table past it may still
// come between: the fast way then fails in a subtransaction, and the chunk is written again by the guarded upsert.
// All memory of a chunk lives in one context that is reset after it, so a batch of any size needs that of a chunk.
#include "core/write/floor.h"

#include <algorithm>

#include "pg/live/live.h"
#include "pg/rollup/rollup.h"
#include "pg/server/boundary.h"
#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/stop_point.h"
#include "pg/server/subtransaction.h"
#include "pg/write/floor.h"
#include "pg/write/sample.h"
#include "pg/write/sample_table.h"
#include "pg/write/write.h"

namespace wearables::pg {

namespace {

struct Chunk {
  int64 user_id;
  const Row* rows;
  int count;
  Judged* judged;
  const SampleTable* table;
};

void store_chunk(void* arg) {
  const auto* chunk = static_cast<const Chunk*>(arg);
  const bool stored = store_rows(*chunk->table, chunk->user_id, chunk->rows, chunk->count, chunk->judged);
  stop_point("stored");
  if (stored) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("could not write samples because of a concurrent change")));
}

bool is_overtaken(const ErrorData* error) {
  return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION || error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

bool any_to_write(const Chunk& chunk) {
  return std::any_of(chunk.judged, chunk.judged + chunk.count,
                     [](const Judged& judged) { return writes(judged.verdict); });
}

// False when another writer came between: nothing is written then.
bool write_to_table(Chunk* chunk) {
  judge_rows(*chunk->table, chunk->user_id, chunk->rows, chunk->count, chunk->judged);
  stop_point("looked up");
  if (!any_to_write(*chunk)) return true;
  ErrorData* error = in_subtransaction(store_chunk, chunk);
  if (error == nullptr) return true;
  if (!is_overtaken(error)) ReThrowError(error);
  FreeErrorData(error);
  return false;
}

Result<int64> note_chunk(const Chunk& chunk, Touched* touched) {
  int64 at_own_version = 0;
  for (int i = 0; i < chunk.count; ++i) {
    touched->offer(chunk.user_id, chunk.rows[i], chunk.judged[i].verdict);
    at_own_version += chunk.judged[i].at_own_version ? 1 : 0;
  }
  return at_own_version;
}

int64 write_chunk(int64 user_id, const Row* rows, int count, Touched* touched) {
  SampleTable table;
  Chunk chunk{user_id, rows, count, static_cast<Judged*>(palloc(sizeof(Judged) * count)), &table};
  bool done = false;
  if (open_sample_table(&table)) {
    done = write_to_table(&chunk);
    close_sample_table(&table);
  }
  if (!done) upsert_samples(user_id, rows, count, chunk.judged);
  return call_core([&] { return note_chunk(chunk, touched); });
}

// Those of the rows that do not lie below a floor of retention, which is almost always all of them. The others are
// stale.
std::span<const Row> rows_above_floors(int64 user_id, const Row* rows, size_t count, Touched* touched) {
  const Floors& floors = current_floors();
  if (floors.empty() || !any_below({rows, count}, floors)) return {rows, count};
  auto* kept = owned_by<std::vector<Row>>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> { return split_at_floors(user_id, {rows, count}, floors, *kept, *touched), Done{}; });
  return *kept;
}

}  // namespace

int64 write_samples(int64 user_id, const Row* rows, size_t count, Touched* touched) {
  Assert(holds_user_lock(user_id));
  Assert(is_settled({rows, count}));
  Assert(std::all_of(rows, rows + count, [](const Row& row) { return row.version >= 0; }));
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables chunk", ALLOCSET_DEFAULT_SIZES);
  const std::span<const Row> kept = rows_above_floors(user_id, rows, count, touched);
  const auto step = static_cast<size_t>(chunk_rows());
  int64 at_own_version = 0;
  for (size_t begin = 0; begin < kept.size(); begin += step) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    at_own_version +=
        write_chunk(user_id, kept.data() + begin, static_cast<int>(std::min(step, kept.size() - begin)), touched);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
  note_written(user_id, *touched);
  note_changed(user_id, *touched);
  Assert(at_own_version <= static_cast<int64>(count));
  return at_own_version;
}

Judged judge_stored(const Row& row, const Row& stored, ItemPointerData tid) {
  return {judge(row, &stored), row.version == stored.version, tid};
}

}  // namespace wearables::pg
