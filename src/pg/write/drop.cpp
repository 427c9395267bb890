// Drops the samples of a user's metric that lie below its floor, whole days at a time: what a day comes to is frozen,
// and its samples deleted, in one transaction. The floor was committed before, and the caller holds the user's lock, so
// nobody writes there any more. Deletes by ranges of the key, as erase.cpp does.
#include "pg/rollup/rollup.h"
#include "pg/server/lock.h"
#include "pg/server/server.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

Statement find_last{R"(
  SELECT p.ts FROM wearables.sample_points p
  WHERE p.user_id = $1 AND p.metric_id = $2 AND p.ts < $3 ORDER BY p.ts OFFSET $4 LIMIT 1)"};
enum { kLastTs = 1 };

Statement delete_before{R"(
  WITH gone AS (
    DELETE FROM wearables.sample_points p
    WHERE p.user_id = $1 AND p.metric_id = $2 AND p.ts < $3
    RETURNING pg_column_size(ROW(p.*)) AS size)
  SELECT count(*), coalesce(sum(g.size), 0)::bigint FROM gone g)"};
enum { kDeleted = 1, kBytes };

struct Dropped {
  int64 rows;
  int64 bytes;
  bool more;
};

TimestampTz next_day(TimestampTz at) {
  const int64 rest = at % USECS_PER_DAY;
  return at - (rest < 0 ? rest + USECS_PER_DAY : rest) + USECS_PER_DAY;
}

// About `most` samples, to the end of the day that it is at.
Dropped drop_samples(int64 user_id, int16 metric_id, TimestampTz before, bool keep_rollups, int32 most) {
  Assert(holds_user_lock(user_id));
  Assert(most > 0);
  Dropped dropped{};
  TimestampTz end = before;
  if (run(find_last, {arg_int8(user_id), arg_int2(metric_id), arg_instant(before), arg_int8(most - 1)}) > 0) {
    end = next_day(get_instant(0, kLastTs));
    dropped.more = end < before;
  }
  if (keep_rollups) freeze_days(user_id, metric_id, end);
  stop_point("frozen");
  begin_own_write(1);
  run(delete_before, {arg_int8(user_id), arg_int2(metric_id), arg_instant(end)});
  end_own_write();
  dropped.rows = get_int8(0, kDeleted);
  dropped.bytes = get_int8(0, kBytes);
  drop_rollups(user_id, metric_id, end);
  return dropped;
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_drop_samples);

// user_id bigint, metric_id smallint, before timestamptz, keep_rollups boolean, most integer
Datum wearables_drop_samples(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("drop_samples() must return a row")));
  }
  BlessTupleDesc(desc);
  SPI_connect();
  const Dropped dropped = drop_samples(PG_GETARG_INT64(0), PG_GETARG_INT16(1), PG_GETARG_TIMESTAMPTZ(2),
                                       PG_GETARG_BOOL(3), PG_GETARG_INT32(4));
  SPI_finish();
  Datum values[3] = {Int64GetDatum(dropped.rows), Int64GetDatum(dropped.bytes), BoolGetDatum(dropped.more)};
  bool nulls[3] = {};
  return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
}
