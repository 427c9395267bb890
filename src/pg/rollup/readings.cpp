// Reads samples for the two that roll them up: the job, and the drop that freezes what days came to. Both hold the
// user's lock, so that nobody changes them meanwhile. Memory is that of one page.
#include "pg/rollup/readings.h"

#include <cmath>
#include <limits>

#include "pg/server/instant.h"

namespace wearables::pg {

namespace {

Statement select_readings{R"(
  SELECT p.ts, p.value, p.value_secondary, p.version, p.source_id, p.part, p.tz_offset
  FROM wearables.sample_points p
  WHERE p.user_id = $1 AND p.metric_id = $2 AND p.ts >= $3 AND p.ts < $4 ORDER BY p.ts)"};
enum ReadingColumn { kTs = 1, kValue, kSecondary, kVersion, kSource, kPart, kTzOffset };

}  // namespace

Cursor open_readings(int64 user_id, int16 metric_id, TimestampTz from, TimestampTz to) {
  return open_cursor(select_readings, {arg_int8(user_id), arg_int2(metric_id), arg_instant(from), arg_instant(to)});
}

int fetch_readings(const Cursor& cursor, RollupReading* page) {
  const uint64 rows = fetch(cursor, kReadingPage);
  for (uint64 row = 0; row < rows; ++row) {
    bool null;
    RollupReading& reading = page[row];
    reading.ts = to_core(get_instant(row, kTs));
    reading.value = get_float8(row, kValue);
    const Datum secondary = get(row, kSecondary, &null);
    reading.secondary = null ? std::numeric_limits<double>::quiet_NaN() : DatumGetFloat8(secondary);
    // one that is not a number is a number to a chart
    if (!null && std::isnan(reading.secondary)) reading.secondary = std::numeric_limits<double>::infinity();
    reading.version = get_int8(row, kVersion);
    reading.source_id = get_int2(row, kSource);
    reading.part = get_int2(row, kPart);
    reading.of_day = get_int2(row, kTzOffset, kNoOffset) == kCalendarDay;
  }
  return static_cast<int>(rows);
}

bytea* copy_bytes(const std::string& bytes) {
  const Size size = VARHDRSZ + bytes.size();
  auto* copy = static_cast<bytea*>(palloc(size));
  SET_VARSIZE(copy, size);
  memcpy(VARDATA(copy), bytes.data(), bytes.size());
  return copy;
}

}  // namespace wearables::pg
