// Deletes the samples of a user, some at a time, by ranges of the key: a table that another extension has spread over
// others has no row ids that could be named. The caller holds the user's lock, and deletes what samples became, too.
#include "pg/rollup/rollup.h"
#include "pg/server/server.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

// Where the key goes on, after the user.
struct Place {
  int16 metric_id;
  TimestampTz ts;
};

Statement find_end{R"(
  SELECT p.metric_id, p.ts FROM wearables.sample_points p
  WHERE p.user_id = $1 AND (p.metric_id, p.ts) >= ($2, $3)
  ORDER BY p.metric_id, p.ts OFFSET $4 LIMIT 1)"};
enum { kEndMetric = 1, kEndTs };

Statement delete_range{R"(
  WITH gone AS (
    DELETE FROM wearables.sample_points p
    WHERE p.user_id = $1 AND (p.metric_id, p.ts) >= ($2, $3) AND (p.metric_id, p.ts) <= ($4, $5)
    RETURNING 1)
  SELECT count(*) FROM gone)"};
enum { kDeleted = 1 };

// Whatever they are made of: with the first samples all of them go, and those that a job makes between two batches.
Statement delete_rollups{R"(
  WITH frozen AS (DELETE FROM wearables.frozen_rollups f WHERE f.user_id = $1)
  DELETE FROM wearables_internal.rollups r WHERE r.user_id = $1)"};

// Deletes `most` samples from `place` on, and those that share the place of the last one; moves `place` there. Returns
// how many.
int64 erase_samples(int64 user_id, int32 most, Place* place) {
  Assert(most > 0);
  const bool more =
      run(find_end, {arg_int8(user_id), arg_int2(place->metric_id), arg_instant(place->ts), arg_int8(most - 1)}) > 0;
  const Place end = more ? Place{get_int2(0, kEndMetric), get_instant(0, kEndTs)} : Place{PG_INT16_MAX, DT_NOEND};
  run(delete_rollups, {arg_int8(user_id)});
  begin_own_write(1);
  run(delete_range, {arg_int8(user_id), arg_int2(place->metric_id), arg_instant(place->ts), arg_int2(end.metric_id),
                     arg_instant(end.ts)});
  end_own_write();
  if (more) *place = end;
  return get_int8(0, kDeleted);
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_erase_samples);

Datum wearables_erase_samples(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("erase_samples() must return a row")));
  }
  BlessTupleDesc(desc);
  Place place{PG_GETARG_INT16(2), PG_GETARG_TIMESTAMPTZ(3)};
  SPI_connect();
  const int64 deleted = erase_samples(PG_GETARG_INT64(0), PG_GETARG_INT32(1), &place);
  SPI_finish();
  Datum values[3] = {Int16GetDatum(place.metric_id), TimestampTzGetDatum(place.ts), Int64GetDatum(deleted)};
  bool nulls[3] = {};
  return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
}
