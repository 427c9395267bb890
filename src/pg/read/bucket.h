// Where the bucket of an instant begins and ends in a time zone; see bucket_start() of SQL.
#pragma once

#include "pg/server/server.h"

extern "C" {
#include "utils/timestamp.h"
}

namespace wearables::pg {

// Of a bucket; one of the three is not 0.
struct Width {
  int32 months = 0;  // divides 12
  int32 days = 0;
  int64 clock = 0;  // microseconds, divides a day
};

struct Bucket {
  TimestampTz start = 0;
  TimestampTz end = 0;  // the start of the next
};

// Raises 22023 for a width of which no buckets are made.
void require_width(const Interval& given, Width* width);

// Raises 22008 for an instant, or a wall clock, too far off to compute with.
Bucket bucket_of(TimestampTz at, const Width& width, const pg_tz* rules);
// The first instant at which clocks show `wall_clock` or later: the earlier one where they show it twice, the step
// where they skip it.
TimestampTz first_instant(Timestamp wall_clock, const pg_tz* rules);

// Whether buckets of whole hours, days or months begin on whole hours of UTC alone from `at`, which is one, to before
// *until.
bool begin_on_hours(TimestampTz at, const pg_tz* rules, TimestampTz* until);

}  // namespace wearables::pg
