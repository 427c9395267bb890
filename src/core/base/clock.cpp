#include "core/base/clock.h"

#include <chrono>
#include <cmath>
#include <cstring>

namespace wearables {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr unsigned kMinutesPerHour = 60;

// Reads from the front of a text; every take_* leaves it alone when it does not fit.
class Cursor {
 public:
  explicit Cursor(std::string_view text) noexcept : text_(text) {}

  bool done() const noexcept { return text_.empty(); }

  bool take(char wanted) noexcept {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool take_either(char one, char other) noexcept { return take(one) || take(other); }

  // Exactly kWidth digits. By hand and in one go, since this runs seven times per reading.
  template <std::size_t kWidth>
  bool take_number(unsigned* number) noexcept {
    if (text_.size() < kWidth) return false;
    unsigned read = 0;
    bool digits = true;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const unsigned digit = static_cast<unsigned char>(text_[i]) - unsigned{'0'};
      digits &= digit <= 9;
      read = read * 10 + digit;
    }
    if (!digits) return false;
    text_.remove_prefix(kWidth);
    *number = read;
    return true;
  }

  // Digits after the point, one or more; what is beyond microseconds is cut off.
  bool take_fraction(unsigned* micros) noexcept {
    std::size_t count = 0;
    unsigned number = 0;
    for (; count < text_.size() && text_[count] >= '0' && text_[count] <= '9'; ++count) {
      if (count < 6) number = number * 10 + static_cast<unsigned>(text_[count] - '0');
    }
    if (count == 0) return false;
    for (std::size_t place = count; place < 6; ++place) number *= 10;
    text_.remove_prefix(count);
    *micros = number;
    return true;
  }

 private:
  std::string_view text_;
};

bool take_date(Cursor& text, std::int64_t* days) noexcept {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (!text.take_number<4>(&year) || !text.take('-') || !text.take_number<2>(&month) || !text.take('-') ||
      !text.take_number<2>(&day)) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(year)}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (!date.ok()) return false;
  *days = std::chrono::sys_days{date}.time_since_epoch().count();
  return true;
}

// Micros since midnight.
bool take_time(Cursor& text, Micros* time) noexcept {
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned micros = 0;
  if (!text.take_number<2>(&hour) || !text.take(':') || !text.take_number<2>(&minute)) return false;
  if (text.take(':')) {
    if (!text.take_number<2>(&second)) return false;
    if (text.take_either('.', ',') && !text.take_fraction(&micros)) return false;
  }
  const bool end_of_day = hour == 24 && minute == 0 && second == 0 && micros == 0;
  if ((hour > 23 && !end_of_day) || minute > 59 || second > 60) return false;
  *time = ((hour * 60LL + minute) * 60 + second) * kMicrosPerSecond + micros;
  return true;
}

