#include "core/write/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace wearables {
namespace {

const double kNone64 = std::numeric_limits<double>::quiet_NaN();

Row row(std::int16_t metric, Micros ts, std::int16_t source, std::uint32_t ordinal, double value = 60) {
  return {1, ts, kNoInstant, value, kNone64, kNone, ordinal, metric, source, kWholePart, kNoOffset};
}

std::vector<std::uint32_t> ordinals(const std::vector<Row>& rows) {
  std::vector<std::uint32_t> result;
  for (const Row& one : rows) result.push_back(one.ordinal);
  return result;
}

TEST(Key, IsMetricThenInstantThenSource) {
  const Row base = row(2, 10, 5, 0);
  EXPECT_TRUE(key_equal(base, row(2, 10, 5, 9, 99)));
  EXPECT_FALSE(key_less(base, row(2, 10, 5, 9, 99)));
  for (const Row& later : {row(3, 0, 0, 0), row(2, 11, 0, 0), row(2, 10, 6, 0)}) {
    EXPECT_TRUE(key_less(base, later));
    EXPECT_FALSE(key_less(later, base));
    EXPECT_FALSE(key_equal(base, later));
  }
  EXPECT_TRUE(key_less(row(1, -5, 0, 0), row(1, 5, 0, 0)));
}

TEST(Settle, OfOneKeyTheLastInTheBodyStays) {
  std::vector<Row> rows = {row(1, 10, 1, 0), row(1, 10, 1, 1), row(1, 20, 1, 2), row(1, 10, 1, 3)};
  EXPECT_EQ(settle(rows), 2U);
  EXPECT_EQ(ordinals(rows), (std::vector<std::uint32_t>{3, 2}));
}

TEST(Settle, ANewerVersionBeatsALaterPlace) {
  std::vector<Row> rows = {row(1, 10, 1, 0), row(1, 10, 1, 1)};
  rows[0].version = 2;
  EXPECT_EQ(settle(rows), 1U);
  EXPECT_EQ(ordinals(rows), (std::vector<std::uint32_t>{0}));
}

TEST(Settle, SortsByKey) {
  std::vector<Row> rows = {row(2, 5, 1, 0), row(1, 9, 1, 1), row(1, 7, 2, 2), row(1, 7, 1, 3)};
  EXPECT_EQ(settle(rows), 0U);
  EXPECT_EQ(ordinals(rows), (std::vector<std::uint32_t>{3, 2, 1, 0}));
}

TEST(Settle, LeavesNothingAndOneAlone) {
  std::vector<Row> none;
  EXPECT_EQ(settle(none), 0U);
  std::vector<Row> one = {row(1, 1, 1, 7)};
  EXPECT_EQ(settle(one), 0U);
  EXPECT_EQ(ordinals(one), (std::vector<std::uint32_t>{7}));
}

// Against the plainest rule there is: a map that later rows overwrite.
TEST(Settle, AgreesWithAMapOnAnyBatch) {
  std::mt19937 random(20241101);
  for (int round = 0; round < 300; ++round) {
    std::vector<Row> rows;
    const auto size = random() % 60;
    for (std::uint32_t i = 0; i < size; ++i) {
      rows.push_back(
          row(static_cast<std::int16_t>(random() % 3), random() % 5, static_cast<std::int16_t>(random() % 2), i));
    }
    std::map<std::tuple<int, Micros, int>, std::uint32_t> last;
    for (const Row& one : rows) last[{one.metric_id, one.ts, one.source_id}] = one.ordinal;
    std::shuffle(rows.begin(), rows.end(), random);
    EXPECT_EQ(settle(rows), size - last.size());
    ASSERT_EQ(rows.size(), last.size());
    auto expected = last.begin();
    for (const Row& one : rows) EXPECT_EQ(one.ordinal, (expected++)->second);
  }
}

TEST(SameReading, LooksAtEverythingButKeyAndVersion) {
  const Row base = row(1, 10, 1, 0);
  Row same = base;
  same.ordinal = 9;
  same.version = 77;
  same.document = 3;
  EXPECT_TRUE(same_reading(base, same));

  Row value = base;
  value.value = 61;
  Row secondary = base;
  secondary.secondary = 80;
  Row end = base;
  end.ts_end = 20;
  Row offset = base;
  offset.tz_offset = 60;
  for (const Row& other : {value, secondary, end, offset}) {
    EXPECT_FALSE(same_reading(base, other));
    EXPECT_TRUE(same_reading(other, other));
  }
}

struct Judged {
  std::int64_t stored;
  std::int64_t version;
  bool same;
  Verdict verdict;
};

TEST(Judge, IsR2) {
  EXPECT_EQ(judge(row(1, 1, 1, 0), nullptr), Verdict::kInsert);
  const Judged cases[] = {
      {5, 4, true, Verdict::kStale},   {5, 4, false, Verdict::kStale},  {5, 5, true, Verdict::kUnchanged},
      {5, 5, false, Verdict::kChange}, {5, 6, true, Verdict::kConfirm}, {5, 6, false, Verdict::kChange},
  };
  for (const Judged& one : cases) {
    Row stored = row(1, 1, 1, 0, 60);
    stored.version = one.stored;
    Row next = row(1, 1, 1, 0, one.same ? 60 : 61);
    next.version = one.version;
    EXPECT_EQ(judge(next, &stored), one.verdict) << one.version << one.same;
  }
}

TEST(ReasonName, IsAnotherWordForEveryReason) {
  std::set<std::string> names;
  for (int reason = 0; reason <= static_cast<int>(Reason::kMissingType); ++reason) {
    names.insert(reason_name(static_cast<Reason>(reason)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Reason::kMissingType) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace wearables
