// Private to the room: what walks keep from body to body.
#pragma once

#include "core/base/assert.h"
#include "core/json/field_set.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wearables {

namespace od = simdjson::ondemand;

// Where a character stands the first few times.
class FirstPlaces {
 public:
  explicit FirstPlaces(char wanted) noexcept : wanted_(wanted) {}

  void clear() noexcept { count_ = 0; }
  bool is_full() const noexcept { return count_ == places_.size(); }

  // `piece` stands at `at`, behind what was searched before.
  void search(std::size_t at, std::string_view piece) noexcept {
    for (std::size_t next = 0; !is_full() && next < piece.size(); ++next) {
      next = piece.find(wanted_, next);
      if (next == std::string_view::npos) return;
      places_[count_++] = at + next;
    }
  }

  std::size_t first_from(std::size_t from, std::size_t otherwise) const noexcept {
    const auto end = places_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto found = std::lower_bound(places_.begin(), end, from);
    return found == end ? otherwise : *found;
  }

 private:
  static constexpr std::size_t kMost = 32;  // a page of many short lists has as many, and gains nothing

  char wanted_;
  std::array<std::size_t, kMost> places_{};
  std::size_t count_ = 0;
};

// The parser, the padded copy of the body and what was guessed of its members' order, kept from
// call to call. The first body that is much smaller than the one before gives the memory back.
class Workspace {
 public:
  static constexpr std::size_t kAlwaysKept = std::size_t{1} << 20;
  static constexpr std::size_t kRoom = std::size_t{1} << 14;
  static constexpr std::size_t kMostGuessed = 256;  // field sets; a plan has one for each resource

  // Never destroyed: a backend's exit runs no destructor of ours.
  static Workspace& get() {
    static auto* const kept = new Workspace;
    return *kept;
  }

  // `finds_lists`: end_of_flat_list() will be asked.
  const char* copy(std::string_view body, bool finds_lists = false) {
    forget_texts();
    if (capacity_ > kAlwaysKept && body.size() < capacity_ / 4) release();
    if (bytes_ == nullptr || capacity_ < body.size()) {
      release();
      bytes_.reset(new char[body.size() + simdjson::SIMDJSON_PADDING]);
      capacity_ = body.size();
    }
    copy_bytes(body, finds_lists);
    WEARABLES_ASSERT(capacity_ >= body.size());
    std::memset(bytes_.get() + body.size(), 0, simdjson::SIMDJSON_PADDING);
    return bytes_.get();
  }

  // Where there is no backslash in all of a body, no text of it has to be searched for one.
  bool has_backslash() const noexcept { return has_backslash_; }

  // The square bracket that ends the list at `begin`, where the list holds no other and is among the first of the body;
  // else kNowhere. It may stand within a string. Bodies have few lists and long ones, and the parser would go through
  // all that is in one.
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  std::size_t end_of_flat_list(std::size_t begin) const noexcept {
    const std::size_t next = opening_.first_from(begin + 1, opening_.is_full() ? begin : kNowhere);
    const std::size_t end = closing_.first_from(begin, kNowhere);
    return end < next ? end : kNowhere;
  }

  od::parser& parser() noexcept { return parser_; }

  // A string of the body, of at most `size` bytes, without its escapes. The parser's own room is
  // for each string once, but some walks read an object a second time.
  simdjson::simdjson_result<std::string_view> unescape(od::raw_json_string raw, std::size_t size) {
    const std::size_t needed = size + simdjson::SIMDJSON_PADDING;
    if (room_ < needed) {
      room_ = std::max(needed, kRoom);
      next_ = texts_.emplace_back(new std::uint8_t[room_]).get();
    }
    const std::uint8_t* begin = next_;
    auto text = parser_.unescape(raw, next_);
    WEARABLES_ASSERT(static_cast<std::size_t>(next_ - begin) <= room_);
    room_ -= static_cast<std::size_t>(next_ - begin);
    return text;
  }

  // What is guessed of the order of a field set's members, kept from body to body. Good until the next call of
  // forget_old_guesses().
  FieldSet::Guess* guesses(const FieldSet& fields) {
    auto& kept = guesses_[fields.version()];
    if (kept.empty()) kept = fields.first_guesses();
    WEARABLES_ASSERT(kept.size() == fields.guess_count());
    return kept.data();
  }

  // A field set that is gone leaves its guesses behind. Before a walk, which holds what guesses() gave it.
  void forget_old_guesses() {
    if (guesses_.size() > kMostGuessed) guesses_.clear();
  }

  // Room for one record of what a field set wants; the next call takes it back.
  FoundFields room_for(const FieldSet& fields) {
    if (values_.size() < fields.size()) values_.resize(fields.size());
    return {{values_.data(), fields.size()}, std::vector<Places>(fields.lists().size())};
  }

 private:
  // Piece by piece: what was just copied is in the cache when it is searched.
  void copy_bytes(std::string_view body, bool finds_lists) noexcept {
    constexpr std::size_t kPiece = 16384;
    has_backslash_ = false;
    opening_.clear();
    closing_.clear();
    for (std::size_t at = 0; at < body.size(); at += kPiece) {
      const std::string_view piece = body.substr(at, kPiece);
      std::memcpy(bytes_.get() + at, piece.data(), piece.size());
      const std::string_view copied(bytes_.get() + at, piece.size());
      has_backslash_ = has_backslash_ || copied.find('\\') != std::string_view::npos;
      if (!finds_lists) continue;
      opening_.search(at, copied);
      closing_.search(at, copied);
    }
  }

  void forget_texts() noexcept {
    texts_.clear();
    room_ = 0;
  }

  void release() noexcept {
    parser_ = od::parser{};
    bytes_.reset();
    capacity_ = 0;
  }

  od::parser parser_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  bool has_backslash_ = false;
  FirstPlaces opening_{'['};
  FirstPlaces closing_{']'};
  std::vector<Value> values_;
  std::unordered_map<std::uint64_t, std::vector<FieldSet::Guess>> guesses_;  // by version of the field set
  std::vector<std::unique_ptr<std::uint8_t[]>> texts_;                       // unescaped
  std::uint8_t* next_ = nullptr;
  std::size_t room_ = 0;  // from there on
};

}  // namespace wearables
