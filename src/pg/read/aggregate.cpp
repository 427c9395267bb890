// Plain arithmetic on what has been collected: nothing is read, written or locked here.
#include "pg/read/aggregate.h"

#include <cmath>

extern "C" {
#include "utils/float.h"
}

namespace wearables::pg {

Aggregate aggregate_of(std::string_view name) {
  if (name == "avg") return Aggregate::kAvg;
  if (name == "sum") return Aggregate::kSum;
  if (name == "min") return Aggregate::kMin;
  if (name == "max") return Aggregate::kMax;
  if (name == "last") return Aggregate::kLast;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("aggregate \"%.*s\" is not recognized", static_cast<int>(name.size()), name.data()),
                  errhint("Give avg, sum, min, max or last.")));
}

double aggregated(const RollupNumbers& numbers, Aggregate aggregate) {
  if (aggregate == Aggregate::kMin) return numbers.lowest;
  if (aggregate == Aggregate::kMax) return numbers.highest;
  // as sum(float8) and avg(float8)
  if (std::isinf(numbers.sum)) float_overflow_error();
  return aggregate == Aggregate::kSum ? numbers.sum : numbers.sum / static_cast<double>(numbers.count);
}

}  // namespace wearables::pg
