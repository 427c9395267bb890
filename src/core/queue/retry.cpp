#include "core/queue/retry.h"

#include <algorithm>
#include <cmath>

namespace wearables {

double retry_delay_seconds(const RetryPolicy& policy, int attempt, double random) noexcept {
  // fmax and fmin drop NaN; ldexp overflows to infinity, which the cap takes.
  const double base = std::fmax(policy.base_seconds, 0.0);
  const double cap = std::fmax(policy.cap_seconds, 0.0);
  const double whole = std::fmin(std::ldexp(base, std::max(attempt, 1) - 1), cap);
  const double drawn = std::fmin(std::fmax(random, 0.0), 1.0);
  return whole / 2 + whole / 2 * drawn;
}

}  // namespace wearables
