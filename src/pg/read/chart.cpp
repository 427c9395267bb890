// What a chart shows: the readings of a user's metric, one aggregate for each bucket and source. The rows are read by
// one scan that hands each to receive_reading(), and no row is kept. They come mostly in the order of time, so the
// bounds of the current bucket and its lines are at hand: zone arithmetic and the hash table are asked once a bucket.
// chart_days.cpp reads what days come to instead, where that is stored.
//
// Runs with the rights and row-level security of the caller, under the caller's snapshot, and locks nothing. The lines
// lie in the memory of the call.
#include <cmath>

#include "pg/people/zone.h"
#include "pg/read/aggregate.h"
#include "pg/read/chart_query.h"
#include "pg/server/instant.h"

extern "C" {
#include "funcapi.h"
#include "utils/array.h"
}

namespace wearables::pg {

namespace {

// Of a metric at a time: so each scan is one range of the primary key.
constexpr const char* kReadings =
    "SELECT p.ts, p.value, p.value_secondary, p.version, p.source_id, p.part, p.tz_offset "
    "FROM wearables.sample_points p WHERE p.user_id = $1 AND p.metric_id = $2 AND p.ts >= $3 AND p.ts < $4";
enum ReadingColumn { kTs, kValue, kSecondary, kVersion, kSource, kPart, kTzOffset };

// --- One reading

// Its instant; as recorded, the instant at which the user's clocks show what those of the wearer showed; of a calendar
// day (R11) the instant at which this day begins in the zone of the chart.
TimestampTz charted_at(ChartQuery* chart, TimestampTz ts, bool has_offset, int16 offset) {
  if (has_offset && offset == kCalendarDay) {
    if (chart->day != ts) {
      chart->day_at = first_instant(ts, chart->rules);
      chart->day = ts;
    }
    return chart->day_at;
  }
  if (!chart->recorded || !has_offset) return ts;
  return first_instant(ts + offset * USECS_PER_MINUTE, chart->rules);
}

// Which of two is the last: by the chart, then as rows of one instant are told apart everywhere.
bool is_later(const Reading& a, const Reading& b) {
  if (a.at != b.at) return a.at > b.at;
  if (a.ts != b.ts) return a.ts > b.ts;
  if (a.version != b.version) return a.version > b.version;
  return a.part < b.part;
}

Line* line_of(ChartQuery* chart, int16 source) {
  for (int i = 0; i < chart->count_at_hand; ++i) {
    if (chart->at_hand[i]->key.source == source) return chart->at_hand[i];
  }
  const LineKey key{chart->bucket.start, source};
  bool found;
  auto* line = static_cast<Line*>(hash_search(chart->lines, &key, HASH_ENTER, &found));
  if (!found) {
    *line = {};
    line->key = key;
    line->end = chart->bucket.end;
  }
  // entries of the table stay where they are
  if (chart->count_at_hand == kMostAtHand) chart->count_at_hand = 0;
  chart->at_hand[chart->count_at_hand++] = line;
  return line;
}

// The line that the reading belongs to, with the reading as its last one if it is. Null where the chart ends before it.
Line* reach_line(ChartQuery* chart, const Reading& reading) {
  if (reading.at < chart->from || reading.at >= chart->to) return nullptr;
  if (reading.at < chart->bucket.start || reading.at >= chart->bucket.end) {
    chart->bucket = bucket_of(reading.at, chart->width, chart->rules);
    chart->count_at_hand = 0;
  }
  Line* line = line_of(chart, reading.source);
  if (line->values.count == 0 || is_later(reading, line->last)) line->last = reading;
  return line;
}

void chart_reading(ChartQuery* chart, const Reading& reading) {
  Line* line = reach_line(chart, reading);
  if (line == nullptr) return;
  line->values.add(reading.value);
  if (reading.has_secondary) line->secondaries.add(reading.secondary);
}

// --- All readings of a metric

bool receive_reading(TupleTableSlot* slot, DestReceiver* self) {
  auto* chart = reinterpret_cast<ChartQuery*>(self);
  slot_getallattrs(slot);
  const Datum* values = slot->tts_values;
  const bool* nulls = slot->tts_isnull;
  if (chart->without_days && !nulls[kTzOffset] && DatumGetInt16(values[kTzOffset]) == kCalendarDay) return true;
  Reading reading;
  reading.ts = DatumGetTimestampTz(values[kTs]);
  reading.at = charted_at(chart, reading.ts, !nulls[kTzOffset], DatumGetInt16(values[kTzOffset]));
  reading.version = DatumGetInt64(values[kVersion]);
  reading.value = DatumGetFloat8(values[kValue]);
  reading.has_secondary = !nulls[kSecondary];
  reading.secondary = reading.has_secondary ? DatumGetFloat8(values[kSecondary]) : 0;
  reading.source = DatumGetInt16(values[kSource]);
  reading.part = DatumGetInt16(values[kPart]);
  chart_reading(chart, reading);
  return true;
}

}  // namespace

void chart_entry(ChartQuery* chart, const RollupEntry& entry) {
  const RollupReading& last = entry.last;
  if (chart->without_days && last.of_day) return;
  Reading reading;
  reading.ts = to_server(last.ts);
  reading.at = charted_at(chart, reading.ts, last.of_day, kCalendarDay);
  reading.version = last.version;
  reading.value = last.value;
  reading.has_secondary = !std::isnan(last.secondary);
  reading.secondary = reading.has_secondary ? last.secondary : 0;
  reading.source = entry.source_id;
  reading.part = last.part;
  Line* line = reach_line(chart, reading);
  if (line == nullptr) return;
  line->values.add(entry.values);
  line->secondaries.add(entry.secondaries);
}

void chart_samples(ChartQuery* chart, int64 user_id, int16 metric_id, TimestampTz from, TimestampTz to) {
  scan(kReadings, {arg_int8(user_id), arg_int2(metric_id), arg_instant(from), arg_instant(to)}, &chart->receiver);
}

namespace {

// Whether days of the chart may be read from rollups.
bool has_whole_hours(const ChartQuery& chart) {
  return !chart.recorded && chart.width.clock % USECS_PER_HOUR == 0 && chart.to - chart.from >= USECS_PER_DAY;
}

ChartQuery* make_chart() {
  auto* chart = static_cast<ChartQuery*>(palloc0(sizeof(ChartQuery)));
  init_receiver(&chart->receiver, receive_reading);
  chart->day = DT_NOBEGIN;
  HASHCTL shape{};
  shape.keysize = sizeof(LineKey);
  shape.entrysize = sizeof(Line);
  shape.hcxt = CurrentMemoryContext;
  constexpr long kExpected = 512;
  chart->lines = hash_create("wearables chart", kExpected, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  return chart;
}

// --- What is given and returned

enum { kFrom, kTo, kScanFrom, kScanTo, kBounds };

struct Elements {
  Datum* values;
  int count;
};

// Of a type that is passed by value.
Elements elements_of(ArrayType* array, Oid type, char align) {
  Elements elements;
  const int size = type == INT2OID ? sizeof(int16) : sizeof(int64);
  // a null among them raises
  deconstruct_array(array, type, size, true, align, &elements.values, nullptr, &elements.count);
  return elements;
}

struct Cells {
  Datum values[10];
  bool nulls[10];
  int count;
};

void put(Cells* cells, Datum value, bool null = false) {
  Assert(cells->count < static_cast<int>(lengthof(cells->values)));
  cells->values[cells->count] = value;
  cells->nulls[cells->count++] = null;
}

void put_line(ReturnSetInfo* result, const ChartQuery& chart, const Line& line, Aggregate aggregate) {
  const bool last = aggregate == Aggregate::kLast;
  const bool has_secondary = last ? line.last.has_secondary : line.secondaries.count > 0;
  Cells cells{};
  put(&cells, TimestampTzGetDatum(line.key.start));
  put(&cells, Int16GetDatum(static_cast<int16>(line.key.source)));
  put(&cells, Float8GetDatum(last ? line.last.value : aggregated(line.values, aggregate)));
  const double secondary = !has_secondary ? 0 : last ? line.last.secondary : aggregated(line.secondaries, aggregate);
  put(&cells, Float8GetDatum(secondary), !has_secondary);
  put(&cells, Float8GetDatum(line.values.lowest));
  put(&cells, Float8GetDatum(line.values.highest));
  put(&cells, Int64GetDatum(line.values.count));
  put(&cells, BoolGetDatum(line.key.start < chart.from || line.end > chart.to));
  put(&cells, Int64GetDatum(line.secondaries.count));
  put(&cells, TimestampTzGetDatum(line.last.at));
  tuplestore_putvalues(result->setResult, result->setDesc, cells.values, cells.nulls);
}

void put_lines(ReturnSetInfo* result, const ChartQuery& chart, Aggregate aggregate) {
  HASH_SEQ_STATUS walk;
  hash_seq_init(&walk, chart.lines);
  while (const auto* line = static_cast<const Line*>(hash_seq_search(&walk))) {
    put_line(result, chart, *line, aggregate);
  }
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_chart);

// user_id bigint, metric_ids smallint[], aggregate text, bounds timestamptz[], width interval, zone text,
// recorded boolean, without_days boolean
Datum wearables_chart(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  InitMaterializedSRF(fcinfo, 0);
  const Aggregate aggregate = aggregate_of(text_of(PG_GETARG_DATUM(2)));
  ChartQuery* chart = make_chart();
  const Elements bounds = elements_of(PG_GETARG_ARRAYTYPE_P(3), TIMESTAMPTZOID, TYPALIGN_DOUBLE);
  if (bounds.count != kBounds) {
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("a chart has four bounds")));
  }
  chart->from = DatumGetTimestampTz(bounds.values[kFrom]);
  chart->to = DatumGetTimestampTz(bounds.values[kTo]);
  require_width(*PG_GETARG_INTERVAL_P(4), &chart->width);
  Zone zone;
  require_zone(text_of(PG_GETARG_DATUM(5)), &zone);
  chart->rules = zone.rules;
  chart->recorded = PG_GETARG_BOOL(6);
  chart->without_days = PG_GETARG_BOOL(7);
  const Elements metrics = elements_of(PG_GETARG_ARRAYTYPE_P(1), INT2OID, TYPALIGN_SHORT);
  SPI_connect();
  RollupReader rollups;
  const bool uses_rollups = has_whole_hours(*chart) && open_rollups(&rollups);
  for (int i = 0; i < metrics.count; ++i) {
    chart_metric(chart, uses_rollups ? &rollups : nullptr, PG_GETARG_INT64(0), DatumGetInt16(metrics.values[i]),
                 DatumGetTimestampTz(bounds.values[kScanFrom]), DatumGetTimestampTz(bounds.values[kScanTo]));
  }
  if (uses_rollups) close_rollups(rollups);
  SPI_finish();
  put_lines(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo), *chart, aggregate);
  return Datum{0};
}
}
