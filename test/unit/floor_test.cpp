#include "core/write/floor.h"

#include <gtest/gtest.h>

#include <limits>

namespace wearables {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

Row row(std::int16_t metric, Micros ts) {
  return {1, ts, kNoInstant, 60, kNan, kNone, 0, metric, 1, kWholePart, kNoOffset};
}

TEST(Floors, AMetricHasItsOwnElseThatOfAllOthersElseNone) {
  Floors floors;
  EXPECT_TRUE(floors.empty());
  EXPECT_EQ(floors.of(7), kNoInstant);
  floors.add(7, 100);
  floors.add(-3, 50);
  EXPECT_FALSE(floors.empty());
  EXPECT_EQ(floors.of(7), 100);
  EXPECT_EQ(floors.of(-3), 50);
  EXPECT_EQ(floors.of(8), kNoInstant);
  floors.add(kNoMetric, 10);
  EXPECT_EQ(floors.of(8), 10);
  EXPECT_EQ(floors.of(7), 100);
  // one may be lower than that of all others, or nowhere
  floors.add(9, kNoInstant);
  EXPECT_EQ(floors.of(9), kNoInstant);
}

TEST(Floors, ARowAtTheFloorIsKept) {
  Floors floors;
  floors.add(7, 100);
  const std::vector<Row> at{row(7, 100)};
  const std::vector<Row> below{row(6, 1), row(7, 99)};
  EXPECT_FALSE(any_below(at, floors));
  EXPECT_TRUE(any_below(below, floors));
  EXPECT_FALSE(any_below({}, floors));
}

TEST(Floors, WhatLiesBelowIsStaleAndTheRestKeepsItsOrder) {
  Floors floors;
  floors.add(7, 100);
  floors.add(8, 50);
  const std::vector<Row> rows{row(6, 1), row(7, 98), row(7, 99), row(7, 100), row(8, 49), row(8, 60)};
  std::vector<Row> kept;
  Touched touched;
  split_at_floors(1, rows, floors, kept, touched);
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_TRUE(key_equal(kept[0], rows[0]));
  EXPECT_TRUE(key_equal(kept[1], rows[3]));
  EXPECT_TRUE(key_equal(kept[2], rows[5]));
  EXPECT_EQ(touched.counts().stale, 3);
  EXPECT_EQ(sum_of(touched.counts()), 3);
}

}  // namespace
}  // namespace wearables
