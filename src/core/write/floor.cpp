#include "core/write/floor.h"

#include <algorithm>

#include "core/base/assert.h"

namespace wearables {

void Floors::add(std::int16_t metric_id, Micros floor) {
  const auto place = std::lower_bound(floors_.begin(), floors_.end(), metric_id,
                                      [](const Floor& one, std::int16_t metric) { return one.metric_id < metric; });
  WEARABLES_ASSERT(place == floors_.end() || place->metric_id != metric_id);
  floors_.insert(place, {metric_id, floor});
}

Micros Floors::of(std::int16_t metric_id) const noexcept {
  for (const std::int16_t metric : {metric_id, kNoMetric}) {
    const auto found = std::lower_bound(floors_.begin(), floors_.end(), metric,
                                        [](const Floor& one, std::int16_t id) { return one.metric_id < id; });
    if (found != floors_.end() && found->metric_id == metric) return found->at;
  }
  return kNoInstant;
}

bool any_below(std::span<const Row> rows, const Floors& floors) noexcept {
  WEARABLES_ASSERT(is_settled(rows));
  // the first of each metric is the earliest
  std::int16_t metric = kNoMetric;
  for (const Row& row : rows) {
    if (row.metric_id == metric) continue;
    metric = row.metric_id;
    if (row.ts < floors.of(metric)) return true;
  }
  return false;
}

void split_at_floors(std::int64_t user_id, std::span<const Row> rows, const Floors& floors, std::vector<Row>& kept,
                     Touched& touched) {
  std::int16_t metric = kNoMetric;
  Micros floor = kNoInstant;
  for (const Row& row : rows) {
    if (row.metric_id != metric) {
      metric = row.metric_id;
      floor = floors.of(metric);
    }
    if (row.ts < floor) {
      touched.offer(user_id, row, Verdict::kStale);
    } else {
      kept.push_back(row);
    }
  }
}

}  // namespace wearables
