// Days of a chart that are read from what they come to: rollups, where buckets begin on whole hours of UTC (see
// pg/rollup/rollup.h), and frozen rollups, whatever the buckets are, where retention has dropped the samples and
// nothing else is left. All other days are read from samples.
//
// As chart.cpp: with the rights of the caller, under the caller's snapshot; locks nothing. Copies live as long as the
// call.
#include <algorithm>

#include "pg/people/zone.h"
#include "pg/read/chart_query.h"
#include "pg/server/instant.h"
#include "pg/write/floor.h"

extern "C" {
#include "utils/array.h"
}

namespace wearables::pg {

namespace {

bool is_hour(TimestampTz at) { return at % USECS_PER_HOUR == 0; }

TimestampTz start_of(DateADT day) { return static_cast<TimestampTz>(day) * USECS_PER_DAY; }

// Whether each hour of the day lies in one bucket, and within the chart or outside of it.
bool is_tiled(ChartQuery* chart, DateADT day) {
  const TimestampTz start = start_of(day);
  const TimestampTz end = start_of(day + 1);
  if ((start < chart->from && !is_hour(chart->from)) || (end > chart->to && !is_hour(chart->to))) return false;
  while (chart->tiled_until < end) {
    // from the start of the first day on, and from each change of the clocks
    const TimestampTz at = std::max(start, chart->tiled_until);
    if (!begin_on_hours(at, chart->rules, &chart->tiled_until)) {
      chart->tiled_until = DT_NOBEGIN;
      return false;
    }
  }
  return true;
}

// A day of which there are no samples any more. The bytes are a copy.
struct FrozenDay {
  DateADT day;
  std::string_view entries;
};

// Frozen days of one metric, ascending.
struct FrozenDays {
  DestReceiver receiver;  // first: the executor knows this alone
  MemoryContext context;
  FrozenDay* days;
  int count;
  int capacity;
};

// Runs of days that are read from samples, of one metric.
struct MetricChart {
  ChartQuery* chart;
  FrozenDays* frozen;  // null: there are none
  int next_frozen;
  TimestampTz from;  // of samples that are not read yet
  TimestampTz to;
  int runs;
  int capacity;
  struct Run {
    TimestampTz from, to;
  } * run;
};

void add_run(MetricChart* metric, TimestampTz to) {
  if (metric->from >= to) return;
  if (metric->runs == metric->capacity) {
    metric->capacity *= 2;
    metric->run = static_cast<MetricChart::Run*>(repalloc(metric->run, sizeof(MetricChart::Run) * metric->capacity));
  }
  metric->run[metric->runs++] = {metric->from, to};
}

// The day is charted by these entries, and its samples are not read. False where they were cut off.
bool chart_day(MetricChart* metric, DateADT day, RollupDecoder* decoder) {
  add_run(metric, start_of(day));
  metric->from = start_of(day + 1);
  RollupEntry entry;
  while (decoder->next(&entry)) chart_entry(metric->chart, entry);
  return decoder->is_whole();
}

// The frozen days before `day`. An hour counts where its last reading lies, as its other readings are not known.
void chart_frozen_until(MetricChart* metric, DateADT day) {
  for (; metric->frozen != nullptr && metric->next_frozen < metric->frozen->count; ++metric->next_frozen) {
    const FrozenDay& frozen = metric->frozen->days[metric->next_frozen];
    if (frozen.day >= day) return;
    RollupDecoder decoder(frozen.entries, to_core(start_of(frozen.day)));
    if (chart_day(metric, frozen.day, &decoder)) continue;
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a frozen rollup cannot be read")));
  }
}

void receive_rollup(void* arg, DateADT day, std::string_view entries) {
  auto* metric = static_cast<MetricChart*>(arg);
  chart_frozen_until(metric, day);
  const bool frozen = metric->frozen != nullptr && metric->next_frozen < metric->frozen->count &&
                      metric->frozen->days[metric->next_frozen].day == day;
  RollupDecoder decoder(entries, to_core(start_of(day)));
  if (frozen || !decoder.is_known() || !is_tiled(metric->chart, day) || chart_day(metric, day, &decoder)) return;
  ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a rollup is cut off"),
                  errhint("Run SELECT wearables.rebuild_rollups().")));
}

// --- Frozen rollups

constexpr const char* kFrozenDays =
    "SELECT r.day, r.entries FROM wearables_internal.visible_frozen_rollups r "
    "WHERE r.user_id = $1 AND r.metric_id = $2 AND r.day BETWEEN $3 AND $4 ORDER BY r.day";
enum FrozenColumn { kFrozenDay, kFrozenEntries };

