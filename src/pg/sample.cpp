#include "core/sample.h"

#include <algorithm>

#include "pg/columns.h"
#include "pg/sample.h"
#include "pg/sample_table.h"
#include "pg/sample_upsert.h"
#include "pg/settings.h"
#include "pg/subtransaction.h"

namespace wearables::pg {

namespace {

constexpr Micros kEpochGap =
    static_cast<Micros>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * USECS_PER_SEC;

struct Chunk {
  int64 user_id;
  const Row* rows;
  int count;
  const SampleTable* table;
  const Found* found;
};

void store_chunk(void* arg) {
  const auto* chunk = static_cast<const Chunk*>(arg);
  if (store_rows(*chunk->table, chunk->user_id, chunk->rows, chunk->count, chunk->found)) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("another writer changed a sample between look and write")));
}

bool is_overtaken(const ErrorData* error) {
  return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ||
         error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

// False when another writer came between: nothing is written then.
bool try_store(Chunk* chunk) {
  ErrorData* error = in_subtransaction(store_chunk, chunk);
  if (error == nullptr) return true;
  if (!is_overtaken(error)) ReThrowError(error);
  FreeErrorData(error);
  return false;
}

bool write_to_table(SampleTable* table, int64 user_id, const Row* rows, int count, Counts* counts) {
  auto* found = static_cast<Found*>(palloc(sizeof(Found) * count));
  look_up(*table, user_id, rows, count, found);
  Counts seen{};
  bool any = false;
  for (int i = 0; i < count; ++i) {
    count_verdict(found[i].verdict, &seen);
    any = any || writes(found[i].verdict);
  }
  Chunk chunk{user_id, rows, count, table, found};
  if (any && !try_store(&chunk)) return false;
  counts->inserted += seen.inserted;
  counts->changed += seen.changed;
  counts->confirmed += seen.confirmed;
  counts->unchanged += seen.unchanged;
  counts->stale += seen.stale;
  return true;
}

void write_chunk(int64 user_id, const Row* rows, int count, Counts* counts) {
  SampleTable table;
  bool done = false;
  if (open_sample_table(&table)) {
    done = write_to_table(&table, user_id, rows, count, counts);
    close_sample_table(&table);
  }
  if (!done) upsert_samples(user_id, rows, count, counts);
}

Statement delete_orphans{R"(
  DELETE FROM wearables.sample_points s
  WHERE s.user_id = $1 AND s.metric_id = ANY ($2::smallint[]) AND s.ts BETWEEN $3 AND $4 AND s.version = $5
    AND NOT EXISTS (SELECT FROM wearables.sources c WHERE c.source_id = s.source_id AND c.channel <> 'timeseries')
    AND NOT EXISTS (
      SELECT FROM unnest($6::smallint[], $7::timestamptz[], $8::smallint[]) AS k (metric_id, ts, source_id)
      WHERE k.metric_id = s.metric_id AND k.ts = s.ts AND k.source_id = s.source_id)
  RETURNING 1)"};

}  // namespace

TimestampTz to_server(Micros at) noexcept { return at - kEpochGap; }
Micros to_core(TimestampTz at) noexcept { return at + kEpochGap; }

void write_samples(int64 user_id, const Row* rows, size_t count, Counts* counts) {
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables chunk", ALLOCSET_DEFAULT_SIZES);
  const auto step = static_cast<size_t>(chunk_rows());
  for (size_t begin = 0; begin < count; begin += step) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    write_chunk(user_id, rows + begin, static_cast<int>(std::min(step, count - begin)), counts);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
}

int64 remove_orphans(int64 user_id, int64 version, ArrayType* metrics, TimestampTz from, TimestampTz to,
                     const Row* rows, size_t count) {
  const Columns keys = columns_of(rows, static_cast<int>(count));
  return static_cast<int64>(
      run(delete_orphans, {arg_int8(user_id), arg_datum(INT2ARRAYOID, PointerGetDatum(metrics)),
                           arg_instant(from), arg_instant(to), arg_int8(version), metrics_of(keys),
                           instants_of(keys), sources_of(keys)}));
}

}  // namespace wearables::pg