// Minutes east of UTC, which must be taken from the local time to get UTC.
bool take_zone(Cursor& text, std::int16_t* offset) noexcept {
  *offset = 0;
  if (text.take_either('Z', 'z')) return true;
  const bool west = text.take('-');
  if (!west && !text.take('+')) return false;
  unsigned hours = 0;
  unsigned minutes = 0;
  if (!text.take_number<2>(&hours)) return false;
  const bool colon = text.take(':');
  if ((colon || !text.done()) && !text.take_number<2>(&minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  const int east = static_cast<int>(hours * kMinutesPerHour + minutes);
  *offset = static_cast<std::int16_t>(west ? -east : east);
  return true;
}

}  // namespace

std::optional<ParsedInstant> parse_instant(std::string_view text) noexcept {
  Cursor cursor(text);
  std::int64_t days = 0;
  if (!take_date(cursor, &days)) return std::nullopt;
  const Micros midnight = days * kSecondsPerDay * kMicrosPerSecond;
  if (cursor.done()) return ParsedInstant{midnight, true, false};

  Micros time = 0;
  if (!(cursor.take_either('T', 't') || cursor.take(' ')) || !take_time(cursor, &time)) return std::nullopt;
  if (cursor.done()) return ParsedInstant{midnight + time, false, false};

  std::int16_t offset = 0;
  if (!take_zone(cursor, &offset) || !cursor.done()) return std::nullopt;
  return ParsedInstant{midnight + time - offset * kMicrosPerMinute, false, true, offset};
}

std::optional<std::int16_t> parse_offset(std::string_view text) noexcept {
  Cursor cursor(text);
  std::int16_t offset = 0;
  if (!take_zone(cursor, &offset) || !cursor.done()) return std::nullopt;
  if (offset < -kFarthestOffset || offset > kFarthestOffset) return std::nullopt;
  return offset;
}

namespace {

// "2024-05-01T10:20:30" and a zone
constexpr std::size_t kTimeAt = 11;
constexpr std::size_t kTimeSize = 8;
constexpr std::size_t kZoneAt = kTimeAt + kTimeSize;

// 100 and more when they are none.
inline unsigned two_digits(const char* text) noexcept {
  const unsigned tens = static_cast<unsigned char>(text[0]) - unsigned{'0'};
  const unsigned ones = static_cast<unsigned char>(text[1]) - unsigned{'0'};
  return tens <= 9 && ones <= 9 ? tens * 10 + ones : 100;
}

// Only of a usual day: neither 24:00:00 nor a leap second.
inline bool read_plain_time(const char* text, Micros* time) noexcept {
  const unsigned hour = two_digits(text);
  const unsigned minute = two_digits(text + 3);
  const unsigned second = two_digits(text + 6);
  if (hour > 23 || minute > 59 || second > 59 || text[2] != ':' || text[5] != ':') return false;
  *time = ((hour * 60LL + minute) * 60 + second) * kMicrosPerSecond;
  return true;
}

inline bool same_bytes(const char* one, const char* other, std::size_t size) noexcept {
  constexpr std::size_t kUsual = 6;  // "+00:00", and the compiler needs no call
  return size == kUsual ? std::memcmp(one, other, kUsual) == 0 : std::memcmp(one, other, size) == 0;
}

}  // namespace

std::optional<ParsedInstant> InstantReader::read(std::string_view text) noexcept {
  Micros time = 0;
  if (text.size() == size_ && same_around_time(text) && read_plain_time(text.data() + kTimeAt, &time)) {
    return ParsedInstant{midnight_ + time, false, has_zone_, offset_minutes_};
  }
  const auto parsed = parse_instant(text);
  size_ = 0;
  if (parsed) remember(text, *parsed);
  return parsed;
}

inline bool InstantReader::same_around_time(std::string_view text) const noexcept {
  return std::memcmp(text.data(), last_.data(), kTimeAt) == 0 &&
         same_bytes(text.data() + kZoneAt, last_.data() + kZoneAt, size_ - kZoneAt);
}

void InstantReader::remember(std::string_view text, const ParsedInstant& parsed) noexcept {
  Micros time = 0;
  if (text.size() < kZoneAt || text.size() > kLongest) return;
  if (!read_plain_time(text.data() + kTimeAt, &time)) return;
  size_ = text.size();
  std::memcpy(last_.data(), text.data(), size_);
  midnight_ = parsed.at - time;
  has_zone_ = parsed.has_zone;
  offset_minutes_ = parsed.offset_minutes;
}

std::optional<Micros> instant_from_epoch(double number) noexcept {
  const double size = std::fabs(number);
  const double scale = size < 1e11 ? 1e6 : size < 1e14 ? 1e3 : 1;
  const double micros = std::round(number * scale);
  // Written so that NaN fails too. 2^62 is far outside every bound and still fits.
  if (!(std::fabs(micros) < 0x1p62)) return std::nullopt;
  return static_cast<Micros>(micros);
}

}  // namespace wearables
