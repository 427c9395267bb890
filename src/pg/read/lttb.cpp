// Which readings of a series a chart of so many points shows: Largest Triangle Three Buckets (S. Steinarsson,
// Downsampling Time Series for Visual Representation, 2013), for each source by itself. Between its first and its last
// reading a stretch is cut into buckets of equal count; of each, that reading is kept which makes the largest triangle
// with the one kept before and the mean of the next bucket. A gap ends a stretch: no triangle reaches over it.
//
// The readings are scanned three times under the caller's snapshot: to count them, for the mean of each bucket, and to
// choose. So only what is kept of a bucket lies in memory, which grows with the points asked for and not with the
// series.
// Runs with the rights and row-level security of the caller, and locks nothing.
#include "core/write/sample.h"

#include <algorithm>
#include <cmath>

#include "pg/server/instant.h"
#include "pg/server/spi.h"

extern "C" {
#include "common/int.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/hsearch.h"
}

namespace wearables::pg {

namespace {

constexpr const char* kReadings =
    "SELECT p.ts, p.value, p.value_secondary, p.source_id, p.tz_offset FROM wearables.sample_points p "
    "WHERE p.user_id = $1 AND p.metric_id = ($2::smallint[])[1] AND p.ts >= $3 AND p.ts < $4 "
    "ORDER BY p.ts, p.source_id, p.part";
constexpr const char* kReadingsOfSeveral =
    "SELECT p.ts, p.value, p.value_secondary, p.source_id, p.tz_offset FROM wearables.sample_points p "
    "WHERE p.user_id = $1 AND p.metric_id = ANY ($2) AND p.ts >= $3 AND p.ts < $4 "
    "ORDER BY p.ts, p.source_id, p.metric_id, p.part";
enum ReadingColumn { kTs, kValue, kSecondary, kSource, kTzOffset };

constexpr int kMostStretches = 100'000;  // of all sources
constexpr int kFewestPoints = 2;
constexpr int kMostPoints = 100'000;

struct Reading {
  TimestampTz ts;
  double value;
  double secondary;
  int16 source;
  bool has_secondary;
  bool is_day;  // of a calendar day (R11)
};

// In a chart: seconds since the first reading of the source, and its value.
struct Place {
  double x;
  double y;
};

// Of the readings of a bucket.
struct Mean {
  Place place;
  int64 count;
};

// Readings between which no gap is.
struct Stretch {
  int64 count;
  int64 points;  // that are kept
  Place last;
  Mean* means;  // one for each bucket; null: it has none, or all readings are kept
};

struct Series {
  int64 source;  // key
  TimestampTz first;
  int64 count;
  Stretch* stretches;
  int stretch_count;
  int stretch_room;
  // where a scan is
  int at;          // stretch
  int64 index;     // within it
  TimestampTz ts;  // of the reading before
  // what the last scan has found
  Place kept;
  Reading best;
  double best_area;
};

enum class Pass { kCount, kMean, kChoose };

struct Downsampling {
  DestReceiver receiver;  // first: the executor knows this alone
  Pass pass;
  int64 points;
  int64 longest_gap;  // microseconds; negative: nothing is a gap
  HTAB* series;
  int stretch_count;
  MemoryContext memory;  // of all that is found
  ReturnSetInfo* result;
};

// --- Buckets: as evenly as it goes, the longer ones first

struct Buckets {
  int64 readings;  // in all of them
  int64 count;
};

Buckets buckets_of(const Stretch& stretch) { return {stretch.count - 2, stretch.points - 2}; }

bool has_buckets(const Stretch& stretch) { return stretch.points > 2 && stretch.points < stretch.count; }

// Of the reading with this number among those in buckets.
int64 bucket_of(const Buckets& buckets, int64 number) {
  const int64 length = buckets.readings / buckets.count;
  const int64 longer = buckets.readings % buckets.count;
  const int64 in_longer = longer * (length + 1);
  return number < in_longer ? number / (length + 1) : longer + (number - in_longer) / length;
}

bool is_last_of_bucket(const Buckets& buckets, int64 number) {
  return number + 1 == buckets.readings || bucket_of(buckets, number) != bucket_of(buckets, number + 1);
}

// --- Series and their stretches

Place place_of(const Series& series, const Reading& reading) {
  return {static_cast<double>(reading.ts - series.first) / USECS_PER_SEC, reading.value};
}

Series* series_of(Downsampling* run, const Reading& reading) {
  const int64 key = reading.source;
  bool found;
  auto* series = static_cast<Series*>(hash_search(run->series, &key, HASH_ENTER, &found));
  if (!found) {
    *series = {};
    series->source = key;
    series->first = reading.ts;
    series->at = -1;
  }
  return series;
}

void add_stretch(Downsampling* run, Series* series) {
  if (++run->stretch_count > kMostStretches) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("the readings have more than %d gaps longer than max_gap", kMostStretches),
                    errhint("Give a longer max_gap, or a shorter range.")));
  }
  constexpr int kFirstRoom = 8;
  if (series->stretch_count == series->stretch_room) {
    series->stretch_room = std::max(kFirstRoom, 2 * series->stretch_room);
    const size_t size = sizeof(Stretch) * static_cast<size_t>(series->stretch_room);
    // the current context is the executor's, which ends with the scan
    series->stretches = static_cast<Stretch*>(series->stretches == nullptr ? MemoryContextAlloc(run->memory, size)
                                                                           : repalloc(series->stretches, size));
  }
  series->stretches[series->stretch_count++] = {};
}

