// How a chart makes one value of many, as metrics.aggregate says.
#pragma once

#include "core/rollup/day_rollup.h"

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

enum class Aggregate { kAvg, kSum, kMin, kMax, kLast };

// Raises invalid_parameter_value for a name that is none.
Aggregate aggregate_of(std::string_view name);

// Of at least one number. Not for kLast, which is a reading. Raises where a sum is out of range, as sum(float8) does.
double aggregated(const RollupNumbers& numbers, Aggregate aggregate);

}  // namespace wearables::pg
