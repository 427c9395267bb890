// One UTC day of a user's metric, rolled up by source and hour, and the bytes in which it is stored.
//
// An entry stands for the readings of one source within one hour of UTC, or for those of the calendar day (R11), which
// are charted where that day begins in the zone of the chart. It keeps what every aggregate needs, and of the last
// reading what tells it from others of its instant.
#pragma once

#include "core/write/sample.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

inline constexpr Micros kMicrosPerHour = kMicrosPerDay / 24;
// Instead of an hour: readings of the calendar day.
inline constexpr std::uint8_t kWholeDay = 24;

struct RollupReading {
  Micros ts;
  std::int64_t version;
  double value;
  double secondary;  // NaN when there is none
  std::int16_t source_id;
  std::int16_t part;
  bool of_day;  // it was born of a calendar date
};

struct RollupNumbers {
  std::int64_t count = 0;
  double sum = 0;
  double lowest = 0;
  double highest = 0;

  void add(double value) noexcept {
    if (count++ == 0) {
      sum = lowest = highest = value;
      return;
    }
    sum += value;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }

  // As if what `other` has added had been added here; sums may differ in their last bits.
  void add(const RollupNumbers& other) noexcept {
    if (other.count == 0) return;
    if (count == 0) {
      *this = other;
      return;
    }
    count += other.count;
    sum += other.sum;
    lowest = std::min(lowest, other.lowest);
    highest = std::max(highest, other.highest);
  }
};

struct RollupEntry {
  std::int16_t source_id;
  std::uint8_t hour;  // 0 to 23, or kWholeDay
  RollupNumbers values;
  RollupNumbers secondaries;  // of the readings that have one
  RollupReading last;
};

// Collects the readings of one day and metric.
class DayRollup {
 public:
  // Forgets what was added; `day` is the instant at which the day begins.
  void begin(Micros day) noexcept;

  // Whether add() takes the reading. SQL past the writer may have stored a day that does not begin at 00:00 UTC, and
  // numbers that are none.
  bool takes(const RollupReading& reading) const noexcept;
  // The reading lies within the day. They come ascending by ts; of one ts in any order.
  void add(const RollupReading& reading);
  // A reading of the day cannot be added: the day is not rolled up.
  void refuse() noexcept { refused_ = true; }

  std::size_t readings() const noexcept { return readings_; }
  const std::vector<RollupEntry>& entries() const noexcept { return entries_; }

  // Whether the entries stand for `fewest` readings or more, and each could be added.
  bool stands_for(std::size_t fewest) const noexcept { return !refused_ && readings_ >= fewest; }

  // Replaces `out` by the entries in the form that RollupDecoder reads.
  void encode(std::string& out) const;

 private:
  RollupEntry& entry_of(std::int16_t source_id, std::uint8_t hour);

  std::vector<RollupEntry> entries_;
  Micros day_ = 0;
  std::size_t readings_ = 0;
  bool refused_ = false;
};

// Reads what DayRollup::encode() wrote for the day that begins at `day`. Keeps a view of the bytes.
class RollupDecoder {
 public:
  RollupDecoder(std::string_view bytes, Micros day) noexcept;

  // Whether this library knows the form of the bytes; else there is nothing to read.
  bool is_known() const noexcept { return known_; }
  // False at the end, and where the bytes are cut off: is_whole() tells the two apart.
  bool next(RollupEntry* entry) noexcept;
  bool is_whole() const noexcept { return known_ && !cut_ && left_.empty(); }

 private:
  template <class T>
  void take(T* value) noexcept;
  void take(RollupNumbers* numbers) noexcept;

  std::string_view left_;
  Micros day_;
  bool known_;
  bool cut_ = false;
};

}  // namespace wearables
