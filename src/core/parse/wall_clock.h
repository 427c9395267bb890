// Wall-clock time on its way to instants (R11). A clock that is set back shows some times twice, one that is set
// forward steps over some.
//
// A series is what one list of the body, or one document, says of one metric, in the order of the body. It is taken to
// be sorted by time, in one direction or the other. A time that the zone shows twice is placed where all ways to sort
// the series give it the same instant: in 01:45 02:00 02:30 02:00 02:30 the step back tells the passes apart, in 01:45
// 02:00 02:30 nothing does. Those that are left open, all of a series that is not sorted, and times that are never
// shown are refused. So what becomes of a reading hangs on its series and the zone alone. A page that is cut between
// the passes refuses what another one places, and none places it elsewhere.
#pragma once

#include "core/base/result.h"
#include "core/write/sample.h"

#include <cstddef>
#include <span>
#include <vector>

namespace wearables {

// From `from` on clocks are `offset` ahead of UTC, until the next period begins.
struct ClockPeriod {
  Micros from;
  Micros offset;
};

// The clocks of a zone. Reads the periods where they stand: ascending by `from`, of which the first counts as ever.
class ZoneClock {
 public:
  explicit ZoneClock(std::span<const ClockPeriod> periods) noexcept;

  // The instants at which clocks show `wall`: the first not before, or the last not after, a given one. kNoInstant when
  // there is none.
  Micros first_from(Micros wall, Micros earliest) const noexcept;
  Micros last_until(Micros wall, Micros latest) const noexcept;

 private:
  Micros end_of(std::size_t period) const noexcept;
  std::size_t first_near(Micros wall) const noexcept;
  bool is_near(std::size_t period, Micros wall) const noexcept;
  Micros shown_in(std::size_t period, Micros wall) const noexcept;

  std::span<const ClockPeriod> periods_;
  mutable std::size_t last_ = 0;  // found last: times that follow one another lie in one period as a rule
};

// The instants of a series, in its order; kNoInstant for those to be refused. `at` is as long as `wall`.
void place_series(const ZoneClock& zone, std::span<const Micros> wall, std::span<Micros> at);

// Which samples of a batch are wall-clock time of one clock: those of whose places `of_sample` holds its number.
struct ClockOfSample {
  const std::uint8_t* of_sample;
  std::uint8_t clock;

  bool reads(std::size_t place) const noexcept { return of_sample[place] == clock; }
};

// The earliest and the latest wall-clock time of these, ends included. False when there are none.
struct WallClockSpan {
  Micros from, to;
};
bool find_wall_clock(const Batch& batch, ClockOfSample which, WallClockSpan* span) noexcept;

// Makes instants of them, starts and ends; those that have none get kNoInstant. Of an end that is shown twice its start
// may leave one instant; else it is placed in the series of the ends.
Result<Done> place_wall_clock(Batch& batch, ClockOfSample which, const ZoneClock& zone);

// Appends to `refused` those that have no instant, in the order of the body.
Result<Done> refuse_unplaced(const Batch& batch, std::vector<Refusal>& refused);

}  // namespace wearables
