// Member names as the walks compare them.
#pragma once

#include "core/base/pure.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace wearables {

inline std::uint64_t load_word(const char* text) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// A name's first eight bytes, filled up with zeros.
constexpr std::uint64_t name_head(std::string_view name) noexcept {
  std::array<char, 8> head{};
  std::copy_n(name.begin(), std::min(name.size(), head.size()), head.begin());
  return std::bit_cast<std::uint64_t>(head);
}

struct MemberName {
  std::string_view text;
  std::uint64_t head = 0;
};

// A name of up to eight bytes that the walks look for.
struct ShortName {
  consteval explicit ShortName(std::string_view text) : head(name_head(text)), size(text.size()) {}
  std::uint64_t head;
  std::size_t size;
};

inline bool operator==(const MemberName& name, const ShortName& wanted) noexcept {
  return name.head == wanted.head && name.text.size() == wanted.size;
}

inline constexpr ShortName kNameData("data");
inline constexpr ShortName kNameGroups("groups");
inline constexpr ShortName kNameSource("source");
inline constexpr ShortName kNameId("id");
inline constexpr ShortName kNameProvider("provider");

// A name to be found at the front of a text, together with the quote that ends it there.
class QuotedName {
 public:
  QuotedName() = default;  // nowhere to be found: no text has zeros
  explicit QuotedName(std::string_view name) : text_(std::string(name) + '"') {
    std::array<char, kFront> bytes{};
    std::array<unsigned char, kFront> mask{};
    const std::size_t front = std::min(text_.size(), kFront);
    std::copy_n(text_.begin(), front, bytes.begin());
    std::fill_n(mask.begin(), front, 0xff);
    words_ = std::bit_cast<Words>(bytes);
    masks_ = std::bit_cast<Words>(mask);
  }

  // Behind `text` as many bytes can be read as the longest name has, and 16 at least.
  bool begins(const char* text) const noexcept {
    // without a branch for the length, which cannot be foreseen
    const std::uint64_t other =
        ((load_word(text) ^ words_[0]) & masks_[0]) | ((load_word(text + kWord) ^ words_[1]) & masks_[1]);
    return other == 0 && (text_.size() <= kFront || same_behind_front(text));
  }

 private:
  static constexpr std::size_t kWord = 8;
  static constexpr std::size_t kFront = 2 * kWord;
  using Words = std::array<std::uint64_t, 2>;

  // Word by word, the last one ending where the name does: to call memcmp() for so few bytes takes longer.
  bool same_behind_front(const char* text) const noexcept {
    for (std::size_t at = kFront; at < text_.size(); at += kWord) {
      const std::size_t from = std::min(at, text_.size() - kWord);
      if (load_word(text + from) != load_word(text_.data() + from)) return false;
    }
    return true;
  }

  Words words_{};
  Words masks_{~std::uint64_t{0}, ~std::uint64_t{0}};
  std::string text_;
};

}  // namespace wearables
