#include "core/write/sample.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pg/write/sample.h"
#include "pg/write/sample_table.h"
#include "pg/write/sample_upsert.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"
#include "pg/server/subtransaction.h"

namespace wearables::pg {

namespace {

struct Chunk {
  int64 user_id;
  const Row* rows;
  int count;
  const SampleTable* table;
  const Found* found;
};

void store_chunk(void* arg) {
  const auto* chunk = static_cast<const Chunk*>(arg);
  const bool stored = store_rows(*chunk->table, chunk->user_id, chunk->rows, chunk->count, chunk->found);
  stop_point("stored");
  if (stored) return;
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

bool write_to_table(SampleTable* table, int64 user_id, const Row* rows, int count, Written* written) {
  auto* found = static_cast<Found*>(palloc(sizeof(Found) * count));
  look_up(*table, user_id, rows, count, found);
  stop_point("looked up");
  Counts seen{};
  bool any = false;
  int64 own = 0;
  for (int i = 0; i < count; ++i) {
    count_verdict(found[i].verdict, &seen);
    own += found[i].own ? 1 : 0;
    any = any || writes(found[i].verdict);
  }
  Chunk chunk{user_id, rows, count, table, found};
  if (any && !try_store(&chunk)) return false;
  Counts* counts = &written->counts;
  written->own += own;
  counts->inserted += seen.inserted;
  counts->changed += seen.changed;
  counts->confirmed += seen.confirmed;
  counts->unchanged += seen.unchanged;
  counts->stale += seen.stale;
  return true;
}

void write_chunk(int64 user_id, const Row* rows, int count, Written* written) {
  SampleTable table;
  bool done = false;
  if (open_sample_table(&table)) {
    done = write_to_table(&table, user_id, rows, count, written);
    close_sample_table(&table);
  }
  if (!done) upsert_samples(user_id, rows, count, written);
}

// What the event has written of a metric, in the order of the key.
Statement select_written{R"(
  SELECT s.ts, s.source_id FROM wearables.sample_points s
  WHERE s.user_id = $1 AND s.metric_id = $2 AND s.ts BETWEEN $3 AND $4 AND s.version = $5
  ORDER BY s.ts, s.source_id)"};

// The range is read once, each row looked up among the keys: written as a join, it could become one loop in another.
Statement delete_written{R"(
  DELETE FROM wearables.sample_points s
  WHERE s.user_id = $1 AND s.metric_id = $2 AND s.ts BETWEEN $6 AND $7 AND s.version = $5
    AND ((s.ts, s.source_id) IN (SELECT k.ts, k.source_id FROM unnest($3::timestamptz[], $4::smallint[]) AS k (ts, source_id))) IS TRUE
  RETURNING 1)"};

Statement update_one{R"(
  UPDATE wearables.sample_points s
  SET value = $5, value_secondary = $6, ts_end = $7, tz_offset = $8, version = $9
  WHERE s.user_id = $1 AND s.metric_id = $2 AND s.ts = $3 AND s.source_id = $4
    AND (s.value, s.value_secondary, s.ts_end, s.tz_offset, s.version) IS DISTINCT FROM ($5, $6, $7, $8, $9))"};

Statement delete_one{R"(
  DELETE FROM wearables.sample_points s
  WHERE s.user_id = $1 AND s.metric_id = $2 AND s.ts = $3 AND s.source_id = $4)"};

// Samples of documents follow from these.
Statement select_of_documents{"SELECT s.source_id FROM wearables.sources s WHERE s.channel <> 'timeseries'"};

constexpr int kPage = 5000;

struct Orphans {
  Datum *ts, *source;
  int count;
};

bool* sources_of_documents() {
  auto* found = static_cast<bool*>(palloc0(PG_INT16_MAX + 1));
  const uint64 rows = run(select_of_documents, {});
  for (uint64 row = 0; row < rows; ++row) found[get_int2(row, 1)] = true;
  return found;
}

// Those of the page of stored rows that are not among `rows`, which are of the same metric; *next moves on.
Orphans find_orphans(uint64 stored_rows, const Row* rows, size_t count, size_t* next, const bool* of_documents) {
  Orphans orphans{static_cast<Datum*>(palloc(sizeof(Datum) * (stored_rows + 1))),
                  static_cast<Datum*>(palloc(sizeof(Datum) * (stored_rows + 1))), 0};
  for (uint64 stored = 0; stored < stored_rows; ++stored) {
    bool null;
    const TimestampTz ts = DatumGetTimestampTz(get(stored, 1, &null));
    const int16 source = get_int2(stored, 2);
    const auto key = std::make_pair(to_core(ts), source);
    while (*next < count && std::make_pair(rows[*next].ts, rows[*next].source_id) < key) ++*next;
    const bool yielded = *next < count && std::make_pair(rows[*next].ts, rows[*next].source_id) == key;
    if (yielded || of_documents[source]) continue;
    orphans.ts[orphans.count] = TimestampTzGetDatum(ts);
    orphans.source[orphans.count++] = Int16GetDatum(source);
  }
  return orphans;
}

void remove_page(int64 user_id, int64 version, int16 metric, const Orphans& orphans, Freed* freed) {
  if (orphans.count == 0) return;
  freed->count += static_cast<int64>(
      run(delete_written, {arg_int8(user_id), arg_int2(metric),
                           arg_array(TIMESTAMPTZOID, orphans.ts, nullptr, orphans.count),
                           arg_array(INT2OID, orphans.source, nullptr, orphans.count), arg_int8(version),
                           arg_datum(TIMESTAMPTZOID, orphans.ts[0]),
                           arg_datum(TIMESTAMPTZOID, orphans.ts[orphans.count - 1])}));
  freed->from = Min(freed->from, DatumGetTimestampTz(orphans.ts[0]));
  freed->to = Max(freed->to, DatumGetTimestampTz(orphans.ts[orphans.count - 1]));
}

// Where the rows of a metric begin and end.
std::pair<const Row*, const Row*> rows_of_metric(const Row* rows, size_t count, int16 metric) {
  return {std::partition_point(rows, rows + count, [metric](const Row& row) { return row.metric_id < metric; }),
          std::partition_point(rows, rows + count, [metric](const Row& row) { return row.metric_id <= metric; })};
}

}  // namespace

void write_samples(int64 user_id, const Row* rows, size_t count, Written* written) {
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables chunk", ALLOCSET_DEFAULT_SIZES);
  const auto step = static_cast<size_t>(chunk_rows());
  for (size_t begin = 0; begin < count; begin += step) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    write_chunk(user_id, rows + begin, static_cast<int>(std::min(step, count - begin)), written);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
}

Freed remove_orphans(int64 user_id, int64 version, ArrayType* metrics, TimestampTz from, TimestampTz to,
                     const Row* rows, size_t count) {
  Freed freed{0, PG_INT64_MAX, PG_INT64_MIN};
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables orphans", ALLOCSET_DEFAULT_SIZES);
  const bool* of_documents = sources_of_documents();
  const auto* metric = reinterpret_cast<const int16*>(ARR_DATA_PTR(metrics));
  const int metric_count = ArrayGetNItems(ARR_NDIM(metrics), ARR_DIMS(metrics));
  for (int i = 0; i < metric_count; ++i) {
    const auto [begin, end] = rows_of_metric(rows, count, metric[i]);
    size_t next = 0;
    Cursor cursor = open_cursor(select_written, {arg_int8(user_id), arg_int2(metric[i]), arg_instant(from),
                                                 arg_instant(to), arg_int8(version)});
    for (uint64 stored; (stored = fetch(cursor, kPage)) > 0;) {
      CHECK_FOR_INTERRUPTS();
      MemoryContextSwitchTo(scratch);
      const Orphans orphans = find_orphans(stored, begin, static_cast<size_t>(end - begin), &next, of_documents);
      remove_page(user_id, version, metric[i], orphans, &freed);
      MemoryContextSwitchTo(caller);
      MemoryContextReset(scratch);
    }
    close_cursor(cursor);
  }
  MemoryContextDelete(scratch);
  return freed;
}

void put_in_place(int64 user_id, const Row& row) {
  run(update_one,
      {arg_int8(user_id), arg_int2(row.metric_id), arg_instant(to_server(row.ts)), arg_int2(row.source_id),
       arg_datum(FLOAT8OID, Float8GetDatum(row.value)),
       arg_datum(FLOAT8OID, Float8GetDatum(row.secondary), std::isnan(row.secondary)),
       arg_datum(TIMESTAMPTZOID, TimestampTzGetDatum(to_server(row.ts_end)), row.ts_end == kNoInstant),
       arg_datum(INT2OID, Int16GetDatum(row.tz_offset), row.tz_offset == kNoOffset), arg_int8(row.version)});
}

bool remove_sample(int64 user_id, const Row& key) {
  return run(delete_one, {arg_int8(user_id), arg_int2(key.metric_id), arg_instant(to_server(key.ts)),
                          arg_int2(key.source_id)}) > 0;
}

}  // namespace wearables::pg
