#include "core/write/sample.h"

#include <limits>

#include "pg/write/sample_arrays.h"
#include "pg/write/sample.h"
#include "pg/write/summary.h"

namespace wearables::pg {

namespace {

// Nothing is written for an equal document of an equal version: a replay leaves no trace.
Statement upsert_document{R"(
  WITH claims AS (
    SELECT coalesce(array_agg(ROW(c.metric_id, c.ts, $5, c.value, c.value_secondary, c.ts_end, c.tz_offset)::wearables.summary_sample
                              ORDER BY c.metric_id, c.ts), '{}') AS samples,
           min(c.ts) AS first_ts, max(c.ts) AS last_ts
    FROM unnest($7::smallint[], $8::timestamptz[], $9::float8[], $10::float8[], $11::timestamptz[], $12::smallint[])
      AS c (metric_id, ts, value, value_secondary, ts_end, tz_offset)),
  former AS (
    SELECT s.version, s.samples, s.source_id, s.doc, s.event_id FROM wearables.summaries s
    WHERE s.user_id = $1 AND s.resource = $2 AND s.summary_id = $3),
  stored AS (
    INSERT INTO wearables.summaries AS s
      (user_id, resource, summary_id, version, source_id, doc, samples, first_ts, last_ts, event_id, event_version)
    SELECT $1, $2, $3, $4, $5, $6::jsonb, n.samples, n.first_ts, n.last_ts, $13, $14 FROM claims n
    WHERE NOT EXISTS (
      SELECT FROM former f
      WHERE f.version > $4
         OR (f.version = $4 AND (f.source_id, f.doc, f.samples, f.event_id) IS NOT DISTINCT FROM ($5, $6::jsonb, n.samples, $13)))
    ON CONFLICT (user_id, resource, summary_id) DO UPDATE
      SET version = excluded.version, source_id = excluded.source_id, doc = excluded.doc,
          samples = excluded.samples, first_ts = excluded.first_ts, last_ts = excluded.last_ts,
          event_id = excluded.event_id, event_version = excluded.event_version
      WHERE s.version < excluded.version
         OR (s.version = excluded.version
             AND (s.source_id, s.doc, s.samples, s.event_id)
                 IS DISTINCT FROM (excluded.source_id, excluded.doc, excluded.samples, excluded.event_id))
    RETURNING 1)
  SELECT coalesce((SELECT f.version FROM former f) <= $4, true) AS live, g.metric_id, g.ts, g.source_id
  FROM (SELECT 1) one
  LEFT JOIN LATERAL (
    SELECT o.metric_id, o.ts, o.source_id FROM former f, unnest(f.samples) o
    WHERE f.version <= $4 AND EXISTS (SELECT FROM stored)
    EXCEPT
    SELECT c.metric_id, c.ts, c.source_id FROM claims n, unnest(n.samples) c) g ON true
  ORDER BY g.metric_id, g.ts, g.source_id)"};

// A key that was given up: of the other documents that claim it the newest holds it now; version and id
// decide, so that the outcome does not depend on the order in which they came. The documents of the span are unfolded
// once, whatever number of keys there is.
Statement select_claims{R"(
  WITH given_up AS (
    SELECT DISTINCT k.metric_id, k.ts, k.source_id
    FROM unnest($2::smallint[], $3::timestamptz[], $4::smallint[]) AS k (metric_id, ts, source_id)),
  claims AS (
    SELECT c.*, d.version, d.summary_id, d.resource
    FROM wearables.summaries d CROSS JOIN LATERAL unnest(d.samples) c
    WHERE d.user_id = $1 AND d.last_ts >= $5 AND d.first_ts <= $6)
  SELECT DISTINCT ON (g.metric_id, g.ts, g.source_id)
         g.metric_id, g.ts, g.source_id, c.value, c.value_secondary, c.ts_end, c.tz_offset, c.version
  FROM given_up g
  LEFT JOIN claims c ON c.metric_id = g.metric_id AND c.ts = g.ts AND c.source_id = g.source_id
  ORDER BY g.metric_id, g.ts, g.source_id, c.version DESC NULLS LAST, c.summary_id DESC, c.resource DESC)",
                        Planning::kManyToMany};

Statement delete_documents{R"(
  WITH gone AS (
    DELETE FROM wearables.summaries s
    WHERE s.user_id = $1 AND s.resource = $2 AND s.event_id = $3
    RETURNING s.samples)
  SELECT true, o.metric_id, o.ts, o.source_id FROM gone g CROSS JOIN LATERAL unnest(g.samples) o)"};

void reserve(GivenUp* keys, int more) {
  if (keys->count + more <= keys->capacity) return;
  keys->capacity = 2 * keys->capacity + more;
  const Size size = sizeof(Datum) * keys->capacity;
  for (Datum** column : {&keys->metric, &keys->ts, &keys->source}) {
    *column = static_cast<Datum*>(*column == nullptr ? MemoryContextAllocHuge(keys->context, size)
                                                     : repalloc_huge(*column, size));
  }
}

// The result rows of upsert_document: one row of nulls when nothing was given up.
void gather_given_up(uint64 rows, GivenUp* keys) {
  bool null = rows == 0;
  if (!null) get(0, 2, &null);
  if (null) return;
  reserve(keys, static_cast<int>(rows));
  for (uint64 row = 0; row < rows; ++row) {
    keys->metric[keys->count] = get(row, 2, &null);
    keys->ts[keys->count] = get(row, 3, &null);
    keys->source[keys->count++] = get(row, 4, &null);
  }
}

}  // namespace

