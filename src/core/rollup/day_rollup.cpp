// The stored form: a byte that names it, then the entries, each of fixed width but for its secondary values. Numbers
// stand in the order of bytes of the machine, as the rest of a data directory does.
#include "core/rollup/day_rollup.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/assert.h"

namespace wearables {

namespace {

constexpr char kForm = 1;

enum Flag : std::uint8_t { kHasSecondaries = 1, kLastHasSecondary = 2 };

// Of an entry, before its secondary values: source, hour, flags, count, sum, lowest, highest, last value, version,
// offset within the hour, part.
constexpr std::size_t kEntryBytes = 2 + 1 + 1 + 4 + 3 * 8 + 8 + 8 + 4 + 2;
constexpr std::size_t kSecondaryBytes = 4 + 3 * 8 + 8;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void put(std::string& out, const RollupNumbers& numbers) {
  put(out, static_cast<std::uint32_t>(numbers.count));
  put(out, numbers.sum);
  put(out, numbers.lowest);
  put(out, numbers.highest);
}

Micros start_of(Micros day, std::uint8_t hour) { return hour == kWholeDay ? day : day + hour * kMicrosPerHour; }

// As a chart tells two readings of one source apart whose place in it is the same function of their instants.
bool is_later(const RollupReading& a, const RollupReading& b) noexcept {
  if (a.ts != b.ts) return a.ts > b.ts;
  if (a.version != b.version) return a.version > b.version;
  return a.part < b.part;
}

}  // namespace

void DayRollup::begin(Micros day) noexcept {
  entries_.clear();
  day_ = day;
  readings_ = 0;
  refused_ = false;
}

RollupEntry& DayRollup::entry_of(std::int16_t source_id, std::uint8_t hour) {
  // they ascend by hour, but for those of the whole day
  for (std::size_t i = entries_.size(); i-- > 0;) {
    RollupEntry& entry = entries_[i];
    if (entry.hour == hour && entry.source_id == source_id) return entry;
    if (hour != kWholeDay && entry.hour < hour) break;
  }
  entries_.push_back({source_id, hour, {}, {}, {}});
  return entries_.back();
}

bool DayRollup::takes(const RollupReading& reading) const noexcept {
  return (!reading.of_day || reading.ts == day_) && std::isfinite(reading.value) && !std::isinf(reading.secondary);
}

void DayRollup::add(const RollupReading& reading) {
  WEARABLES_ASSERT(reading.ts >= day_ && reading.ts < day_ + kMicrosPerDay);
  if (!takes(reading)) return refuse();
  const auto hour = reading.of_day ? kWholeDay : static_cast<std::uint8_t>((reading.ts - day_) / kMicrosPerHour);
  RollupEntry& entry = entry_of(reading.source_id, hour);
  if (entry.values.count == 0 || is_later(reading, entry.last)) entry.last = reading;
  entry.values.add(reading.value);
  if (!std::isnan(reading.secondary)) entry.secondaries.add(reading.secondary);
  ++readings_;
}

void DayRollup::encode(std::string& out) const {
  out.clear();
  out.reserve(1 + entries_.size() * (kEntryBytes + kSecondaryBytes));
  out.push_back(kForm);
  for (const RollupEntry& entry : entries_) {
    const RollupReading& last = entry.last;
    const bool secondaries = entry.secondaries.count > 0;
    const bool last_has = !std::isnan(last.secondary);
    put(out, entry.source_id);
    put(out, entry.hour);
    put(out, static_cast<std::uint8_t>((secondaries ? kHasSecondaries : 0) | (last_has ? kLastHasSecondary : 0)));
    put(out, entry.values);
    put(out, last.value);
    put(out, last.version);
    put(out, static_cast<std::uint32_t>(last.ts - start_of(day_, entry.hour)));
    put(out, last.part);
    if (!secondaries) continue;
    put(out, entry.secondaries);
    put(out, last_has ? last.secondary : 0.0);
  }
}

RollupDecoder::RollupDecoder(std::string_view bytes, Micros day) noexcept
    : left_(bytes), day_(day), known_(!bytes.empty() && bytes.front() == kForm) {
  if (known_) left_.remove_prefix(1);
}

template <class T>
void RollupDecoder::take(T* value) noexcept {
  constexpr std::size_t kBytes = sizeof(T);
  WEARABLES_ASSERT(left_.size() >= kBytes);
  std::memcpy(value, left_.data(), kBytes);
  left_.remove_prefix(kBytes);
}

void RollupDecoder::take(RollupNumbers* numbers) noexcept {
  std::uint32_t count = 0;
  take(&count);
  numbers->count = count;
  take(&numbers->sum);
  take(&numbers->lowest);
  take(&numbers->highest);
}

bool RollupDecoder::next(RollupEntry* entry) noexcept {
  if (!known_ || left_.empty()) return false;
  if (left_.size() < kEntryBytes) {
    cut_ = true;
    return false;
  }
  std::uint8_t flags = 0;
  std::uint32_t offset = 0;
  RollupReading& last = entry->last;
  take(&entry->source_id);
  take(&entry->hour);
  take(&flags);
  take(&entry->values);
  take(&last.value);
  take(&last.version);
  take(&offset);
  take(&last.part);
  last.ts = start_of(day_, entry->hour) + offset;
  last.source_id = entry->source_id;
  last.of_day = entry->hour == kWholeDay;
  last.secondary = std::numeric_limits<double>::quiet_NaN();
  entry->secondaries = {};
  if ((flags & kHasSecondaries) == 0) return true;
  if (left_.size() < kSecondaryBytes) {
    cut_ = true;
    return false;
  }
  double secondary = 0;
  take(&entry->secondaries);
  take(&secondary);
  if ((flags & kLastHasSecondary) != 0) last.secondary = secondary;
  return true;
}

}  // namespace wearables
