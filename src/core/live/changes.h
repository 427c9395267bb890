// Which users' samples changed, in bounded memory: the more there is to tell, the less exactly it is told, and nothing
// is left out. A user with too many metrics has any of them changed; with too many users any user has.
//
// Plain data without pointers, so that a list can lie in shared memory; one of zero bytes is empty.
#pragma once

#include "core/write/touched.h"

#include <cstdint>
#include <limits>

namespace wearables {

inline constexpr int kMaxChangedUsers = 512;
inline constexpr int kMaxChangedMetrics = 32;  // of one user

inline constexpr InstantRange kAllTime{std::numeric_limits<Micros>::min(), std::numeric_limits<Micros>::max()};

// The level of a (sub)transaction: that of an inner one is greater. A list without transactions uses the outermost.
using ChangeLevel = std::uint32_t;
inline constexpr ChangeLevel kNoLevel = 0;
inline constexpr ChangeLevel kOutermostLevel = 1;

struct UserChange {
  std::int64_t user_id;
  InstantRange range;                        // of the instants of samples; kAllTime: all that there are
  std::int32_t metric_count;                 // kAnyMetric: they are too many to be told apart, or all
  std::int16_t metrics[kMaxChangedMetrics];  // the rest of them is 0
  ChangeLevel level;
  std::uint32_t stamp;  // another one after each change of the entry

  static constexpr std::int32_t kAnyMetric = -1;

  void add_metric(std::int16_t metric_id) noexcept;
  void add(const UserChange& other) noexcept;  // of the same user
};

// What the writer changed of a user; metric_count is 0 where nothing is read otherwise than before.
UserChange change_of(std::int64_t user_id, const Touched& touched) noexcept;
// All samples of a user.
UserChange whole_change_of(std::int64_t user_id) noexcept;

// At most one entry a user and level; levels ascend. The oldest entries stand first.
class ChangeList {
 public:
  bool empty() const noexcept { return count_ == 0 && !any_user(); }
  // Any user: what is listed beside is not all.
  bool any_user() const noexcept { return any_level_ != kNoLevel; }
  int count() const noexcept { return count_; }
  const UserChange& operator[](int at) const noexcept { return users_[at]; }

  // `level` is not below that of any entry.
  void add(const UserChange& change, ChangeLevel level) noexcept;
  void add_any_user(ChangeLevel level) noexcept;
  // What was added at the level, or within it, did not happen.
  void forget(ChangeLevel level) noexcept;
  // What was added at the level counts for the one around it.
  void hand_up(ChangeLevel level, ChangeLevel parent) noexcept;
  void clear() noexcept { forget(kOutermostLevel); }
  // Removes the entry of which this is a copy, unless it has changed since.
  void remove(const UserChange& copied) noexcept;

 private:
  int first_of(ChangeLevel level) const noexcept;

  ChangeLevel any_level_;
  std::uint32_t last_stamp_;
  std::int32_t count_;
  UserChange users_[kMaxChangedUsers];
};

}  // namespace wearables
