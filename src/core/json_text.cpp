#include "core/json_text.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

namespace wearables {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The four hex digits at `at`, -1 if they are not.
int code_unit(std::string_view text, std::size_t at) noexcept {
  if (text.size() < at + 4) return -1;
  int unit = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = hex_value(text[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

bool is_high(int unit) noexcept { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(int unit) noexcept { return unit >= 0xDC00 && unit < 0xE000; }

// What stands at a backslash: its size, and whether it can be stored. Size 0: no escape of JSON.
struct Escape {
  std::size_t size;
  bool storable;
};

Escape read_escape(std::string_view text, std::size_t at) noexcept {
  if (at + 1 >= text.size()) return {0, false};
  if (text[at + 1] != 'u') {
    const bool known = std::string_view("\"\\/bfnrt").find(text[at + 1]) != std::string_view::npos;
    return {known ? std::size_t{2} : 0, known};
  }
  const int unit = code_unit(text, at + 2);
  if (unit < 0) return {0, false};
  if (!is_high(unit)) return {6, unit != 0 && !is_low(unit)};
  const bool paired = text.substr(at + 6, 2) == "\\u" && is_low(code_unit(text, at + 8));
  return paired ? Escape{12, true} : Escape{6, false};
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::size_t skip_digits(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

constexpr std::size_t kMaxNumber = 400;  // characters; what a double needs is less
constexpr int kMaxExponent = 400;

// Of a number by the grammar; 0 for none. One that no int holds counts as the largest.
int exponent_of(std::string_view number) noexcept {
  const std::size_t at = number.find_first_of("eE");
  if (at == std::string_view::npos) return 0;
  number.remove_prefix(at + 1);
  if (number.starts_with('+')) number.remove_prefix(1);
  int exponent = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), exponent);
  return read.ec == std::errc() ? exponent : std::numeric_limits<int>::max();
}

bool is_storable(std::string_view number) noexcept {
  const int exponent = exponent_of(number);
  return number.size() <= kMaxNumber && exponent >= -kMaxExponent && exponent <= kMaxExponent;
}

// Behind the string whose opening quote stands before `at`.
std::size_t skip_string(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

// How far what begins like a number goes on like one.
std::size_t skip_number(std::string_view text, std::size_t at) noexcept {
  return std::min(text.find_first_not_of("0123456789.eE+-", at), text.size());
}

}  // namespace

bool escapes_valid(std::string_view token) noexcept {
  for (std::size_t at = 0; at < token.size() && token[at] != '"';) {
    if (token[at] != '\\') {
      ++at;
      continue;
    }
    const std::size_t size = read_escape(token, at).size;
    if (size == 0) return false;
    at += size;
  }
  return true;
}

bool is_number(std::string_view text) noexcept {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  std::size_t end = skip_digits(text, at);
  if (end == at || (text[at] == '0' && end > at + 1)) return false;
  if (end < text.size() && text[end] == '.') {
    at = end + 1;
    end = skip_digits(text, at);
    if (end == at) return false;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    at = end + 1;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    end = skip_digits(text, at);
    if (end == at) return false;
  }
  return end == text.size();
}

std::size_t find_unstorable_escape(std::string_view text, std::size_t from) noexcept {
  while (true) {
    const std::size_t at = text.find('\\', from);
    if (at == std::string_view::npos) return text.size();
    const Escape escape = read_escape(text, at);
    if (escape.size == 6 && !escape.storable) return at;
    from = at + (escape.size == 0 ? 1 : escape.size);
  }
}

std::string_view find_unstorable_number(std::string_view text, std::size_t from) noexcept {
  for (std::size_t at = from; at < text.size();) {
    if (text[at] == '"') {
      at = skip_string(text, at + 1);
    } else if (is_digit(text[at]) || text[at] == '-') {
      const std::string_view number = text.substr(at, skip_number(text, at) - at);
      if (!is_storable(number) && is_number(number)) return number;
      at += number.size();
    } else {
      ++at;
    }
  }
  return {};
}

std::string without_far_items(std::string_view text) {
  const auto commas = static_cast<std::size_t>(std::count(text.begin(), text.end(), ','));
  if (commas < kMaxStoredValues) return std::string(text);
  std::string kept;
  std::vector<std::size_t> items;  // of the containers around, commas counted
  std::size_t total = 0;
  std::size_t skipped_at = 0;      // how deep the container is whose rest is skipped; 0: none
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t end = c == '"' ? skip_string(text, at + 1) : at + 1;
    if ((c == ']' || c == '}') && !items.empty()) {
      if (skipped_at == items.size()) skipped_at = 0;
      items.pop_back();
    } else if (c == ',' && !items.empty() && skipped_at == 0) {
      if (++items.back() >= kKeptItems || ++total >= kMaxStoredValues) skipped_at = items.size();
    }
    if (skipped_at == 0) kept.append(text.substr(at, end - at));
    if (c == '[' || c == '{') items.push_back(0);
    at = end;
  }
  return kept;
}

}  // namespace wearables
