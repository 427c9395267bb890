// What is asked of a JSON text beside its parser: where the parser has no answer, or a slow one.
#pragma once

#include "core/field_set.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace wearables {

// The first quote or backslash. Every string of an indexed text ends in a quote, and the padding
// makes it safe to read eight bytes at a time.
inline const char* find_quote_or_backslash(const char* text) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kHighs = 0x8080808080808080U;
    while (true) {
      std::uint64_t word = 0;
      std::memcpy(&word, text, sizeof word);
      const std::uint64_t quote = word ^ (kOnes * '"');
      const std::uint64_t backslash = word ^ (kOnes * '\\');
      const std::uint64_t found =
          (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash)) & kHighs;
      if (found != 0) return text + std::countr_zero(found) / 8;
      text += sizeof word;
    }
  }
  while (*text != '"' && *text != '\\') ++text;
  return text;
}

// name_head() of a text with padding behind it.
inline std::uint64_t padded_head(const char* text, std::size_t size) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    std::uint64_t word = 0;
    std::memcpy(&word, text, sizeof word);
    return size >= 8 ? word : word & ((std::uint64_t{1} << (8 * size)) - 1);
  }
  return name_head({text, size});
}

// Are all escapes of a string JSON's? `text` begins behind its opening quote. The parser refuses a
// wrong escape and a lone surrogate alike, but only the first makes the text no JSON.
bool escapes_valid(std::string_view text) noexcept;

// The text without the blanks of JSON around it.
inline std::string_view without_blanks(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Is the text a number by the grammar? The parser refuses "1x" and 1e400 alike.
bool is_number(std::string_view text) noexcept;

// Where, from `from` on, a JSON text has an escape that no database stores as text: \u0000, or a
// surrogate that is not half of a pair. Each is six bytes long. text.size() when there is none.
std::size_t find_unstorable_escape(std::string_view text, std::size_t from) noexcept;

}  // namespace wearables
