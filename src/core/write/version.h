// The order key of an event (design R3): where it stands among all events, whenever it arrives.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string_view>

namespace wearables {

inline constexpr int kVersionHashBits = 20;

// origin_ms << 20 | the first 20 bits of SHA-256(endpoint NUL message_id): total, and the same for
// ever. An origin before 1970 or beyond the 43 bits that fit (year 2248) counts as the nearest that
// fits. Never negative.
std::int64_t version_of(std::int64_t origin_ms, std::string_view endpoint, std::string_view message_id);

// The same hash under another origin: for a summary document that brings its own updated_at.
std::int64_t version_at(std::int64_t origin_ms, std::int64_t version) noexcept;

// Milliseconds since 1970 that a version stands for.
std::int64_t version_origin_ms(std::int64_t version) noexcept;

}  // namespace wearables
