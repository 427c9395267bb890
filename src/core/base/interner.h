// Small numbers for texts that repeat.
#pragma once

#include "core/base/assert.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace wearables {

// Indexes from 0, in order of appearance, as long as 16 bits hold them.
class Interner {
 public:
  static constexpr std::uint16_t kNoIndex = 0xffff;

  // `next` is the index a new text gets, if it is below `limit`. kNoIndex when the text is new and that is full.
  std::uint16_t index_of(std::string_view text, std::size_t next, std::size_t limit) {
    WEARABLES_ASSERT(next <= kNoIndex && limit <= kNoIndex);
    if (known_.size() > kFew) return among_many(text, next, limit);
    for (const auto& [known, index] : known_) {
      if (known == text) return index;
    }
    if (next >= limit) return kNoIndex;
    known_.emplace_back(text, static_cast<std::uint16_t>(next));
    if (known_.size() > kFew) many_ = std::make_unique<Many>(known_.begin(), known_.end());
    return static_cast<std::uint16_t>(next);
  }

 private:
  using Many = std::unordered_map<std::string, std::uint16_t>;
  static constexpr std::size_t kFew = 8;

  std::uint16_t among_many(std::string_view text, std::size_t next, std::size_t limit) {
    const auto known = many_->find(std::string(text));
    if (known != many_->end()) return known->second;
    if (next >= limit) return kNoIndex;
    many_->emplace(text, static_cast<std::uint16_t>(next));
    return static_cast<std::uint16_t>(next);
  }

  std::vector<std::pair<std::string, std::uint16_t>> known_;  // as long as they are few
  std::unique_ptr<Many> many_;
};

}  // namespace wearables
