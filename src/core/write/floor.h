// Below which instant readings of a metric are not stored any more, since a retention policy has dropped what lay
// there. A reading below the floor is stale (R2): no replay, late event or import brings it back.
#pragma once

#include "core/write/touched.h"

#include <cstdint>
#include <span>
#include <vector>

namespace wearables {

class Floors {
 public:
  // The floor of a metric, which has none yet; of kNoMetric: that of all metrics without one of their own.
  void add(std::int16_t metric_id, Micros floor);

  bool empty() const noexcept { return floors_.empty(); }
  // kNoInstant where there is none.
  Micros of(std::int16_t metric_id) const noexcept;

 private:
  struct Floor {
    std::int16_t metric_id;
    Micros at;
  };
  std::vector<Floor> floors_;  // ascending by metric
};

// Whether one of the rows lies below the floor of its metric. They are settled.
bool any_below(std::span<const Row> rows, const Floors& floors) noexcept;

// Appends the rows that do not to `kept`, in their order, and notes the others in `touched` as stale.
void split_at_floors(std::int64_t user_id, std::span<const Row> rows, const Floors& floors, std::vector<Row>& kept,
                     Touched& touched);

}  // namespace wearables