bool receive_frozen(TupleTableSlot* slot, DestReceiver* self) {
  auto* frozen = reinterpret_cast<FrozenDays*>(self);
  slot_getallattrs(slot);
  MemoryContext caller = MemoryContextSwitchTo(frozen->context);
  if (frozen->count == frozen->capacity) {
    frozen->capacity *= 2;
    frozen->days = static_cast<FrozenDay*>(repalloc_huge(frozen->days, sizeof(FrozenDay) * frozen->capacity));
  }
  const auto* entries = DatumGetByteaPCopy(slot->tts_values[kFrozenEntries]);
  frozen->days[frozen->count++] = {DatumGetDateADT(slot->tts_values[kFrozenDay]),
                                   {VARDATA_ANY(entries), VARSIZE_ANY_EXHDR(entries)}};
  MemoryContextSwitchTo(caller);
  return true;
}

// Of the days from `from` to before `to`; null where no policy of retention has reached them, which costs nothing.
FrozenDays* find_frozen(int64 user_id, int16 metric_id, TimestampTz from, TimestampTz to) {
  const Micros floor = current_floor(metric_id);
  if (floor == kNoInstant || from >= to_server(floor)) return nullptr;
  constexpr int kExpectedDays = 64;
  auto* frozen = static_cast<FrozenDays*>(palloc0(sizeof(FrozenDays)));
  init_receiver(&frozen->receiver, receive_frozen);
  frozen->context = CurrentMemoryContext;
  frozen->capacity = kExpectedDays;
  frozen->days = static_cast<FrozenDay*>(palloc(sizeof(FrozenDay) * kExpectedDays));
  scan(kFrozenDays,
       {arg_int8(user_id), arg_int2(metric_id), arg_datum(DATEOID, DateADTGetDatum(utc_day(from))),
        arg_datum(DATEOID, DateADTGetDatum(utc_day(to - 1)))},
       &frozen->receiver);
  return frozen;
}

// Many runs are read by one query: to plan each would take longer than to read it.
constexpr int kMostScans = 4;
constexpr const char* kReadingsOfRuns =
    "SELECT p.ts, p.value, p.value_secondary, p.version, p.source_id, p.part, p.tz_offset "
    "FROM unnest($3::timestamptz[], $4::timestamptz[]) r (from_ts, to_ts) CROSS JOIN LATERAL ("
    "SELECT x.* FROM wearables.sample_points x "
    "WHERE x.user_id = $1 AND x.metric_id = $2 AND x.ts >= r.from_ts AND x.ts < r.to_ts OFFSET 0) p";

void chart_runs(const MetricChart& metric, int64 user_id, int16 metric_id) {
  if (metric.runs <= kMostScans) {
    for (int i = 0; i < metric.runs; ++i) {
      chart_samples(metric.chart, user_id, metric_id, metric.run[i].from, metric.run[i].to);
    }
    return;
  }
  auto* from = static_cast<Datum*>(palloc(sizeof(Datum) * metric.runs));
  auto* to = static_cast<Datum*>(palloc(sizeof(Datum) * metric.runs));
  for (int i = 0; i < metric.runs; ++i) {
    from[i] = TimestampTzGetDatum(metric.run[i].from);
    to[i] = TimestampTzGetDatum(metric.run[i].to);
  }
  scan(kReadingsOfRuns,
       {arg_int8(user_id), arg_int2(metric_id), arg_array(TIMESTAMPTZOID, from, nullptr, metric.runs),
        arg_array(TIMESTAMPTZOID, to, nullptr, metric.runs)},
       &metric.chart->receiver);
}

}  // namespace

// Rollups first: their days ascend, and so do those that are left.
void chart_metric(ChartQuery* chart, const RollupReader* rollups, int64 user_id, int16 metric_id, TimestampTz from,
                  TimestampTz to) {
  FrozenDays* frozen = find_frozen(user_id, metric_id, from, to);
  if (rollups == nullptr && frozen == nullptr) return chart_samples(chart, user_id, metric_id, from, to);
  constexpr int kExpectedRuns = 16;
  MetricChart metric{chart, frozen, 0, from, to, 0, kExpectedRuns, nullptr};
  metric.run = static_cast<MetricChart::Run*>(palloc(sizeof(MetricChart::Run) * kExpectedRuns));
  chart->tiled_until = DT_NOBEGIN;
  if (rollups != nullptr) {
    read_rollups(*rollups, user_id, metric_id, {utc_day(from), utc_day(to - 1)}, receive_rollup, &metric);
  }
  chart_frozen_until(&metric, DATEVAL_NOEND);
  add_run(&metric, to);
  chart_runs(metric, user_id, metric_id);
}

}  // namespace wearables::pg
