#include "core/parse/wall_clock.h"

#include "core/base/assert.h"

#include <algorithm>
#include <limits>

namespace wearables {
namespace {

constexpr Micros kEver = std::numeric_limits<Micros>::max();
// No clock is farther from UTC: local mean times, too.
constexpr Micros kFarthestClock = kMicrosPerDay;

}  // namespace

ZoneClock::ZoneClock(std::span<const ClockPeriod> periods) noexcept : periods_(periods) {
  WEARABLES_ASSERT(!periods.empty());
  WEARABLES_ASSERT(std::is_sorted(periods.begin(), periods.end(),
                                  [](const ClockPeriod& a, const ClockPeriod& b) { return a.from < b.from; }));
}

Micros ZoneClock::end_of(std::size_t period) const noexcept {
  return period + 1 < periods_.size() ? periods_[period + 1].from : kEver;
}

bool ZoneClock::is_near(std::size_t period, Micros wall) const noexcept {
  return period < periods_.size() && (period == 0 || periods_[period].from <= wall + kFarthestClock);
}

// The first of the periods in which clocks may show `wall`.
std::size_t ZoneClock::first_near(Micros wall) const noexcept {
  const Micros after = wall - kFarthestClock;
  const bool again = end_of(last_) > after && (last_ == 0 || periods_[last_].from <= after);
  if (!again) {
    const auto next = std::upper_bound(periods_.begin() + 1, periods_.end(), after,
                                       [](Micros at, const ClockPeriod& period) { return at < period.from; });
    last_ = static_cast<std::size_t>(next - periods_.begin()) - 1;
  }
  return last_;
}

Micros ZoneClock::shown_in(std::size_t period, Micros wall) const noexcept {
  const Micros at = wall - periods_[period].offset;
  return (period == 0 || at >= periods_[period].from) && at < end_of(period) ? at : kNoInstant;
}

Micros ZoneClock::first_from(Micros wall, Micros earliest) const noexcept {
  for (std::size_t period = first_near(wall); is_near(period, wall); ++period) {
    const Micros at = shown_in(period, wall);
    if (at != kNoInstant && at >= earliest) return at;
  }
  return kNoInstant;
}

Micros ZoneClock::last_until(Micros wall, Micros latest) const noexcept {
  Micros last = kNoInstant;
  for (std::size_t period = first_near(wall); is_near(period, wall); ++period) {
    const Micros at = shown_in(period, wall);
    if (at != kNoInstant && at <= latest) last = at;
  }
  return last;
}

namespace {

// The earliest and the latest instant that each time of a series can be, if the series is sorted. Times that are never
// shown say nothing.
struct Bounds {
  std::vector<Micros> earliest, latest;
};

// False when it is not sorted, whatever the times that are shown twice are.
bool find_bounds(const ZoneClock& zone, std::span<const Micros> wall, bool ascending, Bounds& bounds) {
  const std::size_t count = wall.size();
  const auto place = [&](std::size_t i) { return ascending ? i : count - 1 - i; };
  bounds.earliest.assign(count, kNoInstant);
  bounds.latest.assign(count, kNoInstant);
  Micros at = kNoInstant;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t which = place(i);
    if (zone.first_from(wall[which], kNoInstant) == kNoInstant) continue;
    at = zone.first_from(wall[which], at);
    if (at == kNoInstant) return false;
    bounds.earliest[which] = at;
  }
  at = kEver;
  for (std::size_t i = count; i-- > 0;) {
    const std::size_t which = place(i);
    if (bounds.earliest[which] == kNoInstant) continue;
    at = bounds.latest[which] = zone.last_until(wall[which], at);
    WEARABLES_ASSERT(at >= bounds.earliest[which]);
  }
  return true;
}

// kNoInstant where the other times leave both open.
Micros decided(const Bounds& bounds, std::size_t i) noexcept {
  return bounds.earliest[i] == bounds.latest[i] ? bounds.earliest[i] : kNoInstant;
}

}  // namespace

void place_series(const ZoneClock& zone, std::span<const Micros> wall, std::span<Micros> at) {
  WEARABLES_ASSERT(at.size() == wall.size());
  bool any_twice = false;
  for (std::size_t i = 0; i < wall.size(); ++i) {
    at[i] = zone.first_from(wall[i], kNoInstant);
    any_twice |= at[i] != zone.last_until(wall[i], kEver);
  }
  if (!any_twice) return;
  Bounds ascending;
  Bounds descending;
  const bool can_ascend = find_bounds(zone, wall, true, ascending);
  const bool can_descend = find_bounds(zone, wall, false, descending);
  for (std::size_t i = 0; i < wall.size(); ++i) {
    if (at[i] == zone.last_until(wall[i], kEver)) continue;
    const Micros forwards = can_ascend ? decided(ascending, i) : kNoInstant;
    const Micros backwards = can_descend ? decided(descending, i) : kNoInstant;
    const bool agreed = !can_ascend || !can_descend || forwards == backwards;
    at[i] = !agreed ? kNoInstant : can_ascend ? forwards : backwards;
  }
}

namespace {

// Tells for samples in their order which offsets their instants were written with.
class OffsetCursor {
 public:
  explicit OffsetCursor(const Batch& batch) noexcept : next_(batch.written), at_(next_.begin()) {}

