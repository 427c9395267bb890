// Order keys: where an event, and the readings of a document, stand among all others, whenever they arrive (design R3);
// and the part of a reading, which is another piece of the same hash.
#pragma once

#include "core/base/clock.h"
#include "core/base/result.h"

#include <cstdint>
#include <string_view>

namespace wearables {

// Below the milliseconds since 1970 of its origin a version has so many bits that make the order total.
inline constexpr int kVersionLowBits = 20;

// What an event says of its readings: made for the first time, or a later state of what was made before.
enum class EventAge : std::uint8_t { kCreated, kUpdated };

// origin_ms << 20 | one bit, set for kUpdated | the first 19 bits of SHA-256(endpoint NUL message_id): an update
// outranks the creation made in the same millisecond, and the order is total and for ever the same. An origin before
// 1970 or beyond the 43 bits that fit (year 2248) counts as the nearest that fits. Never negative.
std::int64_t version_of(std::int64_t origin_ms, EventAge age, std::string_view endpoint, std::string_view message_id);

// Of the readings of a document: origin_ms << 20 | 20 bits of SHA-256(identity). Which state of the document stands is
// not decided by it but by is_newer() of its row.
std::int64_t version_of_document(std::int64_t origin_ms, std::string_view identity);

// Milliseconds since 1970 that a version of either kind stands for.
std::int64_t version_origin_ms(std::int64_t version) noexcept;

// The latest instant that an event of this version can tell of: a day after its origin, for clocks that are wrong by
// some hours, and days that begin earlier in the east.
Micros latest_instant_of(std::int64_t version) noexcept;

// What sets apart readings of one metric, instant and source: 16 bits of SHA-256(identity) that are none of those of
// version_of_document(); never kWholePart.
std::int16_t part_of(std::string_view identity);

}  // namespace wearables
