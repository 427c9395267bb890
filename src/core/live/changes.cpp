#include "core/live/changes.h"

#include "core/base/assert.h"

#include <algorithm>

namespace wearables {

void UserChange::add_metric(std::int16_t metric_id) noexcept {
  if (metric_count == kAnyMetric || std::find(metrics, metrics + metric_count, metric_id) != metrics + metric_count) {
    return;
  }
  if (metric_count < kMaxChangedMetrics) {
    metrics[metric_count++] = metric_id;
    return;
  }
  metric_count = kAnyMetric;
  std::fill(std::begin(metrics), std::end(metrics), std::int16_t{0});
}

void UserChange::add(const UserChange& other) noexcept {
  WEARABLES_ASSERT(other.user_id == user_id);
  range.add(other.range);
  if (other.metric_count == kAnyMetric) {
    metric_count = kAnyMetric;
    std::fill(std::begin(metrics), std::end(metrics), std::int16_t{0});
  }
  for (int i = 0; i < other.metric_count; ++i) add_metric(other.metrics[i]);
}

UserChange change_of(std::int64_t user_id, const Touched& touched) noexcept {
  UserChange change{user_id, {}, 0, {}, kNoLevel, 0};
  for (const TouchedSeries& series : touched.series()) {
    WEARABLES_ASSERT(series.user_id == user_id);
    if (series.changed.empty()) continue;
    change.range.add(series.changed);
    change.add_metric(series.metric_id);
  }
  return change;
}

UserChange whole_change_of(std::int64_t user_id) noexcept {
  return {user_id, kAllTime, UserChange::kAnyMetric, {}, kNoLevel, 0};
}

// Where the entries of the level, and of those within it, begin.
int ChangeList::first_of(ChangeLevel level) const noexcept {
  int first = count_;
  while (first > 0 && users_[first - 1].level >= level) --first;
  return first;
}

void ChangeList::add(const UserChange& change, ChangeLevel level) noexcept {
  WEARABLES_ASSERT(level != kNoLevel && (count_ == 0 || users_[count_ - 1].level <= level));
  if (any_user() && any_level_ <= level) return;
  for (int i = count_; i > 0 && users_[i - 1].level == level; --i) {
    if (users_[i - 1].user_id != change.user_id) continue;
    users_[i - 1].add(change);
    users_[i - 1].stamp = ++last_stamp_;
    return;
  }
  if (count_ == kMaxChangedUsers) return add_any_user(level);
  users_[count_] = change;
  users_[count_].level = level;
  users_[count_++].stamp = ++last_stamp_;
}

void ChangeList::add_any_user(ChangeLevel level) noexcept {
  count_ = first_of(level);
  if (!any_user() || any_level_ > level) any_level_ = level;
}

void ChangeList::forget(ChangeLevel level) noexcept {
  count_ = first_of(level);
  if (any_level_ >= level) any_level_ = kNoLevel;
}

void ChangeList::hand_up(ChangeLevel level, ChangeLevel parent) noexcept {
  WEARABLES_ASSERT(parent < level);
  if (any_user() && any_level_ >= level) {
    add_any_user(parent);
    return;
  }
  const int end = count_;
  count_ = first_of(level);
  for (int i = count_; i < end; ++i) {
    // its place may be taken by the one that is added
    const UserChange change = users_[i];
    add(change, parent);
  }
}

void ChangeList::remove(const UserChange& copied) noexcept {
  UserChange* end = users_ + count_;
  UserChange* found = std::find_if(users_, end, [&](const UserChange& entry) { return entry.stamp == copied.stamp; });
  if (found == end) return;
  std::copy(found + 1, end, found);
  --count_;
}

}  // namespace wearables
