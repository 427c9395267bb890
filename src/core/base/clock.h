// Instants as the vendor writes them. Time itself always comes in as a parameter.
#pragma once

#include "core/base/pure.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace wearables {

// Microseconds since 1970-01-01T00:00:00Z.
using Micros = std::int64_t;
inline constexpr Micros kNoInstant = std::numeric_limits<Micros>::min();
inline constexpr Micros kMicrosPerSecond = 1'000'000;
inline constexpr Micros kMicrosPerMinute = 60 * kMicrosPerSecond;
inline constexpr Micros kMicrosPerMillisecond = 1'000;
inline constexpr Micros kMicrosPerDay = Micros{24} * 3600 * kMicrosPerSecond;

// 1900-01-01 and 2200-01-01: outside, no reading of a living person can lie.
inline constexpr Micros kEarliestInstant = -2'208'988'800 * kMicrosPerSecond;
inline constexpr Micros kLatestInstant = 7'258'118'400 * kMicrosPerSecond;

struct ParsedInstant {
  Micros at;
  bool date_only;                   // "2024-05-01": midnight, in a zone that only the caller knows
  bool has_zone;                    // "Z" or an offset was written; without one the text is read as UTC
  std::int16_t offset_minutes = 0;  // east of UTC, as written; 0 without a zone
};

// RFC 3339 and its lenient relatives: fraction of any length, 'T', 't' or blank, Z, +hh:mm, +hhmm,
// +hh, no zone at all, a bare date. 24:00 and leap second :60 roll over. Nothing if it is not a
// real date.
std::optional<ParsedInstant> parse_instant(std::string_view text) noexcept;

// The farthest offset from UTC that is taken for a zone, either way: 18 hours, as in java.time.
inline constexpr std::int16_t kFarthestOffset = 18 * 60;

// Minutes east of UTC of a zone that is a numeric ISO offset: +hh:mm, +hhmm, +hh, Z. Nothing if it is none, or
// farther from UTC than kFarthestOffset. The sign is that of ISO 8601; in a POSIX zone it means the opposite.
std::optional<std::int16_t> parse_offset(std::string_view text) noexcept;

// parse_instant() for texts that follow one another: of one that differs from the text before only
// in hours, minutes and seconds, only those are read.
class InstantReader {
 public:
  std::optional<ParsedInstant> read(std::string_view text) noexcept;

 private:
  bool same_around_time(std::string_view text) const noexcept;
  void remember(std::string_view text, const ParsedInstant& parsed) noexcept;

  static constexpr std::size_t kLongest = 32;
  std::array<char, kLongest> last_{};
  std::size_t size_ = 0;  // 0: there is no such text
  Micros midnight_ = 0;   // of the text before, UTC
  bool has_zone_ = false;
  std::int16_t offset_minutes_ = 0;
};

// An epoch number: seconds, milliseconds or microseconds, told apart by magnitude (1e11, 1e14).
std::optional<Micros> instant_from_epoch(double number) noexcept;

}  // namespace wearables
