#include "core/queue/retry.h"

#include <algorithm>
#include <cmath>

#include "core/base/assert.h"

namespace wearables {

namespace {

// fmax and fmin drop NaN.
double share(double value) noexcept { return std::fmin(std::fmax(value, 0.0), 1.0); }

}  // namespace

double retry_delay_seconds(const RetryPolicy& policy, int attempt, double random) noexcept {
  const double base = std::fmax(policy.base_seconds, 0.0);
  const double cap = std::fmax(policy.cap_seconds, 0.0);
  const double jitter = share(policy.jitter);
  // ldexp overflows to infinity, which the cap takes
  const double whole = std::fmin(std::ldexp(base, std::max(attempt, 1) - 1), cap);
  if (std::isinf(whole)) return whole;
  const double delay = std::fmin(whole * (1 - jitter) + whole * jitter * share(random), whole);
  WEARABLES_ASSERT(delay >= 0);
  return delay;
}

}  // namespace wearables
