#include "core/write/version.h"

#include "core/base/assert.h"
#include "core/base/bytes.h"

#include <algorithm>
#include <array>
#include <string>

namespace wearables {
namespace {

constexpr std::string_view kMessagePrefix = "msg_";
constexpr std::size_t kKsuidDigits = 27;
constexpr std::int64_t kKsuidEpochSeconds = 1'400'000'000;
constexpr std::int64_t kLargestOriginMs = (std::int64_t{1} << (63 - kVersionHashBits)) - 1;
constexpr std::int64_t kHashMask = (std::int64_t{1} << kVersionHashBits) - 1;

// 160 bits, most significant word first.
using KsuidWords = std::array<std::uint32_t, 5>;

int base62_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  if (c >= 'a' && c <= 'z') return c - 'a' + 36;
  return -1;
}

// words = words * 62 + digit; false when that needs more than 160 bits.
bool append_digit(KsuidWords& words, int digit) noexcept {
  auto carry = static_cast<std::uint64_t>(digit);
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    carry += std::uint64_t{*word} * 62;
    *word = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  return carry == 0;
}

}  // namespace

std::optional<std::int64_t> message_time_ms(std::string_view message_id) noexcept {
  if (!message_id.starts_with(kMessagePrefix)) return std::nullopt;
  const std::string_view digits = message_id.substr(kMessagePrefix.size());
  if (digits.size() != kKsuidDigits) return std::nullopt;
  KsuidWords words{};
  for (const char c : digits) {
    const int value = base62_value(c);
    if (value < 0 || !append_digit(words, value)) return std::nullopt;
  }
  const std::int64_t four_ms = words[1] >> 24;
  return (kKsuidEpochSeconds + words[0]) * 1000 + four_ms * 4 % 1000;
}

std::int64_t version_of(std::int64_t origin_ms, std::string_view endpoint,
                        std::string_view message_id) {
  std::string name(endpoint);
  name.append(1, '\0').append(message_id);
  const Digest digest = sha256(name);
  static_assert(kVersionHashBits == 20);
  return version_at(origin_ms, digest[0] << 12 | digest[1] << 4 | digest[2] >> 4);
}

std::int64_t version_at(std::int64_t origin_ms, std::int64_t version) noexcept {
  const std::int64_t origin = std::clamp<std::int64_t>(origin_ms, 0, kLargestOriginMs);
  const std::int64_t result = origin << kVersionHashBits | (version & kHashMask);
  WEARABLES_ASSERT(result >= 0 && version_origin_ms(result) == origin);
  return result;
}

std::int64_t version_origin_ms(std::int64_t version) noexcept {
  return version >> kVersionHashBits;
}

}  // namespace wearables
