#include "core/write/touched.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace wearables {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

Row row(std::int16_t metric, Micros ts, std::int16_t source, double value = 60, std::int64_t version = 1) {
  return {version, ts, kNoInstant, value, kNan, kNone, 0, metric, source, kWholePart, kNoOffset};
}

InstantRange range(Micros from, Micros to) {
  InstantRange result;
  result.add(from);
  result.add(to);
  return result;
}

TEST(InstantRange, IsEmptyUntilSomethingIsAdded) {
  InstantRange one;
  EXPECT_TRUE(one.empty());
  one.add(InstantRange{});
  EXPECT_TRUE(one.empty());
  one.add(7);
  EXPECT_EQ(one, range(7, 7));
  one.add(range(-3, 5));
  EXPECT_EQ(one, range(-3, 7));
}

TEST(Touched, BeginsWithNothing) {
  const Touched touched;
  EXPECT_TRUE(touched.series().empty());
  EXPECT_EQ(touched.counts().inserted, 0);
  EXPECT_EQ(touched.removed(), 0);
}

TEST(Touched, HasOneEntryASeriesInTheOrderOfTheFirstTouch) {
  Touched touched;
  for (const std::int64_t user : {9, 4, 9}) {
    for (const std::int16_t source : {1, 2, 1}) touched.offer(user, row(3, user, source), Verdict::kInsert);
  }
  ASSERT_EQ(touched.series().size(), 4U);
  EXPECT_EQ(touched.series()[0].user_id, 9);
  EXPECT_EQ(touched.series()[0].source_id, 1);
  EXPECT_EQ(touched.series()[1].source_id, 2);
  EXPECT_EQ(touched.series()[2].user_id, 4);
  EXPECT_EQ(touched.series()[0].counts.inserted, 4);
}

TEST(Touched, ARowThatChangesNoReadingIsOfferedOnly) {
  Touched touched;
  touched.offer(1, row(1, 10, 1), Verdict::kUnchanged);
  touched.offer(1, row(1, 20, 1), Verdict::kConfirm);
  touched.offer(1, row(1, 30, 1), Verdict::kStale);
  const TouchedSeries& series = touched.series()[0];
  EXPECT_EQ(series.offered, range(10, 30));
  EXPECT_TRUE(series.changed.empty());
  EXPECT_EQ(series.written, range(20, 20));
  EXPECT_EQ(series.counts.unchanged + series.counts.confirmed + series.counts.stale, 3);
}

TEST(Touched, WhatIsRemovedOrReassignedWasNotOffered) {
  Touched touched;
  touched.remove(1, row(1, 10, 1));
  touched.reassign(1, row(1, 12, 1));
  const TouchedSeries& series = touched.series()[0];
  EXPECT_TRUE(series.offered.empty());
  EXPECT_EQ(series.changed, range(10, 12));
  EXPECT_EQ(series.written, range(10, 12));
  EXPECT_EQ(series.removed, 1);
  EXPECT_EQ(series.reassigned, 1);
  EXPECT_EQ(touched.removed(), 1);
}

using Series = std::tuple<std::int64_t, std::int16_t, std::int16_t>;
using Table = std::map<std::tuple<std::int64_t, std::int16_t, Micros, std::int16_t>, Row>;

struct Difference {
  InstantRange range;
  std::int64_t appeared = 0, differs = 0, gone = 0;
};

std::map<Series, Difference> difference(const Table& before, const Table& after) {
  std::map<Series, Difference> result;
  auto of = [&](const auto& key) -> Difference& {
    Difference& one = result[{std::get<0>(key), std::get<1>(key), std::get<3>(key)}];
    one.range.add(std::get<2>(key));
    return one;
  };
  for (const auto& [key, now] : after) {
    const auto former = before.find(key);
    if (former == before.end()) {
      ++of(key).appeared;
    } else if (!same_reading(former->second, now)) {
      ++of(key).differs;
    }
  }
  for (const auto& [key, former] : before) {
    if (!after.contains(key)) ++of(key).gone;
  }
  return result;
}

// A table of rows that a batch is written to and some rows taken from: what is told is what differs, no more.
TEST(Touched, TellsExactlyWhatDiffers) {
  std::mt19937 random(20240501);
  auto pick = [&random](int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); };
  Table table;
  for (int round = 0; round < 300; ++round) {
    const Table before = table;
    Touched touched;
    std::int64_t offered = 0;
    std::set<Table::key_type> used;  // a key is touched once a round, as by one event
    for (std::int64_t user = 1; user <= 2; ++user) {
      std::vector<Row> rows;
      for (int i = pick(60); i > 0; --i) {
        const auto metric = static_cast<std::int16_t>(1 + pick(3)), source = static_cast<std::int16_t>(1 + pick(3));
        rows.push_back(row(metric, pick(20), source, pick(3), round + pick(5)));
      }
      settle(rows);
      for (const Row& one : rows) {
        const Table::key_type key{user, one.metric_id, one.ts, one.source_id};
        const auto stored = table.find(key);
        const Verdict verdict = judge(one, stored == table.end() ? nullptr : &stored->second);
        touched.offer(user, one, verdict);
        ++offered;
        used.insert(key);
        if (writes(verdict)) table.insert_or_assign(key, one);
      }
    }
    for (auto entry = table.begin(); entry != table.end();) {
      if (used.contains(entry->first) || pick(20) > 0) {
        ++entry;
        continue;
      }
      touched.remove(std::get<0>(entry->first), entry->second);
      entry = table.erase(entry);
    }
    const Counts counts = touched.counts();
    EXPECT_EQ(counts.inserted + counts.changed + counts.confirmed + counts.unchanged + counts.stale, offered);
    const auto expected = difference(before, table);
    std::size_t changed = 0;
    for (const TouchedSeries& series : touched.series()) {
      const auto entry = expected.find({series.user_id, series.metric_id, series.source_id});
      EXPECT_EQ(series.changed.empty(), entry == expected.end());
      if (entry == expected.end()) continue;
      ++changed;
      EXPECT_EQ(series.changed, entry->second.range);
      EXPECT_EQ(series.counts.inserted, entry->second.appeared);
      EXPECT_EQ(series.counts.changed, entry->second.differs);
      EXPECT_EQ(series.removed, entry->second.gone);
    }
    EXPECT_EQ(changed, expected.size());
  }
}

}  // namespace
}  // namespace wearables
