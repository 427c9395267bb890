// The guarded upsert: a chunk is judged by a query, and written by one INSERT ... ON CONFLICT DO UPDATE whose condition
// is R2 again, since a writer that takes no lock of ours may come between the two.
//
// The keys come in ascending order and stay so: two writers that overlap lock rows in the same order.
#include "core/write/sample.h"

#include <algorithm>
#include <limits>

#include "pg/server/instant.h"
#include "pg/write/sample.h"
#include "pg/write/sample_arrays.h"

namespace wearables::pg {

namespace {

Statement look_statement{R"(
  SELECT k.i::integer, s.value, s.value_secondary, s.ts_end, s.tz_offset, s.version
  FROM unnest($2::smallint[], $3::timestamptz[], $4::smallint[]) WITH ORDINALITY AS k (metric_id, ts, source_id, i)
  CROSS JOIN LATERAL (
    SELECT p.* FROM wearables.sample_points p
    WHERE p.user_id = $1 AND p.metric_id = k.metric_id AND p.ts = k.ts AND p.source_id = k.source_id
    OFFSET 0) s)"};  // which keeps the planner from beginning with all rows of the user

enum LookColumn { kOrdinality = 1, kValue, kSecondary, kTsEnd, kTzOffset, kVersion };

Statement upsert_statement{R"(
  INSERT INTO wearables.sample_points AS s
    (user_id, metric_id, ts, source_id, value, value_secondary, ts_end, tz_offset, version)
  SELECT $1, n.metric_id, n.ts, n.source_id, n.value, n.value_secondary, n.ts_end, n.tz_offset, n.version
  FROM unnest($2::smallint[], $3::timestamptz[], $4::smallint[], $5::float8[], $6::float8[], $7::timestamptz[],
              $8::smallint[], $9::bigint[])
    AS n (metric_id, ts, source_id, value, value_secondary, ts_end, tz_offset, version)
  ON CONFLICT (user_id, metric_id, ts, source_id) DO UPDATE
    SET value = excluded.value, value_secondary = excluded.value_secondary, ts_end = excluded.ts_end,
        tz_offset = excluded.tz_offset, version = excluded.version
    WHERE s.version < excluded.version
       OR (s.version = excluded.version
           AND (s.value, s.value_secondary, s.ts_end, s.tz_offset)
               IS DISTINCT FROM (excluded.value, excluded.value_secondary, excluded.ts_end, excluded.tz_offset))
  RETURNING s.metric_id, s.ts, s.source_id)"};

enum StoredColumn { kMetric = 1, kTs, kSource };

Row stored_row(uint64 result, const Row& key) {
  bool null;
  Row stored = key;
  stored.value = get_float8(result, kValue);
  stored.secondary = get_float8(result, kSecondary, std::numeric_limits<double>::quiet_NaN());
  const Datum end = get(result, kTsEnd, &null);
  stored.ts_end = null ? kNoInstant : to_core(DatumGetTimestampTz(end));
  stored.tz_offset = get_int2(result, kTzOffset, kNoOffset);
  stored.version = get_int8(result, kVersion);
  return stored;
}

// What R2 says about each row, by what is stored now.
void judge_by_query(int64 user_id, const Row* rows, int count, Judged* judged) {
  const Columns keys = columns_of(rows, count);
  for (int i = 0; i < count; ++i) judged[i] = {Verdict::kInsert, false, {}};
  const uint64 found =
      run(look_statement, {arg_int8(user_id), metrics_of(keys), instants_of(keys), sources_of(keys)});
  Assert(found <= static_cast<uint64>(count));
  for (uint64 result = 0; result < found; ++result) {
    const int i = get_int4(result, kOrdinality) - 1;
    judged[i] = judge_stored(rows[i], stored_row(result, rows[i]), {});
  }
}

uint64 upsert(int64 user_id, const Columns& c) {
  return run(upsert_statement, {arg_int8(user_id), metrics_of(c), instants_of(c), sources_of(c), values_of(c),
                                secondaries_of(c), ends_of(c), offsets_of(c), versions_of(c)});
}

// Which of the rows the upsert has stored: those it returned. The guard refuses what is older than what a writer that
// takes no lock of ours has stored since it was judged.
void mark_refused(uint64 stored, const Row* rows, int count, Judged* judged) {
  auto* is_stored = static_cast<bool*>(palloc0(sizeof(bool) * count));
  for (uint64 result = 0; result < stored; ++result) {
    bool null;
    Row key{};
    key.metric_id = get_int2(result, kMetric);
    key.ts = to_core(DatumGetTimestampTz(get(result, kTs, &null)));
    key.source_id = get_int2(result, kSource);
    const Row* row = std::lower_bound(rows, rows + count, key, key_less);
    if (row < rows + count && key_equal(*row, key)) is_stored[row - rows] = true;
  }
  for (int i = 0; i < count; ++i) {
    if (writes(judged[i].verdict) && !is_stored[i]) judged[i].verdict = Verdict::kStale;
  }
}

}  // namespace

void upsert_samples(int64 user_id, const Row* rows, int count, Judged* judged) {
  judge_by_query(user_id, rows, count, judged);
  Columns columns = make_columns(count);
  for (int i = 0; i < count; ++i) {
    if (writes(judged[i].verdict)) append(&columns, rows[i]);
  }
  if (columns.count == 0) return;
  const uint64 stored = upsert(user_id, columns);
  if (stored != static_cast<uint64>(columns.count)) mark_refused(stored, rows, count, judged);
}

}  // namespace wearables::pg