// Goes on to the reading, and gives its stretch.
Stretch* step_to(Downsampling* run, Series* series, const Reading& reading) {
  const bool begins = series->at < 0 || (run->longest_gap >= 0 && reading.ts - series->ts > run->longest_gap);
  series->ts = reading.ts;
  if (begins) {
    ++series->at;
    series->index = 0;
    if (run->pass == Pass::kCount) add_stretch(run, series);
  } else {
    ++series->index;
  }
  Assert(series->at < series->stretch_count);
  return &series->stretches[series->at];
}

void rewind(const Downsampling& run) {
  HASH_SEQ_STATUS walk;
  hash_seq_init(&walk, run.series);
  while (auto* series = static_cast<Series*>(hash_seq_search(&walk))) series->at = -1;
}

// Of the points of a series each stretch gets its share, and its two ends in any case.
void share_points(const Downsampling& run) {
  HASH_SEQ_STATUS walk;
  hash_seq_init(&walk, run.series);
  while (auto* series = static_cast<Series*>(hash_seq_search(&walk))) {
    for (int i = 0; i < series->stretch_count; ++i) {
      Stretch& stretch = series->stretches[i];
      const double share = static_cast<double>(stretch.count) / static_cast<double>(series->count);
      const auto points = static_cast<int64>(std::floor(static_cast<double>(run.points) * share));
      stretch.points = std::min(stretch.count, std::max<int64>(2, points));
      if (!has_buckets(stretch)) continue;
      stretch.means = static_cast<Mean*>(palloc0(sizeof(Mean) * static_cast<size_t>(buckets_of(stretch).count)));
    }
  }
}

// --- The scans

void put_reading(const Downsampling& run, const Reading& reading, bool after_gap) {
  Datum values[] = {TimestampTzGetDatum(reading.ts),   Int16GetDatum(reading.source), Float8GetDatum(reading.value),
                    Float8GetDatum(reading.secondary), BoolGetDatum(reading.is_day),  BoolGetDatum(after_gap)};
  bool nulls[] = {false, false, false, !reading.has_secondary, false, false};
  tuplestore_putvalues(run.result->setResult, run.result->setDesc, values, nulls);
}

void count(Series* series, Stretch* stretch, const Reading& reading) {
  ++series->count;
  ++stretch->count;
  stretch->last = place_of(*series, reading);
}

// The mean as it stands, moved towards the reading: a sum of large values would overflow.
void add_to_mean(const Series& series, Stretch* stretch, const Reading& reading) {
  if (!has_buckets(*stretch) || series.index == 0 || series.index == stretch->count - 1) return;
  Mean& mean = stretch->means[bucket_of(buckets_of(*stretch), series.index - 1)];
  const Place place = place_of(series, reading);
  const auto n = static_cast<double>(++mean.count);
  mean.place.x += (place.x - mean.place.x) / n;
  mean.place.y += (place.y - mean.place.y) / n;
}

double area_of_triangle(const Place& a, const Place& b, const Place& c) {
  return std::fabs((a.x - c.x) * (b.y - a.y) - (a.x - b.x) * (c.y - a.y)) / 2;
}

