// Samples that go: what an event wrote under other mappings and does not yield now, and single keys that documents
// have given up.
//
// Runs under the user's lock, so what a page of the cursor shows still stands when its rows are deleted, unless SQL
// past this room has taken some: only what the DELETE returns is told. Memory is that of one page.
#include "core/write/touched.h"

#include <algorithm>
#include <utility>

#include "pg/live/live.h"
#include "pg/rollup/rollup.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/write/floor.h"
#include "pg/write/sample.h"
#include "pg/write/sample_args.h"
#include "pg/write/write.h"

namespace wearables::pg {

namespace {

// What the event has written of a metric, in the order of the key.
Statement select_written{R"(
  SELECT s.ts, s.source_id, s.part FROM wearables.sample_points s
  WHERE s.user_id = $1 AND s.metric_id = $2 AND s.ts BETWEEN $3 AND $4 AND s.version = $5
  ORDER BY s.ts, s.source_id, s.part)"};

// The range is read once, each row looked up among the keys: written as a join, it could become one loop in another.
Statement delete_written{R"(
  DELETE FROM wearables.sample_points s
  WHERE s.user_id = $1 AND s.metric_id = $2 AND s.ts BETWEEN $7 AND $8 AND s.version = $6
    AND ((s.ts, s.source_id, s.part) IN (
      SELECT k.ts, k.source_id, k.part
      FROM unnest($3::timestamptz[], $4::smallint[], $5::smallint[]) AS k (ts, source_id, part))) IS TRUE
  RETURNING s.ts, s.source_id, s.part)"};

enum WrittenColumn { kTs = 1, kSource, kPart };  // of both

constexpr int kFirstSetParameter = 1 + static_cast<int>(kKeyColumns.size());

constexpr auto kPutOne = static_text([](TextWriter& out) {
  out << "INSERT INTO wearables.sample_points AS s (" << ColumnNames{kKeyColumns} << ", " << ColumnNames{kSetColumns}
      << ") VALUES (" << Parameters{kKeyColumns, 1} << ", " << Parameters{kSetColumns, kFirstSetParameter}
      << ") ON CONFLICT (" << ColumnNames{kKeyColumns} << ") DO UPDATE SET " << Assignments{kSetColumns, "excluded."}
      << " WHERE (" << ColumnNames{kSetColumns, "s."} << ") IS DISTINCT FROM (" << ColumnNames{kSetColumns, "excluded."}
      << ") RETURNING 1";
});
Statement put_one{kPutOne.data};

constexpr auto kDeleteOne = static_text([](TextWriter& out) {
  out << "DELETE FROM wearables.sample_points s WHERE (" << ColumnNames{kKeyColumns, "s."} << ") = ("
      << Parameters{kKeyColumns, 1} << ")";
});
Statement delete_one{kDeleteOne.data};

// Samples of documents follow from the documents, and are retracted with them.
Statement select_document_sources{"SELECT s.source_id FROM wearables.sources s WHERE s.channel <> 'timeseries'"};

constexpr int kPageRows = 5000;

// By source_id.
bool* document_sources() {
  auto* is_of_documents = static_cast<bool*>(palloc0(PG_INT16_MAX + 1));
  const uint64 rows = run(select_document_sources, {});
  for (uint64 row = 0; row < rows; ++row) is_of_documents[get_int2(row, 1)] = true;
  return is_of_documents;
}

struct Orphans {
  Datum *ts, *source, *part;
  int count;
};

// The rows of one metric that an event yields now, and how far the pages before have got in them.
struct Yield {
  const Row *next, *end;
};

Yield yield_of_metric(const Row* rows, size_t count, int16 metric) {
  return {std::partition_point(rows, rows + count, [metric](const Row& row) { return row.metric_id < metric; }),
          std::partition_point(rows, rows + count, [metric](const Row& row) { return row.metric_id <= metric; })};
}

Row key_of(int16 metric, uint64 result) {
  bool null;
  Row key{};
  key.metric_id = metric;
  key.ts = to_core(DatumGetTimestampTz(get(result, kTs, &null)));
  key.source_id = get_int2(result, kSource);
  key.part = get_int2(result, kPart);
  return key;
}

// Those of the page of stored rows that the event does not yield: one merge of two ascending streams.
Orphans find_orphans(uint64 stored_rows, int16 metric, Yield* yield, const bool* is_of_documents) {
  auto column = [stored_rows] { return static_cast<Datum*>(palloc(sizeof(Datum) * (stored_rows + 1))); };
  Orphans orphans{column(), column(), column(), 0};
  for (uint64 stored = 0; stored < stored_rows; ++stored) {
    const Row key = key_of(metric, stored);
    while (yield->next < yield->end && key_less(*yield->next, key)) ++yield->next;
    const bool yielded = yield->next < yield->end && key_equal(*yield->next, key);
    if (yielded || is_of_documents[key.source_id]) continue;
    orphans.ts[orphans.count] = TimestampTzGetDatum(to_server(key.ts));
    orphans.source[orphans.count] = Int16GetDatum(key.source_id);
    orphans.part[orphans.count++] = Int16GetDatum(key.part);
  }
  return orphans;
}

void remove_page(const Event& event, int64 user_id, int16 metric, const Orphans& orphans, Touched* touched,
                 InstantRange* removed) {
  if (orphans.count == 0) return;
  begin_own_write(1);
  const uint64 gone =
      run(delete_written,
          {arg_int8(user_id), arg_int2(metric), arg_array(TIMESTAMPTZOID, orphans.ts, nullptr, orphans.count),
           arg_array(INT2OID, orphans.source, nullptr, orphans.count),
           arg_array(INT2OID, orphans.part, nullptr, orphans.count), arg_int8(event.version),
           arg_datum(TIMESTAMPTZOID, orphans.ts[0]), arg_datum(TIMESTAMPTZOID, orphans.ts[orphans.count - 1])});
  end_own_write();
  for (uint64 row = 0; row < gone; ++row) {
    const Row key = key_of(metric, row);
    removed->add(key.ts);
    call_core([&]() -> Result<Done> { return touched->remove(user_id, key), Done{}; });
  }
}

void retract_metric(const Event& event, int64 user_id, int16 metric, Yield yield, const bool* is_of_documents,
                    Touched* touched, InstantRange* removed) {
  const Micros floor = current_floor(metric);
  const TimestampTz from = floor == kNoInstant ? event.wrote.from : std::max(event.wrote.from, to_server(floor));
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables orphans", ALLOCSET_DEFAULT_SIZES);
  Cursor cursor = open_cursor(select_written, {arg_int8(user_id), arg_int2(metric), arg_instant(from),
                                               arg_instant(event.wrote.to), arg_int8(event.version)});
  for (uint64 stored; (stored = fetch(cursor, kPageRows)) > 0;) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    const Orphans orphans = find_orphans(stored, metric, &yield, is_of_documents);
    remove_page(event, user_id, metric, orphans, touched, removed);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  close_cursor(cursor);
  MemoryContextDelete(scratch);
}

}  // namespace

InstantRange retract_samples(const Event& event, int64 user_id, const Row* rows, size_t count, Touched* touched) {
  Assert(holds_user_lock(user_id));
  Assert(event.wrote.metrics != nullptr);
  Assert(is_settled({rows, count}));
  InstantRange removed;
  const bool* is_of_documents = document_sources();
  const auto* metrics = reinterpret_cast<const int16*>(ARR_DATA_PTR(event.wrote.metrics));
  const int metric_count = ArrayGetNItems(ARR_NDIM(event.wrote.metrics), ARR_DIMS(event.wrote.metrics));
  for (int i = 0; i < metric_count; ++i) {
    retract_metric(event, user_id, metrics[i], yield_of_metric(rows, count, metrics[i]), is_of_documents, touched,
                   &removed);
  }
  note_written(user_id, *touched);
  note_changed(user_id, *touched);
  return removed;
}

void reassign_sample(int64 user_id, const Row& row, Touched* touched) {
  ArgList args;
  args.add(kKeyColumns, user_id, row);
  args.add(kSetColumns, user_id, row);
  begin_own_write(kUpsertEvents);
  const uint64 written = run(put_one, args);
  end_own_write();
  if (written > 0) call_core([&]() -> Result<Done> { return touched->reassign(user_id, row), Done{}; });
}

void remove_sample(int64 user_id, const Row& key, Touched* touched) {
  ArgList args;
  args.add(kKeyColumns, user_id, key);
  begin_own_write(1);
  const uint64 removed = run(delete_one, args);
  end_own_write();
  if (removed > 0) call_core([&]() -> Result<Done> { return touched->remove(user_id, key), Done{}; });
}

}  // namespace wearables::pg
