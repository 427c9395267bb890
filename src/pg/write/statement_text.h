// Texts of statements that are put together while they are compiled, so that a list of columns is written once.
#pragma once

#include <cstddef>
#include <string_view>

namespace wearables::pg {

// Without a place to write to it only counts.
class TextWriter {
 public:
  constexpr explicit TextWriter(char* out) noexcept : out_(out) {}

  constexpr TextWriter& operator<<(std::string_view text) {
    for (const char c : text) put(c);
    return *this;
  }

  constexpr TextWriter& operator<<(int number) {
    if (number >= 10) *this << number / 10;
    put(static_cast<char>('0' + number % 10));
    return *this;
  }

  constexpr std::size_t length() const noexcept { return length_; }

 private:
  constexpr void put(char c) {
    if (out_ != nullptr) out_[length_] = c;
    ++length_;
  }

  char* out_;
  std::size_t length_ = 0;
};

template <std::size_t Length>
struct StaticText {
  char data[Length + 1];
};

// What `Write`, a lambda without captures, writes to a TextWriter. To be kept in a constexpr variable.
template <class Write>
consteval auto static_text(Write) {
  constexpr std::size_t kLength = [] {
    TextWriter counter(nullptr);
    Write{}(counter);
    return counter.length();
  }();
  StaticText<kLength> text{};
  TextWriter writer(text.data);
  Write{}(writer);
  return text;
}

}  // namespace wearables::pg
