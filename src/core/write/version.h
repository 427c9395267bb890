// The order key of an event (design R3): where it stands among all events, whenever it arrives.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace wearables {

// Milliseconds since 1970 of a KSUID message id: exactly `msg_` and 27 digits 0-9A-Za-z of which
// the number fits 160 bits; nothing for any other text. Layout: 4 bytes seconds since 1 400 000
// 000, 1 byte milliseconds/4 (svix KsuidMs: times 4, modulo 1000), 15 random bytes. Source:
// svix/rust-ksuid.
std::optional<std::int64_t> message_time_ms(std::string_view message_id) noexcept;

inline constexpr int kVersionHashBits = 20;

// origin_ms << 20 | the first 20 bits of SHA-256(endpoint NUL message_id): total, and the same for
// ever. An origin before 1970 or beyond the 43 bits that fit (year 2248) counts as the nearest that
// fits. Never negative.
std::int64_t version_of(std::int64_t origin_ms, std::string_view endpoint,
                        std::string_view message_id);

// The same hash under another origin: for a summary document that brings its own updated_at.
std::int64_t version_at(std::int64_t origin_ms, std::int64_t version) noexcept;

// Milliseconds since 1970 that a version stands for.
std::int64_t version_origin_ms(std::int64_t version) noexcept;

}  // namespace wearables