void choose(const Downsampling& run, Series* series, const Stretch& stretch, const Reading& reading) {
  const bool first = series->index == 0;
  if (first || series->index == stretch.count - 1 || stretch.points >= stretch.count) {
    put_reading(run, reading, first && series->at > 0);
    series->kept = place_of(*series, reading);
    series->best_area = -1;
    return;
  }
  if (!has_buckets(stretch)) return;
  const Buckets buckets = buckets_of(stretch);
  const int64 bucket = bucket_of(buckets, series->index - 1);
  const Place next = bucket + 1 == buckets.count ? stretch.last : stretch.means[bucket + 1].place;
  const double area = area_of_triangle(series->kept, place_of(*series, reading), next);
  if (area > series->best_area) {
    series->best_area = area;
    series->best = reading;
  }
  if (!is_last_of_bucket(buckets, series->index - 1)) return;
  put_reading(run, series->best, false);
  series->kept = place_of(*series, series->best);
  series->best_area = -1;
}

bool receive_reading(TupleTableSlot* slot, DestReceiver* self) {
  auto* run = reinterpret_cast<Downsampling*>(self);
  slot_getallattrs(slot);
  const Datum* values = slot->tts_values;
  const bool* nulls = slot->tts_isnull;
  Reading reading;
  reading.ts = DatumGetTimestampTz(values[kTs]);
  reading.value = DatumGetFloat8(values[kValue]);
  reading.has_secondary = !nulls[kSecondary];
  reading.secondary = reading.has_secondary ? DatumGetFloat8(values[kSecondary]) : 0;
  reading.source = DatumGetInt16(values[kSource]);
  reading.is_day = !nulls[kTzOffset] && DatumGetInt16(values[kTzOffset]) == kCalendarDay;
  Series* series = series_of(run, reading);
  Stretch* stretch = step_to(run, series, reading);
  switch (run->pass) {
    case Pass::kCount:
      count(series, stretch, reading);
      break;
    case Pass::kMean:
      add_to_mean(*series, stretch, reading);
      break;
    case Pass::kChoose:
      choose(*run, series, *stretch, reading);
      break;
  }
  return true;
}

Downsampling* make_run(ReturnSetInfo* result) {
  auto* run = static_cast<Downsampling*>(palloc0(sizeof(Downsampling)));
  init_receiver(&run->receiver, receive_reading);
  run->memory = CurrentMemoryContext;
  run->result = result;
  HASHCTL shape{};
  shape.keysize = sizeof(int64);
  shape.entrysize = sizeof(Series);
  shape.hcxt = CurrentMemoryContext;
  constexpr long kExpected = 8;
  run->series = hash_create("wearables series", kExpected, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  return run;
}

// Microseconds; months count as 30 days, as they do where intervals are compared.
int64 length_of(const Interval& gap) {
  int64 days;
  int64 length;
  if (pg_mul_s64_overflow(gap.month, DAYS_PER_MONTH, &days) || pg_add_s64_overflow(days, gap.day, &days) ||
      pg_mul_s64_overflow(days, USECS_PER_DAY, &length) || pg_add_s64_overflow(length, gap.time, &length)) {
    length = PG_INT64_MAX;
  }
  if (length >= 0) return length;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_gap must not be negative"),
                  errhint("Give an interval of 0 or more, or null if nothing is a gap.")));
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_downsample);

// user_id bigint, metric_ids smallint[], from_ts timestamptz, to_ts timestamptz, points integer, max_gap interval
Datum wearables_downsample(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  InitMaterializedSRF(fcinfo, 0);
  for (int i = 0; i < 4; ++i) {
    if (PG_ARGISNULL(i)) return Datum{0};
  }
  const int32 points = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4);
  if (points < kFewestPoints || points > kMostPoints) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%d points are not possible", points),
                    errhint("Give a number from %d to %d.", kFewestPoints, kMostPoints)));
  }
  Downsampling* run = make_run(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
  run->points = points;
  run->longest_gap = PG_ARGISNULL(5) ? -1 : length_of(*PG_GETARG_INTERVAL_P(5));
  const Datum metrics = PG_GETARG_DATUM(1);
  const ArrayType* list = DatumGetArrayTypeP(metrics);
  const bool several = ArrayGetNItems(ARR_NDIM(list), ARR_DIMS(list)) > 1;
  SPI_connect();
  for (const Pass pass : {Pass::kCount, Pass::kMean, Pass::kChoose}) {
    run->pass = pass;
    scan(several ? kReadingsOfSeveral : kReadings,
         {arg_int8(PG_GETARG_INT64(0)), arg_datum(INT2ARRAYOID, metrics, false), arg_instant(PG_GETARG_TIMESTAMPTZ(2)),
          arg_instant(PG_GETARG_TIMESTAMPTZ(3))},
         &run->receiver);
    if (pass == Pass::kCount) share_points(*run);
    rewind(*run);
  }
  SPI_finish();
  return Datum{0};
}
}
