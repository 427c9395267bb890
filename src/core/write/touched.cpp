#include "core/write/touched.h"

#include "core/base/assert.h"

namespace wearables {

std::size_t Touched::KeyHash::operator()(const Key& key) const noexcept {
  constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15U;  // spreads consecutive user ids
  const auto series = static_cast<std::uint64_t>(static_cast<std::uint16_t>(key.metric_id)) << 16 |
                      static_cast<std::uint16_t>(key.source_id);
  const std::uint64_t mixed = (static_cast<std::uint64_t>(key.user_id) * kGoldenRatio ^ series) * kGoldenRatio;
  return static_cast<std::size_t>(mixed ^ mixed >> 32);
}

TouchedSeries& Touched::of(std::int64_t user_id, const Row& row) {
  const Key key{user_id, row.metric_id, row.source_id};
  if (last_ < series_.size()) {
    TouchedSeries& last = series_[last_];
    if (key == Key{last.user_id, last.metric_id, last.source_id}) return last;
  }
  const auto [entry, is_new] = index_.try_emplace(key, series_.size());
  if (is_new) series_.push_back({user_id, row.metric_id, row.source_id, {}, {}, {}, {}, 0, 0});
  last_ = entry->second;
  WEARABLES_ASSERT(index_.size() == series_.size());
  return series_[last_];
}

void Touched::offer(std::int64_t user_id, const Row& row, Verdict verdict) {
  TouchedSeries& series = of(user_id, row);
  WEARABLES_ASSERT(row.ts != kNoInstant && row.metric_id != kNoMetric);
  series.offered.add(row.ts);
  count_verdict(verdict, &series.counts);
  if (verdict == Verdict::kInsert || verdict == Verdict::kChange) series.changed.add(row.ts);
  if (writes(verdict)) series.written.add(row.ts);
}

void Touched::remove(std::int64_t user_id, const Row& key) {
  TouchedSeries& series = of(user_id, key);
  series.changed.add(key.ts);
  series.written.add(key.ts);
  ++series.removed;
}

void Touched::reassign(std::int64_t user_id, const Row& row) {
  TouchedSeries& series = of(user_id, row);
  series.changed.add(row.ts);
  series.written.add(row.ts);
  ++series.reassigned;
}

Counts Touched::counts() const noexcept {
  Counts total{};
  for (const TouchedSeries& series : series_) add_counts(series.counts, &total);
  WEARABLES_ASSERT(total.quarantined == 0);
  return total;
}

std::int64_t Touched::removed() const noexcept {
  std::int64_t total = 0;
  for (const TouchedSeries& series : series_) total += series.removed;
  return total;
}

}  // namespace wearables
