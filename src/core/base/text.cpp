#include "core/base/text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace wearables {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

// Is one of eight bytes a control character?
bool any_control(const char* text) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  std::uint64_t word = 0;
  std::memcpy(&word, text, kWord);
  const std::uint64_t no_delete = word ^ (kOnes * 0x7f);
  return (((word - kOnes * 0x20) & ~word) | ((no_delete - kOnes) & ~no_delete)) & (kOnes * 0x80);
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool is_printable(std::string_view text, std::size_t max) noexcept {
  if (text.empty() || text.size() > max) return false;
  if (text.size() < kWord) return std::none_of(text.begin(), text.end(), is_control);
  for (std::size_t at = 0; at + kWord < text.size(); at += kWord) {
    if (any_control(text.data() + at)) return false;
  }
  return !any_control(text.data() + text.size() - kWord);
}

bool shows_nothing(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || is_control(c); });
}

std::string printable(std::string_view text, std::size_t max) {
  if (text.size() > max) {
    while (max > 0 && is_continuation(text[max])) --max;
    text = text.substr(0, max);
  }
  std::string result(text);
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace wearables
