#include "core/queue/retry.h"

#include <gtest/gtest.h>

#include <climits>
#include <cmath>
#include <limits>

namespace wearables {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Case {
  RetryPolicy policy;
  int attempt;
  double random;
  double seconds;
};

const Case kCases[] = {
    // half of base * 2^(attempt-1) is fixed, half is drawn
    {{2, 3600}, 1, 0.0, 1.0},
    {{2, 3600}, 1, 0.5, 1.5},
    {{2, 3600}, 2, 0.0, 2.0},
    {{2, 3600}, 3, 0.0, 4.0},
    {{2, 3600}, 3, 0.25, 5.0},
    {{2, 3600}, 11, 0.0, 1024.0},
    // the cap
    {{2, 3600}, 12, 0.0, 1800.0},
    {{2, 3600}, 13, 0.5, 2700.0},
    {{2, 3600}, INT_MAX, 0.0, 1800.0},
    {{100, 10}, 1, 0.0, 5.0},
    // another share is drawn
    {{2, 3600, 0}, 3, 0.75, 8.0},
    {{2, 3600, 1}, 3, 0.25, 2.0},
    {{2, 3600, 1}, 3, 0.0, 0.0},
    // outside the domain
    {{2, 3600, -1}, 3, 0.75, 8.0},
    {{2, 3600, 2}, 3, 0.25, 2.0},
    {{2, 3600, kNaN}, 3, 0.25, 8.0},
    {{kInfinity, kInfinity}, 1, 0.0, kInfinity},
    {{2, 3600}, 0, 0.0, 1.0},
    {{2, 3600}, INT_MIN, 0.0, 1.0},
    {{2, 3600}, 1, -1.0, 1.0},
    {{2, 3600}, 1, 7.0, 2.0},
    {{2, 3600}, 1, kNaN, 1.0},
    {{-2, 3600}, 5, 0.5, 0.0},
    {{2, -3600}, 5, 0.5, 0.0},
    {{kNaN, 3600}, 5, 0.5, 0.0},
    {{2, kNaN}, 5, 0.5, 0.0},
    {{0, 3600}, INT_MAX, 0.5, 0.0},
    {{kInfinity, 3600}, 1, 0.0, 1800.0},
};

TEST(RetryDelay, Table) {
  for (const Case& c : kCases) {
    EXPECT_DOUBLE_EQ(retry_delay_seconds(c.policy, c.attempt, c.random), c.seconds)
        << "base " << c.policy.base_seconds << " cap " << c.policy.cap_seconds << " attempt " << c.attempt << " random "
        << c.random;
  }
}

TEST(RetryDelay, TheDefaultPolicyGrowsFromTwoSecondsToAnHour) {
  const double almost_one = std::nextafter(1.0, 0.0);
  EXPECT_DOUBLE_EQ(retry_delay_seconds({}, 1, almost_one), 2.0);
  EXPECT_DOUBLE_EQ(retry_delay_seconds({}, 100, almost_one), 3600.0);
}

TEST(RetryDelay, NeverShorterThanTheLongestOfTheAttemptBefore) {
  for (int attempt = 1; attempt < 100; ++attempt) {
    const double longest = retry_delay_seconds({2, kInfinity}, attempt, 1.0);
    EXPECT_GE(retry_delay_seconds({2, kInfinity}, attempt + 1, 0.0), longest) << attempt;
  }
}

}  // namespace
}  // namespace wearables