bool store_document(int64 user_id, std::string_view resource, const DocumentRow& document, GivenUp* given_up) {
  const Columns claims = columns_of(document.rows, document.row_count);
  const uint64 rows = run(
      upsert_document,
      {arg_int8(user_id), arg_text(resource), arg_text(document.summary_id), arg_int8(document.version),
       arg_int2(document.source_id), arg_text(document.doc), metrics_of(claims), instants_of(claims),
       values_of(claims), secondaries_of(claims), ends_of(claims), offsets_of(claims),
       arg_int8(document.event_id), arg_int8(document.event_version)});
  const bool live = get_bool(0, 1);
  gather_given_up(rows, given_up);
  return live;
}

namespace {

struct Claim {
  Row row;
  bool any;  // some document claims the key
};

Claim claim_of(uint64 result) {
  bool null;
  Claim claim{};
  Row& row = claim.row;
  row.metric_id = get_int2(result, 1);
  row.ts = to_core(DatumGetTimestampTz(get(result, 2, &null)));
  row.source_id = get_int2(result, 3);
  row.value = get_float8(result, 4);
  row.secondary = get_float8(result, 5, std::numeric_limits<double>::quiet_NaN());
  const Datum end = get(result, 6, &null);
  row.ts_end = null ? kNoInstant : to_core(DatumGetTimestampTz(end));
  row.tz_offset = get_int2(result, 7, kNoOffset);
  (void)get(result, 8, &null);
  claim.any = !null;
  row.version = get_int8(result, 8);
  return claim;
}

// In the order of the key: two writers that overlap touch rows in the same order.
Claim* find_claims(int64 user_id, const GivenUp& given_up, int* count) {
  TimestampTz from = PG_INT64_MAX, to = PG_INT64_MIN;
  for (int i = 0; i < given_up.count; ++i) {
    from = Min(from, DatumGetTimestampTz(given_up.ts[i]));
    to = Max(to, DatumGetTimestampTz(given_up.ts[i]));
  }
  const uint64 rows = run(select_claims, {arg_int8(user_id), arg_array(INT2OID, given_up.metric, nullptr, given_up.count),
                                          arg_array(TIMESTAMPTZOID, given_up.ts, nullptr, given_up.count),
                                          arg_array(INT2OID, given_up.source, nullptr, given_up.count),
                                          arg_instant(from), arg_instant(to)});
  auto* claims = static_cast<Claim*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Claim) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) claims[row] = claim_of(row);
  *count = static_cast<int>(rows);
  return claims;
}

}  // namespace

int64 settle_given_up(int64 user_id, const GivenUp& given_up) {
  if (given_up.count == 0) return 0;
  int64 removed = 0;
  int count;
  const Claim* claims = find_claims(user_id, given_up, &count);
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables given up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  for (int i = 0; i < count; ++i) {
    CHECK_FOR_INTERRUPTS();
    if (claims[i].any) {
      put_in_place(user_id, claims[i].row);
    } else {
      removed += remove_sample(user_id, claims[i].row) ? 1 : 0;
    }
    MemoryContextReset(scratch);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  return removed;
}

int64 withdraw_documents(int64 user_id, std::string_view resource, int64 event_id) {
  GivenUp given_up{};
  given_up.context = CurrentMemoryContext;
  gather_given_up(run(delete_documents, {arg_int8(user_id), arg_text(resource), arg_int8(event_id)}), &given_up);
  return settle_given_up(user_id, given_up);
}

}  // namespace wearables::pg
