// When and where a record as a whole is: its own instants, its calendar date, the zone that it names.
#include "core/parse/readings.h"

#include "core/base/clock.h"

#include <algorithm>

namespace wearables {
namespace {

constexpr std::size_t kMaxZone = 64;

// The shape of an IANA name or an ISO offset; whether there is such a zone, only the database knows.
bool usable_zone(std::string_view text) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '-' || c == '+' || c == ':';
  };
  return !text.empty() && text.size() <= kMaxZone && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

Micros date_of(const ParsedInstant& parsed) noexcept {
  const Micros shown = parsed.at + parsed.offset_minutes * kMicrosPerMinute;
  const Micros rest = shown % kMicrosPerDay;
  return shown - (rest < 0 ? rest + kMicrosPerDay : rest);
}

std::string_view Readings::calendar_date(int slot) noexcept {
  constexpr std::size_t kDateLength = 10;
  if (field(slot).kind != Kind::kString || plausible_instant(slot) == kNoInstant) return {};
  return field(slot).text.substr(0, kDateLength);
}

// Vendors that know only the day of a document write it as midnight UTC.
bool Readings::is_midnight_of_document(const ParsedInstant& parsed) const noexcept {
  if (resource_.calendar_date == kNoSlot || parsed.offset_minutes != 0 || parsed.at % kMicrosPerDay != 0) return false;
  for (const int slot : {resource_.calendar_date, resource_.date}) {
    const Value& date = field(slot);
    const auto own = date.kind == Kind::kString ? parse_instant(date.text) : std::nullopt;
    if (own) return date_of(*own) == parsed.at;
  }
  return false;
}

std::uint8_t Readings::zone_named(std::string_view text) {
  if (!usable_zone(text)) {
    note_unknown_text(batch_, kTimeZoneField, text);
    return 0;
  }
  const std::size_t next = batch_.zones.size();
  const std::uint16_t index = zones_.index_of(text, next, kMaxZones);
  if (index == Interner::kNoIndex) return kTooManyZones;
  if (index == next) batch_.zones.emplace_back(text);
  return static_cast<std::uint8_t>(index + 1);
}

}  // namespace wearables
