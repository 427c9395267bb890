#include "core/write/sample.h"

#include <limits>

#include "pg/write/sample_arrays.h"
#include "pg/write/sample.h"
#include "pg/write/sample_upsert.h"

namespace wearables::pg {

namespace {

// The keys come in ascending order and stay so: two writers that overlap lock rows in the same order.
Statement look_statement{R"(
  SELECT k.i::integer, s.value, s.value_secondary, s.ts_end, s.tz_offset, s.version
  FROM unnest($2::smallint[], $3::timestamptz[], $4::smallint[]) WITH ORDINALITY AS k (metric_id, ts, source_id, i)
  CROSS JOIN LATERAL (
    SELECT p.* FROM wearables.sample_points p
    WHERE p.user_id = $1 AND p.metric_id = k.metric_id AND p.ts = k.ts AND p.source_id = k.source_id
    OFFSET 0) s)"};  // which keeps the planner from beginning with all rows of the user

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
  RETURNING 1)"};

Row stored_row(uint64 result, const Row& key) {
  bool null;
  Row stored = key;
  stored.value = get_float8(result, 2);
  stored.secondary = get_float8(result, 3, std::numeric_limits<double>::quiet_NaN());
  const Datum end = get(result, 4, &null);
  stored.ts_end = null ? kNoInstant : to_core(DatumGetTimestampTz(end));
  stored.tz_offset = get_int2(result, 5, kNoOffset);
  stored.version = get_int8(result, 6);
  return stored;
}

// What R2 says about each row, by what is stored now.
Verdict* judge_rows(int64 user_id, const Row* rows, int count, int64* own) {
  const Columns keys = columns_of(rows, count);
  auto* verdicts = static_cast<Verdict*>(palloc(sizeof(Verdict) * count));
  for (int i = 0; i < count; ++i) verdicts[i] = Verdict::kInsert;
  const uint64 found =
      run(look_statement, {arg_int8(user_id), metrics_of(keys), instants_of(keys), sources_of(keys)});
  for (uint64 result = 0; result < found; ++result) {
    const int i = get_int4(result, 1) - 1;
    const Row stored = stored_row(result, rows[i]);
    verdicts[i] = judge(rows[i], &stored);
    if (stored.version == rows[i].version) ++*own;
  }
  return verdicts;
}

int upsert(int64 user_id, const Columns& c) {
  return static_cast<int>(run(upsert_statement,
                              {arg_int8(user_id), metrics_of(c), instants_of(c), sources_of(c), values_of(c),
                               secondaries_of(c), ends_of(c), offsets_of(c), versions_of(c)}));
}

}  // namespace

void count_verdict(Verdict verdict, Counts* counts) {
  switch (verdict) {
    case Verdict::kInsert:
      ++counts->inserted;
      break;
    case Verdict::kChange:
      ++counts->changed;
      break;
    case Verdict::kConfirm:
      ++counts->confirmed;
      break;
    case Verdict::kUnchanged:
      ++counts->unchanged;
      break;
    case Verdict::kStale:
      ++counts->stale;
      break;
  }
}

bool writes(Verdict verdict) {
  return verdict == Verdict::kInsert || verdict == Verdict::kChange || verdict == Verdict::kConfirm;
}

void upsert_samples(int64 user_id, const Row* rows, int count, Written* written) {
  const Verdict* verdicts = judge_rows(user_id, rows, count, &written->own);
  Counts* counts = &written->counts;
  Columns columns = make_columns(count);
  for (int i = 0; i < count; ++i) {
    count_verdict(verdicts[i], counts);
    if (writes(verdicts[i])) append(&columns, rows[i]);
  }
  if (columns.count == 0) return;
  // a writer that takes no lock of ours may come between look and write: the guard refuses what is older
  const int64 refused = columns.count - upsert(user_id, columns);
  int64* overcounted = counts->inserted >= refused ? &counts->inserted : &counts->changed;
  *overcounted -= refused;
  counts->stale += refused;
}

}  // namespace wearables::pg
