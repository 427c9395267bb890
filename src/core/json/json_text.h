// What is asked of a JSON text beside its parser: where the parser has no answer, or a slow one.
#pragma once

#include "core/json/field_set.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace wearables {

// Texts with padding behind them are read eight bytes at a time. The words are compared, not
// counted with, so that only shifting asks which end of them comes first.
inline constexpr bool kLittleEndian = std::endian::native == std::endian::little;

// Highest bits of the bytes that are `wanted`; on little-endian machines of nothing before them.
constexpr std::uint64_t find_byte(std::uint64_t word, char wanted) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighs = 0x8080808080808080U;
  const std::uint64_t zero_where_found = word ^ (kOnes * static_cast<unsigned char>(wanted));
  return (zero_where_found - kOnes) & ~zero_where_found & kHighs;
}

// The first quote or backslash. Every string of an indexed text ends in a quote.
inline const char* find_quote_or_backslash(const char* text) noexcept {
  if constexpr (kLittleEndian) {
    while (true) {
      const std::uint64_t word = load_word(text);
      const std::uint64_t found = find_byte(word, '"') | find_byte(word, '\\');
      if (found != 0) return text + std::countr_zero(found) / 8;
      text += sizeof word;
    }
  }
  while (*text != '"' && *text != '\\') ++text;
  return text;
}

// name_head() of a text with padding behind it.
inline std::uint64_t padded_head(const char* text, std::size_t size) noexcept {
  if constexpr (kLittleEndian) {
    const std::uint64_t word = load_word(text);
    return size >= 8 ? word : word & ((std::uint64_t{1} << (8 * size)) - 1);
  }
  return name_head({text, size});
}

// Levels of lists and objects. Nothing deeper is read; it only has to be JSON.
inline constexpr int kMaxDepth = 500;

// Are all escapes of a string JSON's? `text` begins behind its opening quote. The parser refuses a
// wrong escape and a lone surrogate alike, but only the first makes the text no JSON.
bool escapes_valid(std::string_view text) noexcept;

inline bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// A token without the blanks behind it.
inline std::string_view without_blanks_behind(std::string_view token) noexcept {
  while (token.back() <= ' ') token.remove_suffix(1);
  return token;
}

// The text without the blanks of JSON around it.
inline std::string_view without_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Is the text a number by the grammar? The parser refuses "1x" and 1e400 alike.
bool is_number(std::string_view text) noexcept;

// NaN, Infinity, Inf (with a sign or without) or undefined, in upper or lower case: what programs write for a value
// that JSON has no word for. It is no JSON; but what stands around it is as good as ever.
bool is_bare_word(std::string_view token) noexcept;

// "a number": what a value is whose text begins or is this; nothing of it is told.
const char* kind_in_words(std::string_view token) noexcept;

// Behind the JSON value (or bare word) that stands at `at`, however deep it is nested; npos when none does. Takes a bit
// a level, and no stack.
std::size_t end_of_value(std::string_view text, std::size_t at);

// The members of a text that is one object, as they are written, each found when it is asked for: what stands behind it
// costs nothing. Looks at quotes and brackets alone. Of a text that is not JSON it finds what looks like members, up to
// where nothing does.
class MemberScan {
 public:
  explicit MemberScan(std::string_view text) noexcept;

  // To the next member. False behind the last one, and where none can be told.
  bool next() noexcept;

  // Whether that is because the object has ended.
  bool ended() const noexcept { return ended_; }

  // Of the member that next() went to.
  std::string_view name() const noexcept { return name_; }      // between its quotes, with its escapes
  std::string_view value() const noexcept { return value_; }    // without blanks around it
  std::string_view member() const noexcept { return member_; }  // both, and what stands between them

 private:
  bool take(char wanted) noexcept;

  const std::string_view text_;
  std::size_t at_ = 0;
  bool ended_ = false;
  bool goes_on_;  // a comma, or the bracket that begins the object, was the last
  std::string_view name_, value_, member_;
};

// Whether jsonb would not take a JSON text as it is nested, or for the bare words in it. Then
// `replaced` is the text with null in place of each of those words, and of what is nested deeper
// than kMaxDepth.
bool replace_unstorable_values(std::string_view text, std::string* replaced);

// Where, from `from` on, a JSON text has an escape that no database stores as text: \u0000, or a
// surrogate that is not half of a pair. Each is six bytes long. text.size() when there is none.
std::size_t find_unstorable_escape(std::string_view text, std::size_t from) noexcept;

// The first number of a JSON text, from `from` on, that no double needs: of more than 400 characters,
// or with an exponent beyond 400. jsonb would refuse it, or write it out in up to 131072 digits:
// ten thousand of "1e131071" fill a gigabyte, and no dump. Empty when there is none. `from` is not
// inside a string.
std::string_view find_unstorable_number(std::string_view text, std::size_t from) noexcept;

// A JSON text of more than kMaxStoredValues values takes many times its size as jsonb. Of such a text, what remains
// when each list and object ends after kKeptItems, and all of them after kMaxStoredValues; of any other, the text
// itself.
inline constexpr std::size_t kMaxStoredValues = 100'000;
inline constexpr std::size_t kKeptItems = 1'000;
std::string without_far_items(std::string_view text);

}  // namespace wearables
