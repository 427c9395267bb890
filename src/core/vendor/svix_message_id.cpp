#include "core/vendor/svix.h"

#include <array>

namespace wearables::svix {
namespace {

constexpr std::string_view kMessagePrefix = "msg_";
constexpr std::size_t kKsuidDigits = 27;
constexpr std::uint64_t kBase = 62;
constexpr std::int64_t kMillisPerSecond = 1000;
constexpr std::int64_t kKsuidEpochSeconds = 1'400'000'000;

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
    carry += std::uint64_t{*word} * kBase;
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
  return (kKsuidEpochSeconds + words[0]) * kMillisPerSecond + four_ms * 4 % kMillisPerSecond;
}

}  // namespace wearables::svix