  void go_to(const Sample& sample) noexcept {
    for (; at_ != next_.end() && at_->ordinal <= sample.ordinal; ++at_) now_ = *at_;
  }

  Micros start(const Sample& sample) const noexcept { return sample.ts + now_.start * kMicrosPerMinute; }
  Micros end(const Sample& sample) const noexcept {
    return sample.ts_end == kNoInstant ? kNoInstant : sample.ts_end + now_.end * kMicrosPerMinute;
  }

 private:
  const std::vector<WrittenOffset>& next_;
  std::vector<WrittenOffset>::const_iterator at_;
  WrittenOffset now_{};
};

// The places of a series in batch.samples, and what was found for each; room is kept from one series to the next.
struct Series {
  std::vector<std::uint32_t> samples;
  std::vector<Micros> wall, at, end_wall, end_at;
  std::vector<std::uint32_t> with_end;
};

// What `end` is when its start is `start`; kNoInstant when the two do not tell.
Micros end_after(const ZoneClock& zone, Micros end, Micros start) noexcept {
  const Micros first = zone.first_from(end, start);
  return first == zone.last_until(end, kEver) ? first : kNoInstant;
}

void place_ends(Batch& batch, const ZoneClock& zone, Series& series) {
  series.with_end.clear();
  series.end_wall.clear();
  for (std::uint32_t i = 0; i < series.samples.size(); ++i) {
    const Micros end = batch.samples[series.samples[i]].ts_end;
    if (end == kNoInstant) continue;
    series.with_end.push_back(i);
    series.end_wall.push_back(end);
  }
  if (series.with_end.empty()) return;
  series.end_at.resize(series.end_wall.size());
  place_series(zone, series.end_wall, series.end_at);
  for (std::size_t i = 0; i < series.with_end.size(); ++i) {
    const std::uint32_t which = series.with_end[i];
    Sample& sample = batch.samples[series.samples[which]];
    const Micros start = series.at[which];
    if (start == kNoInstant) continue;
    // a reading of an instant may be written as a span without length
    Micros end = sample.ts_end == series.wall[which] ? start : end_after(zone, sample.ts_end, start);
    if (end == kNoInstant) end = series.end_at[i];
    sample.ts_end = end;
    if (end == kNoInstant || end < start) series.at[which] = kNoInstant;
  }
}

void place_in_batch(Batch& batch, const ZoneClock& zone, Series& series) {
  series.wall.clear();
  for (const std::uint32_t which : series.samples) series.wall.push_back(batch.samples[which].ts);
  series.at.resize(series.wall.size());
  place_series(zone, series.wall, series.at);
  place_ends(batch, zone, series);
  for (std::size_t i = 0; i < series.samples.size(); ++i) batch.samples[series.samples[i]].ts = series.at[i];
}

// Those of one list of the body. Metrics may alternate in it.
void place_list(Batch& batch, const ZoneClock& zone, std::vector<std::uint32_t>& list, Series& series) {
  const auto metric = [&](std::uint32_t which) { return batch.samples[which].metric; };
  const auto by_metric = [&](std::uint32_t a, std::uint32_t b) { return metric(a) < metric(b); };
  if (!std::is_sorted(list.begin(), list.end(), by_metric)) std::stable_sort(list.begin(), list.end(), by_metric);
  for (auto first = list.begin(); first != list.end();) {
    const auto last =
        std::find_if(first, list.end(), [&](std::uint32_t which) { return metric(which) != metric(*first); });
    series.samples.assign(first, last);
    place_in_batch(batch, zone, series);
    first = last;
  }
}

}  // namespace

bool find_wall_clock(const Batch& batch, ClockOfSample which, WallClockSpan* span) noexcept {
  bool any = false;
  OffsetCursor offsets(batch);
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    const Sample& sample = batch.samples[i];
    offsets.go_to(sample);
    if (!which.reads(i)) continue;
    const Micros from = offsets.start(sample);
    const Micros to = sample.ts_end == kNoInstant ? from : std::max(from, offsets.end(sample));
    *span = any ? WallClockSpan{std::min(span->from, from), std::max(span->to, to)} : WallClockSpan{from, to};
    any = true;
  }
  return any;
}

Result<Done> place_wall_clock(Batch& batch, ClockOfSample which, const ZoneClock& zone) {
  OffsetCursor offsets(batch);
  Series series;
  std::vector<std::uint32_t> list;
  auto next_list = batch.list_starts.begin();
  for (std::uint32_t i = 0; i < batch.samples.size(); ++i) {
    Sample& sample = batch.samples[i];
    if (next_list != batch.list_starts.end() && *next_list <= sample.ordinal) {
      place_list(batch, zone, list, series);
      list.clear();
      while (next_list != batch.list_starts.end() && *next_list <= sample.ordinal) ++next_list;
    }
    offsets.go_to(sample);
    if (!which.reads(i)) continue;
    sample.ts_end = offsets.end(sample);
    sample.ts = offsets.start(sample);
    list.push_back(i);
  }
  place_list(batch, zone, list, series);
  return Done{};
}

Result<Done> refuse_unplaced(const Batch& batch, std::vector<Refusal>& refused) {
  for (const Sample& sample : batch.samples) {
    if (sample.ts == kNoInstant) refused.push_back({sample.ordinal, Reason::kAmbiguousTime});
  }
  return Done{};
}

}  // namespace wearables
