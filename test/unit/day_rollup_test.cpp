#include "core/rollup/day_rollup.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>

namespace wearables {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr Micros kDay = 20'000 * kMicrosPerDay;

RollupReading reading(Micros offset, double value, std::int16_t source = 1, double secondary = kNan,
                      std::int64_t version = 1, std::int16_t part = 0) {
  return {kDay + offset, version, value, secondary, source, part, false};
}

std::string encoded(const DayRollup& rollup) {
  std::string bytes;
  rollup.encode(bytes);
  return bytes;
}

void expect_same(const RollupNumbers& a, const RollupNumbers& b) {
  EXPECT_EQ(std::tie(a.count, a.sum, a.lowest, a.highest), std::tie(b.count, b.sum, b.lowest, b.highest));
}

TEST(DayRollup, HasAnEntryForEachSourceAndHour) {
  DayRollup rollup;
  rollup.begin(kDay);
  rollup.add(reading(0, 60));
  rollup.add(reading(kMicrosPerHour - 1, 70));
  rollup.add(reading(kMicrosPerHour, 80));
  rollup.add(reading(kMicrosPerHour, 90, 2));
  ASSERT_EQ(rollup.entries().size(), 3U);
  EXPECT_EQ(rollup.readings(), 4U);
  EXPECT_EQ(rollup.entries()[0].hour, 0);
  EXPECT_EQ(rollup.entries()[0].values.sum, 130);
  EXPECT_EQ(rollup.entries()[0].last.value, 70);
  EXPECT_EQ(rollup.entries()[1].hour, 1);
  EXPECT_EQ(rollup.entries()[2].source_id, 2);
}

TEST(DayRollup, TellsReadingsOfTheCalendarDayFromThoseOfItsFirstHour) {
  DayRollup rollup;
  rollup.begin(kDay);
  RollupReading of_day = reading(0, 1000);
  of_day.of_day = true;
  rollup.add(reading(0, 5));
  rollup.add(of_day);
  rollup.add(reading(1, 6));
  of_day.part = 3;
  rollup.add(of_day);
  ASSERT_EQ(rollup.entries().size(), 2U);
  EXPECT_EQ(rollup.entries()[0].values.count, 2);
  EXPECT_EQ(rollup.entries()[1].hour, kWholeDay);
  EXPECT_EQ(rollup.entries()[1].values.count, 2);
}

TEST(DayRollup, TheLastOfOneInstantIsThatOfTheHighestVersionThenOfTheLowestPart) {
  DayRollup rollup;
  rollup.begin(kDay);
  rollup.add(reading(5, 1, 1, kNan, 7, 2));
  rollup.add(reading(5, 2, 1, kNan, 9, 4));
  rollup.add(reading(5, 3, 1, kNan, 9, 3));
  rollup.add(reading(5, 4, 1, kNan, 8, 1));
  EXPECT_EQ(rollup.entries()[0].last.value, 3);
}

TEST(DayRollup, RefusesWhatNoSampleIs) {
  const auto stands = [](const RollupReading& odd) {
    DayRollup rollup;
    rollup.begin(kDay);
    rollup.add(reading(0, 1));
    rollup.add(odd);
    return rollup.stands_for(1);
  };
  EXPECT_TRUE(stands(reading(1, 2)));
  EXPECT_FALSE(stands(reading(1, kNan)));
  EXPECT_FALSE(stands(reading(1, std::numeric_limits<double>::infinity())));
  EXPECT_FALSE(stands(reading(1, 1, 1, -std::numeric_limits<double>::infinity())));
  RollupReading noon = reading(12 * kMicrosPerHour, 1);
  noon.of_day = true;
  EXPECT_FALSE(stands(noon));
}

TEST(DayRollup, BeginsAnewWithNothing) {
  DayRollup rollup;
  rollup.begin(kDay);
  rollup.add(reading(0, kNan));
  rollup.begin(kDay);
  EXPECT_FALSE(rollup.stands_for(1));
  rollup.add(reading(0, 1));
  EXPECT_TRUE(rollup.stands_for(1));
  EXPECT_FALSE(rollup.stands_for(2));
}

// Against maps, over drawn readings: what is decoded is what was added, and numbers add up in any grouping.
TEST(DayRollup, IsDecodedAsItWasEncoded) {
  std::mt19937_64 random(4711);
  for (int round = 0; round < 200; ++round) {
    DayRollup rollup;
    rollup.begin(kDay);
    RollupNumbers all;
    std::map<std::tuple<int, int>, std::int64_t> counts;
    Micros at = 0;
    while ((at += static_cast<Micros>(random() % (kMicrosPerHour / 2))) < kMicrosPerDay) {
      const double value = static_cast<double>(random() % 1000);
      const auto source = static_cast<std::int16_t>(random() % 3 - 1);
      rollup.add(reading(at, value, source, random() % 2 ? kNan : value / 3, static_cast<std::int64_t>(random() >> 1),
                         static_cast<std::int16_t>(random())));
      all.add(value);
      ++counts[{source, static_cast<int>(at / kMicrosPerHour)}];
    }
    const std::string bytes = encoded(rollup);
    RollupDecoder decoder(bytes, kDay);
    ASSERT_TRUE(decoder.is_known());
    RollupEntry entry;
    RollupNumbers sum;
    std::size_t i = 0;
    for (; decoder.next(&entry); ++i) {
      ASSERT_LT(i, rollup.entries().size());
      const RollupEntry& stored = rollup.entries()[i];
      EXPECT_EQ(entry.hour, stored.hour);
      EXPECT_EQ((counts[{entry.source_id, entry.hour}]), entry.values.count);
      expect_same(entry.values, stored.values);
      expect_same(entry.secondaries, stored.secondaries);
      EXPECT_EQ(entry.last.ts, stored.last.ts);
      EXPECT_EQ(entry.last.version, stored.last.version);
      EXPECT_EQ(entry.last.value, stored.last.value);
      EXPECT_EQ(entry.last.part, stored.last.part);
      EXPECT_EQ(std::isnan(entry.last.secondary), std::isnan(stored.last.secondary));
      if (!std::isnan(stored.last.secondary)) {
        EXPECT_EQ(entry.last.secondary, stored.last.secondary);
      }
      sum.add(entry.values);
    }
    EXPECT_EQ(i, rollup.entries().size());
    EXPECT_TRUE(decoder.is_whole());
    expect_same(sum, all);
  }
}

TEST(RollupDecoder, TellsWhatIsCutOffFromTheEnd) {
  DayRollup rollup;
  rollup.begin(kDay);
  rollup.add(reading(0, 1, 1, 2));
  rollup.add(reading(kMicrosPerHour, 1));
  const std::string bytes = encoded(rollup);
  int whole = 0;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);  // of its own, so that a sanitizer sees what is read behind it
    RollupDecoder decoder(cut, kDay);
    EXPECT_EQ(decoder.is_known(), size > 0);
    RollupEntry entry;
    while (decoder.next(&entry)) continue;
    whole += decoder.is_whole() ? 1 : 0;
  }
  EXPECT_EQ(whole, 3);  // none, the first, both
}

TEST(RollupDecoder, KnowsItsFormAlone) {
  EXPECT_FALSE(RollupDecoder("", kDay).is_known());
  EXPECT_FALSE(RollupDecoder("\x02", kDay).is_known());
  RollupDecoder decoder("\x02more", kDay);
  RollupEntry entry;
  EXPECT_FALSE(decoder.next(&entry));
  EXPECT_FALSE(decoder.is_whole());
}

}  // namespace
}  // namespace wearables
