// The buckets of charts: where the bucket of an instant begins and ends in a time zone. The SQL functions keep their
// last answer in the call's FmgrInfo: readings come in the order of time, and most fall into the bucket of the one
// before. Reads the server's time zone rules alone, which do not change while a backend lives, so there is nothing to
// lock; what is kept goes with the memory of the query.
#include "pg/people/zone.h"
#include "pg/read/bucket.h"

#include <algorithm>

#include "pg/server/server.h"

namespace wearables::pg {

namespace {

constexpr int64 kDay = USECS_PER_DAY;
constexpr int kMonthsPerYear = MONTHS_PER_YEAR;
constexpr int32 kMonday = 366;       // 2001-01-01 in days after 2000-01-01; weeks begin with it
constexpr int32 kMostDays = 36'525;  // of one bucket: a century
// Farther than clocks of any zone are from UTC: they are within 24 hours of it by POSIX, within 16 by the database.
constexpr int64 kFarFromUtc = 26 * USECS_PER_HOUR;
// A bucket of hours is at most half a day of a clock, which steps back by at most a day: farther back none begins that
// is not over.
constexpr int64 kLongestClockBucket = 2 * kDay;
// What is computed with an instant must stay an instant: a century, and what the clock may add.
constexpr int64 kMargin = 150 * 366 * kDay;

// While the clocks of a zone keep their offset from UTC: from `begin` to before `end`.
struct Span {
  TimestampTz begin;
  TimestampTz end;
  int64 offset;  // microseconds east
};

// What is kept between calls.
struct Chart {
  std::string_view zone_given;
  char zone_text[TZ_STRLEN_MAX + 1];
  pg_tz* rules;
  Interval interval;  // the width as given
  Width width;
  Bucket bucket;
  bool has_width;
};

[[noreturn]] void raise_out_of_range() {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range for a chart")));
}

void require_computable(int64 at) {
  if (at < MIN_TIMESTAMP + kMargin || at >= END_TIMESTAMP - kMargin) raise_out_of_range();
}

int64 floor_to(int64 number, int64 step) {
  const int64 rest = number % step;
  return number - (rest < 0 ? rest + step : rest);
}

int64 ceil_to(int64 number, int64 step) { return -floor_to(-number, step); }

// The span from `at` on.
Span span_from(TimestampTz at, const pg_tz* rules) {
  const pg_time_t second =
      floor_to(at, USECS_PER_SEC) / USECS_PER_SEC + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * pg_time_t{SECS_PER_DAY};
  long before = 0;
  long after = 0;
  int summer_before = 0;
  int summer_after = 0;
  pg_time_t boundary = 0;
  const int found = pg_next_dst_boundary(&second, &before, &summer_before, &boundary, &after, &summer_after, rules);
  if (found < 0) raise_out_of_range();
  return {at, found == 0 ? DT_NOEND : time_t_to_timestamptz(boundary), before * USECS_PER_SEC};
}

}  // namespace

TimestampTz first_instant(Timestamp wall_clock, const pg_tz* rules) {
  require_computable(wall_clock);
  Span span = span_from(wall_clock - kFarFromUtc, rules);
  for (;;) {
    const TimestampTz at = std::max(span.begin, wall_clock - span.offset);
    if (at < span.end) return at;
    span = span_from(span.end, rules);
  }
}

namespace {

// Days after 2000-01-01: the last day that has begun. It is the date that clocks show, unless they have stepped back
// across midnight.
int32 day_of(TimestampTz at, const pg_tz* rules) {
  const Span span = span_from(at, rules);
  const int64 next = floor_to(at + span.offset, kDay) + kDay;
  const bool begun = first_instant(next, rules) <= at;
  return static_cast<int32>(next / kDay - (begun ? 0 : 1));
}

Bucket days_from(int32 first, int32 next, const pg_tz* rules) {
  return {first_instant(first * kDay, rules), first_instant(next * kDay, rules)};
}

Bucket bucket_of_days(TimestampTz at, int32 days, const pg_tz* rules) {
  const auto first = static_cast<int32>(floor_to(int64{day_of(at, rules)} - kMonday, days) + kMonday);
  return days_from(first, first + days, rules);
}

Bucket bucket_of_months(TimestampTz at, int32 months, const pg_tz* rules) {
  int year = 0;
  int month = 0;
  int day = 0;
  j2date(day_of(at, rules) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
  const int first = (month - 1) / months * months;
  const int next = first + months;
  return days_from(date2j(year, first + 1, 1) - POSTGRES_EPOCH_JDATE,
                   date2j(year + next / kMonthsPerYear, next % kMonthsPerYear + 1, 1) - POSTGRES_EPOCH_JDATE, rules);
}

// A bucket begins whenever clocks show a multiple of the width after midnight, or step over one. By the clock rather
// than by elapsed time (Health Connect's durations), since parts of a day mean the same hours on every day then, as
// with TimescaleDB's time_bucket(). Unlike there an hour that is shown twice is two buckets.
Bucket bucket_of_clock(TimestampTz at, int64 width, const pg_tz* rules) {
  TimestampTz start = DT_NOBEGIN;
  Span span = span_from(at - kLongestClockBucket, rules);
  int64 offset_before = span.offset;
  for (;;) {
    const bool steps_over =
        span.offset > offset_before && floor_to(span.begin + span.offset, width) >= span.begin + offset_before;
    if (span.begin <= at) {
      const TimestampTz last = std::min(at, span.end - 1);
      const TimestampTz shown = floor_to(last + span.offset, width) - span.offset;
      if (shown >= span.begin) {
        start = shown;
      } else if (steps_over) {
        start = span.begin;
      }
    } else if (steps_over) {
      return {start, span.begin};
    }
    if (span.end > at) {
      Assert(start != DT_NOBEGIN);
      const TimestampTz next = ceil_to(std::max(at + 1, span.begin) + span.offset, width) - span.offset;
      if (next < span.end) return {start, next};
    }
    offset_before = span.offset;
    span = span_from(span.end, rules);
  }
}

}  // namespace

Bucket bucket_of(TimestampTz at, const Width& width, const pg_tz* rules) {
  require_computable(at);
  if (width.months > 0) return bucket_of_months(at, width.months, rules);
  if (width.days > 0) return bucket_of_days(at, width.days, rules);
  return bucket_of_clock(at, width.clock, rules);
}

bool begin_on_hours(TimestampTz at, const pg_tz* rules, TimestampTz* until) {
  const Span span = span_from(at, rules);
  *until = span.end;
  return span.offset % USECS_PER_HOUR == 0 && (span.end == DT_NOEND || span.end % USECS_PER_HOUR == 0);
}

namespace {

bool find_width(const Interval& given, Width* width) {
  *width = {};
  if (given.month != 0) {
    width->months = given.month;
    return given.month > 0 && kMonthsPerYear % given.month == 0 && given.day == 0 && given.time == 0;
  }
  constexpr int64 kMost = kMostDays * kDay;
  if (given.day < -kMostDays || given.day > kMostDays || given.time < -kMost || given.time > kMost) return false;
  const int64 total = given.day * kDay + given.time;
  if (total <= 0 || total > kMost) return false;
  if (total % kDay == 0) {
    width->days = static_cast<int32>(total / kDay);
    return true;
  }
  width->clock = total;
  return kDay % total == 0;
}

}  // namespace

void require_width(const Interval& given, Width* width) {
  if (find_width(given, width)) return;
  char* text = DatumGetCString(DirectFunctionCall1(interval_out, PointerGetDatum(&given)));
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("bucket width \"%s\" is not possible", text),
                  errhint("Give a width that divides a day (15 minutes, 6 hours), whole days (24 hours are one), "
                          "weeks, or months that divide a year.")));
}

