// How long to wait before the next attempt. Pure: randomness comes in as a parameter.
#pragma once

#include "core/base/pure.h"

namespace wearables {

struct RetryPolicy {
  double base_seconds = 2.0;
  double cap_seconds = 3600.0;
  double jitter = 0.5;  // share of the delay that is drawn, from 0 to 1
};

// Seconds to wait after failed attempt number `attempt` (from 1): base * 2^(attempt-1), capped; of it a share of
// `jitter` is drawn by `random` in [0,1), the rest is fixed. What lies outside its domain (an attempt below 1, a
// negative time, NaN) counts as the nearest inside, NaN as 0.
double retry_delay_seconds(const RetryPolicy& policy, int attempt, double random) noexcept;

}  // namespace wearables
