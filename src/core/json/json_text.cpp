#include "core/json/json_text.h"

#include <algorithm>
#include <array>
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

// Whether a text is a lower-case word but for the case of its letters.
bool same_letters(std::string_view text, std::string_view word) noexcept {
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  return std::equal(text.begin(), text.end(), word.begin(), word.end(), same);
}

// Of what is no string and no bracket.
bool ends_token(char c) noexcept {
  return is_blank(c) || c == ',' || c == ':' || c == '"' || c == '[' || c == ']' || c == '{' || c == '}';
}

std::size_t skip_token(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && !ends_token(text[at])) ++at;
  return at;
}

// Behind what looks like the value at `at`, however it is nested.
std::size_t skip_value(std::string_view text, std::size_t at) noexcept {
  const char first = at < text.size() ? text[at] : '\0';
  if (first == '"') return skip_string(text, at + 1);
  if (first != '[' && first != '{') return skip_token(text, at);
  for (std::size_t depth = 0; at < text.size();) {
    const char c = text[at++];
    if (c == '"') at = skip_string(text, at);
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && --depth == 0) break;
  }
  return at;
}

bool is_scalar_token(std::string_view token) noexcept {
  return is_number(token) || token == "true" || token == "false" || token == "null" || is_bare_word(token);
}

// A value that is nested too deep to be checked by calls within calls.
class DeepValue {
 public:
  DeepValue(std::string_view text, std::size_t at) : text_(text), at_(at) {}

  bool check() {
    do {
      if (!value()) return false;
    } while (next());
    return valid_;
  }

  std::size_t end() const noexcept { return at_; }

 private:
  char first() noexcept {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool take(char wanted) noexcept {
    const bool there = first() == wanted;
    if (there) ++at_;
    return there;
  }

  // Of the parser's string, whose end is known to be there.
  bool string() noexcept {
    if (!take('"')) return false;
    const bool fine = escapes_valid(text_.substr(at_));
    at_ = skip_string(text_, at_);
    return fine && text_[at_ - 1] == '"';
  }

  bool name() noexcept { return string() && take(':'); }

  // A scalar or an empty container, entering those that hold something.
  bool value() {
    while (true) {
      const char c = first();
      if (c == '"') return string();
      if (c != '[' && c != '{') {
        const std::size_t begin = at_;
        at_ = skip_token(text_, at_);
        return is_scalar_token(text_.substr(begin, at_ - begin));
      }
      const bool object = c == '{';
      ++at_;
      if (take(object ? '}' : ']')) return true;
      objects_.push_back(object);
      if (object && !name()) return false;
    }
  }

  // Leaves what ends behind a value; true when another one must follow.
  bool next() noexcept {
    for (; !objects_.empty(); objects_.pop_back()) {
      const bool object = objects_.back();
      if (take(',')) return valid_ = !object || name();
      if (!take(object ? '}' : ']')) return valid_ = false;
    }
    return false;
  }

  const std::string_view text_;
  std::size_t at_;
  bool valid_ = true;
  std::vector<bool> objects_;  // of the containers around: which are objects
};

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

bool is_bare_word(std::string_view token) noexcept {
  if (same_letters(token, "undefined")) return true;
  if (token.starts_with('-') || token.starts_with('+')) token.remove_prefix(1);
  constexpr std::array<std::string_view, 3> kWords{"nan", "infinity", "inf"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) { return same_letters(token, word); });
}

const char* kind_in_words(std::string_view token) noexcept {
  if (token.starts_with('{')) return "an object";
  if (token.starts_with('[')) return "a list";
  if (token.starts_with('"')) return "a string";
  if (token == "null") return "null";
  if (token == "true" || token == "false") return "a boolean";
  return is_number(token) ? "a number" : "a word unknown to JSON";
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
  DeepValue value(text, at);
  return value.check() ? value.end() : std::string_view::npos;
}

MemberScan::MemberScan(std::string_view text) noexcept : text_(text) {
  goes_on_ = take('{');
  ended_ = goes_on_ && take('}');
}

bool MemberScan::take(char wanted) noexcept {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  const bool there = at_ < text_.size() && text_[at_] == wanted;
  if (there) ++at_;
  return there;
}

// A value that ends where the text does may have been cut off.
bool MemberScan::next() noexcept {
  if (ended_ || !goes_on_ || !take('"')) return false;
  const std::size_t begin = at_ - 1;
  const std::size_t behind_name = skip_string(text_, at_);
  at_ = behind_name;
  if (!take(':')) return goes_on_ = false;
  name_ = text_.substr(begin + 1, behind_name - begin - 2);
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  const std::size_t value = at_;
  at_ = skip_value(text_, at_);
  value_ = text_.substr(value, at_ - value);
  member_ = text_.substr(begin, at_ - begin);
  ended_ = take('}');
  goes_on_ = ended_ || take(',');
  return goes_on_;
}

bool replace_unstorable_values(std::string_view text, std::string* replaced) {
  replaced->clear();
  std::size_t copied = 0;
  int depth = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    bool replace = false;
    if (text[at] == '"') {
      end = skip_string(text, end);
    } else if (text[at] == '[' || text[at] == '{') {
      replace = depth == kMaxDepth;
      if (replace) end = end_of_value(text, at);
      if (end == std::string_view::npos) break;  // no JSON, and none is to be made of it
      if (!replace) ++depth;
    } else if (text[at] == ']' || text[at] == '}') {
      --depth;
    } else if (!is_blank(text[at]) && !ends_token(text[at])) {
      end = skip_token(text, at);
      replace = depth > 0 && is_bare_word(text.substr(at, end - at));
    }
    if (replace) {
      replaced->append(text.substr(copied, at - copied)).append("null");
      copied = end;
    }
    at = end;
  }
  if (copied == 0) return false;
  replaced->append(text.substr(copied));
  return true;
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
  std::size_t skipped_at = 0;  // how deep the container is whose rest is skipped; 0: none
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