namespace {

// The call's chart, with the zone's rules in it.
Chart* chart_in(FunctionCallInfo fcinfo, Datum zone) {
  auto* chart = static_cast<Chart*>(fcinfo->flinfo->fn_extra);
  const std::string_view given = text_of(zone);
  if (chart != nullptr && chart->zone_given == given) return chart;
  Zone found;
  require_zone(given, &found);
  if (chart == nullptr) {
    chart = static_cast<Chart*>(MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Chart)));
    fcinfo->flinfo->fn_extra = chart;
  }
  Assert(given.size() < sizeof chart->zone_text);
  memcpy(chart->zone_text, given.data(), given.size());
  chart->zone_given = {chart->zone_text, given.size()};
  chart->rules = found.rules;
  chart->bucket = {};
  return chart;
}

// The bucket of a call (timestamptz, interval, text) whose instant is finite.
Bucket bucket_in(FunctionCallInfo fcinfo) {
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
  const Interval& interval = *PG_GETARG_INTERVAL_P(1);
  Chart* chart = chart_in(fcinfo, PG_GETARG_DATUM(2));
  const Interval& last = chart->interval;
  if (!chart->has_width || last.month != interval.month || last.day != interval.day || last.time != interval.time) {
    chart->has_width = false;
    require_width(interval, &chart->width);
    chart->interval = interval;
    chart->has_width = true;
    chart->bucket = {};
  }
  if (at < chart->bucket.start || at >= chart->bucket.end) chart->bucket = bucket_of(at, chart->width, chart->rules);
  Assert(at >= chart->bucket.start && at < chart->bucket.end);
  return chart->bucket;
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_bucket_start);
PG_FUNCTION_INFO_V1(wearables_bucket_end);
PG_FUNCTION_INFO_V1(wearables_first_instant);
PG_FUNCTION_INFO_V1(wearables_day_of);

Datum wearables_bucket_start(PG_FUNCTION_ARGS) {
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(at)) PG_RETURN_TIMESTAMPTZ(at);
  PG_RETURN_TIMESTAMPTZ(wearables::pg::bucket_in(fcinfo).start);
}

Datum wearables_bucket_end(PG_FUNCTION_ARGS) {
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(at)) PG_RETURN_TIMESTAMPTZ(at);
  PG_RETURN_TIMESTAMPTZ(wearables::pg::bucket_in(fcinfo).end);
}

Datum wearables_first_instant(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const Timestamp wall_clock = PG_GETARG_TIMESTAMP(0);
  if (TIMESTAMP_NOT_FINITE(wall_clock)) PG_RETURN_TIMESTAMPTZ(wall_clock);
  PG_RETURN_TIMESTAMPTZ(first_instant(wall_clock, chart_in(fcinfo, PG_GETARG_DATUM(1))->rules));
}

Datum wearables_day_of(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_IS_NOBEGIN(at)) PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
  if (TIMESTAMP_IS_NOEND(at)) PG_RETURN_DATEADT(DATEVAL_NOEND);
  require_computable(at);
  PG_RETURN_DATEADT(day_of(at, chart_in(fcinfo, PG_GETARG_DATUM(1))->rules));
}
}
