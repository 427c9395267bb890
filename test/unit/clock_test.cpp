#include "core/base/clock.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace wearables {
namespace {

constexpr Micros kSecond = kMicrosPerSecond;
constexpr Micros kNoon = 1'714'564'800 * kSecond;  // 2024-05-01T12:00:00Z
constexpr Micros kMidnight = kNoon - 12 * 3600 * kSecond;

struct Written {
  std::string text;
  Micros at;
  bool date_only;
  bool has_zone;
  int offset_minutes = 0;
};

const Written kReadable[] = {
    {"2024-05-01T12:00:00Z", kNoon, false, true},
    {"2024-05-01T12:00:00z", kNoon, false, true},
    {"2024-05-01t12:00:00+00:00", kNoon, false, true},
    {"2024-05-01 12:00:00-00:00", kNoon, false, true},
    {"2024-05-01T14:30:00+02:30", kNoon, false, true, 150},
    {"2024-05-01T14:30:00+0230", kNoon, false, true, 150},
    {"2024-05-01T14:00:00+02", kNoon, false, true, 120},
    {"2024-05-01T04:00:00-08", kNoon, false, true, -480},
    {"2024-05-01T17:45:00+05:45", kNoon, false, true, 345},
    {"2024-05-01T08:30:00.5-0330", kNoon + 500'000, false, true, -210},
    {"2024-05-02T11:59:00+23:59", kNoon, false, true, 1439},
    {"2024-05-01T12:00:00", kNoon, false, false},
    {"2024-05-01T12:00", kNoon, false, false},
    {"2024-05-01T12:00Z", kNoon, false, true},
    {"2024-05-01", kMidnight, true, false},
    {"2024-05-01T12:00:00.5Z", kNoon + 500'000, false, true},
    {"2024-05-01T12:00:00,25Z", kNoon + 250'000, false, true},
    {"2024-05-01T12:00:00.199497+00:00", kNoon + 199'497, false, true},
    {"2024-05-01T12:00:00.1234567899999Z", kNoon + 123'456, false, true},
    {"2024-05-01T12:00:00." + std::string(300, '9'), kNoon + 999'999, false, false},
    {"2024-05-01T24:00:00Z", kMidnight + 86'400 * kSecond, false, true},
    {"2024-05-01T24:00", kMidnight + 86'400 * kSecond, false, false},
    {"2016-12-31T23:59:60Z", 1'483'228'800 * kSecond, false, true},
    {"2024-02-29", 1'709'164'800 * kSecond, true, false},
    {"2000-02-29", 951'782'400 * kSecond, true, false},
    {"1970-01-01T00:00:00Z", 0, false, true},
    {"1969-12-31T23:59:59.5Z", -500'000, false, true},
    {"1900-01-01T00:00:00Z", kEarliestInstant, false, true},
    {"2200-01-01T00:00:00Z", kLatestInstant, false, true},
    {"0000-01-01", -62'167'219'200 * kSecond, true, false},
    {"9999-12-31T23:59:59Z", 253'402'300'799 * kSecond, false, true},
};

const char* const kUnreadable[] = {
    "",
    " ",
    "now",
    "2024",
    "2024-05",
    "2024-5-1",
    "24-05-01",
    "+2024-05-01",
    "-024-05-01",
    "2024-00-01",
    "2024-13-01",
    "2024-05-00",
    "2024-05-32",
    "2023-02-29",
    "1900-02-29",
    "2024-04-31",
    "2024-05-01T",
    "2024-05-01T1:00:00Z",
    "2024-05-01T12",
    "2024-05-01T12:00:",
    "2024-05-01T12:00:0Z",
    "2024-05-01T12:00:61Z",
    "2024-05-01T12:60:00Z",
    "2024-05-01T25:00:00Z",
    "2024-05-01T24:00:01Z",
    "2024-05-01T24:01:00Z",
    "2024-05-01T24:00:00.1Z",
    "2024-05-01T12:00:00.Z",
    "2024-05-01T12:00:00.Zx",
    "2024-05-01T12:00:00Zx",
    "2024-05-01T12:00:00+",
    "2024-05-01T12:00:00+2",
    "2024-05-01T12:00:00+02:",
    "2024-05-01T12:00:00+02:3",
    "2024-05-01T12:00:00+02:300",
    "2024-05-01T12:00:00+24:00",
    "2024-05-01T12:00:00+02:60",
    "2024-05-01T12:00:00 +02:00",
    "2024-05-01T12:00:-1Z",
    "2024/05/01",
    "20240501T120000Z",
    " 2024-05-01",
    "2024-05-01 ",
    "2024-05-01Z",
    "2024-05-01T12:00:00 UTC",
};

TEST(ParseInstant, ReadsWhatVendorsWrite) {
  for (const Written& written : kReadable) {
    const auto parsed = parse_instant(written.text);
    ASSERT_TRUE(parsed.has_value()) << written.text;
    EXPECT_EQ(parsed->at, written.at) << written.text;
    EXPECT_EQ(parsed->date_only, written.date_only) << written.text;
    EXPECT_EQ(parsed->has_zone, written.has_zone) << written.text;
    EXPECT_EQ(parsed->offset_minutes, written.offset_minutes) << written.text;
  }
}

TEST(ParseInstant, RefusesEverythingElse) {
  for (const char* text : kUnreadable) EXPECT_FALSE(parse_instant(text)) << text;
  EXPECT_FALSE(parse_instant(std::string_view("2024-05-01\0", 11)));
}

TEST(ParseInstant, ReadsNoPrefixAndNothingBehindTheView) {
  const std::string whole = "2024-05-01T12:00:00.5+02:00";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string cut = whole.substr(0, length);
    const auto of_view = parse_instant(std::string_view(whole).substr(0, length));
    const auto of_copy = parse_instant(cut);
    ASSERT_EQ(of_view.has_value(), of_copy.has_value()) << cut;
    EXPECT_EQ(of_view ? of_view->at : 0, of_copy ? of_copy->at : 0) << cut;
  }
}

// Whatever it read before: every pair of texts, and those that differ little.
TEST(InstantReader, ReadsWhatParseInstantReads) {
  std::vector<std::string> texts;
  for (const Written& written : kReadable) texts.emplace_back(written.text);
  for (const char* text : kUnreadable) texts.emplace_back(text);
  for (const char* time : {"00:00:00", "23:59:59", "24:00:00", "23:59:60", "12:0:000", "12:00-00"}) {
    for (const char* zone : {"", "Z", "+02:00", ".5+02:00", "+0200"}) {
      texts.push_back("2024-05-01T" + std::string(time) + zone);
      texts.push_back("2024-05-02T" + std::string(time) + zone);
    }
  }
  for (const std::string& before : texts) {
    for (const std::string& text : texts) {
      InstantReader reader;
      reader.read(before);
      const auto read = reader.read(text);
      const auto parsed = parse_instant(text);
      ASSERT_EQ(read.has_value(), parsed.has_value()) << text << " after " << before;
      if (!parsed) continue;
      EXPECT_EQ(read->at, parsed->at) << text << " after " << before;
      EXPECT_EQ(read->date_only, parsed->date_only) << text << " after " << before;
      EXPECT_EQ(read->has_zone, parsed->has_zone) << text << " after " << before;
      EXPECT_EQ(read->offset_minutes, parsed->offset_minutes) << text << " after " << before;
    }
  }
}

TEST(ParseOffset, ReadsIsoOffsetsEastOfUtc) {
  const struct {
    const char* text;
    int minutes;
  } offsets[] = {
      {"+01:00", 60},   {"+02:00", 120},     {"-0330", -210},      {"+05", 300},  {"+05:45", 345}, {"+14:00", 840},
      {"-12:00", -720}, {"+18:00", 18 * 60}, {"-18:00", -18 * 60}, {"+00:00", 0}, {"-00:00", 0},   {"Z", 0},
      {"z", 0}};
  for (const auto& offset : offsets) {
    const auto minutes = parse_offset(offset.text);
    ASSERT_TRUE(minutes.has_value()) << offset.text;
    EXPECT_EQ(*minutes, offset.minutes) << offset.text;
  }
}

TEST(ParseOffset, RefusesEverythingElse) {
  for (const char* text :
       {"",        "+",      "-",      "2",      "+2",        "02:00", "+02:",  "+02:3",     "+02:300",       "+2:00",
        "+02:60",  "+18:01", "-18:01", "+24:00", "+02:00:00", "UTC",   "UTC+2", "GMT+02:00", "Europe/Berlin", " +02:00",
        "+02:00 ", "+02 00", "Z0",     "<+02>-2"}) {
    EXPECT_FALSE(parse_offset(text)) << text;
  }
  EXPECT_FALSE(parse_offset(std::string_view("+02\0", 4)));
}

TEST(InstantFromEpoch, TellsTheUnitByMagnitude) {
  EXPECT_EQ(instant_from_epoch(1'714'564'800), kNoon);
  EXPECT_EQ(instant_from_epoch(1'714'564'800.25), kNoon + 250'000);
  EXPECT_EQ(instant_from_epoch(1'714'564'800'000.0), kNoon);
  EXPECT_EQ(instant_from_epoch(1'714'564'800'000'000.0), kNoon);
  EXPECT_EQ(instant_from_epoch(-1.5), -1'500'000);
  EXPECT_EQ(instant_from_epoch(-1'714'564'800'000.0), -kNoon);
  EXPECT_EQ(instant_from_epoch(0), 0);
}

TEST(InstantFromEpoch, RefusesWhatNoClockShows) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double number : {infinity, -infinity, std::nan(""), 1e300, -1e19}) {
    EXPECT_FALSE(instant_from_epoch(number)) << number;
  }
}

}  // namespace
}  // namespace wearables
