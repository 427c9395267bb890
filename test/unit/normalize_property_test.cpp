#include "normalize_case.h"

#include <algorithm>
#include <string>
#include <vector>

namespace wearables {
namespace {

using testing::plan;
using testing::readings;

// Any field of any record, replaced by any JSON value: nothing is thrown, every reading is a sample
// or a refusal, and the records beside it give what they gave before.

const char* const kValues[] = {
    "null",
    "true",
    "false",
    "0",
    "-0.0",
    "-1",
    "61",
    "1e400",
    "-1e400",
    "1e-400",
    "99999999999999999999999999",
    "1714564800",
    "\"\"",
    "\"61\"",
    "\"bpm\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\\"\"",
    "\"\xC3\xA9\"",
    "\"2024-05-01\"",
    "\"2024-05-01T12:00:00\"",
    "[]",
    "[[]]",
    "[1,{}]",
    "{}",
    R"({"data":[]})",
    R"({"value":1,"value":2})",
    R"({"provider":"p","type":{}})",
    R"([{"data":[{"value":1}],"source":{}}])",
};

// <value> marks what is replaced.
struct Record {
  const char* resource;
  std::string text;
};

const Record kRecords[] = {
    {"heartrate",
     R"({"timestamp":<"2024-05-01T12:00:00Z">,"start":<null>,"value":<61>,"unit":<"bpm">,"type":<null>,"timezone_offset":<3600>,"time_zone":<null>})"},
    {"blood_pressure",
     R"({"timestamp":<"2024-05-01T12:00:00Z">,"systolic":<120>,"diastolic":<80>,"unit":<"mmHg">,"grouping":<["cuff",null]>})"},
    {"steps", R"({"start":<"2024-05-01T12:00:00Z">,"end":<"2024-05-01T13:00:00Z">,"value":<61>,"unit":<"count">})"},
    {"cholesterol", R"({"timestamp":<"2024-05-01T12:00:00Z">,"value":<1.5>,"unit":<"mmol/L">,"type":<"hdl">})"},
    {"sleep",
     R"({"id":<"d">,"source":<{"provider":"oura","type":"ring"}>,"bedtime_stop":<"2024-05-01T12:00:00Z">,"date":<"2024-05-01">,"hr_lowest":<47>,"hr_average":<53>,"average_hrv":<61>,"respiratory_rate":<14>,"timezone_offset":<7200>,"time_zone":<null>,"updated_at":<"2024-05-01T12:00:00Z">})"},
    {"night",
     R"({"id":<"d">,"source":<{"provider":"oura"}>,"start":<"2024-05-01T22:00:00">,"starts":<[0,60]>,"ends":<[60,90]>,"stages":<[1,2]>,"zones":<[60,2]>,"efficiency":<0.9>,"warmth":<[{"value":36}]>})"},
    {"night",
     R"({"id":"d","source":{"provider":"oura"},"start":"2024-05-01T22:00:00","starts":[0,<60>],"ends":[60,<90>],"stages":[1,<2>],"zones":[60,<2>],"warmth":[{"value":<36>,"unit":<"°C">,"date":<"2024-05-01">,"now":<{}>}]})"},
    {"activity",
     R"({"id":<"d">,"source":<{"provider":"oura"}>,"calendar_date":<"2024-05-01">,"heart_rate":<{"resting_bpm":52,"max_bpm":150}>,"steps":<9000>,"time_zone":<"Europe/Berlin">})"},
};

// The text with its `which`-th marked value replaced, the others as they are; empty when there is
// none.
std::string replaced(const std::string& text, std::size_t which, const std::string& by) {
  std::string result;
  std::size_t seen = 0;
  bool skipping = false;
  for (const char c : text) {
    if (c == '<') {
      skipping = seen++ == which;
      if (skipping) result += by;
    } else if (c == '>') {
      skipping = false;
    } else if (!skipping) {
      result += c;
    }
  }
  return which < seen ? result : std::string();
}

std::string plain(const std::string& text) {
  return replaced(text + "<>", static_cast<std::size_t>(std::count(text.begin(), text.end(), '<')), "");
}

// `text` between two records like it that are known to be good.
std::string body_of(const Record& record, const std::string& text) {
  const std::string list = "[" + plain(record.text) + "," + text + "," + plain(record.text) + "]";
  if (plan().kind(record.resource, nullptr) == ResourceKind::kSummary) return "{\"data\":" + list + "}";
  return R"({"data":{"data":)" + list + R"(,"source":{"provider":"oura"}}})";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(NormalizeProperty, OneBadFieldSpoilsOneRecord) {
  for (const Record& record : kRecords) {
    const auto good = lines_of(readings(record.resource, body_of(record, plain(record.text))));
    ASSERT_EQ(good.size() % 3, 0U) << record.resource;
    const auto each = static_cast<std::ptrdiff_t>(good.size() / 3);
    ASSERT_GT(each, 0) << record.resource;
    for (const char* value : kValues) {
      for (std::size_t which = 0;; ++which) {
        const std::string text = replaced(record.text, which, value);
        if (text.empty()) break;
        const auto lines = lines_of(readings(record.resource, body_of(record, text)));
        ASSERT_GE(lines.size(), static_cast<std::size_t>(2 * each)) << text;
        EXPECT_TRUE(std::equal(good.begin(), good.begin() + each, lines.begin())) << text;
        EXPECT_TRUE(std::equal(good.end() - each, good.end(), lines.end() - each)) << text;
      }
    }
  }
}

TEST(NormalizeProperty, WhatStandsAroundTheRecordsMayBeAnything) {
  const std::string bodies[] = {
      R"(<{"event_type":<"e">,"data":<{"source":<{"provider":<"oura">,"type":<"ring">}>,"data":<[{"timestamp":"2024-05-01","value":61}]>}>}>)",
      R"(<{"groups":<{"oura":<[<{"source":<{"provider":"p"}>,"data":<[{"timestamp":"2024-05-01","value":61}]>}>]>}>,"next":<null>}>)",
      R"(<{"data":<{"id":"d","source":{"provider":"oura"},"data":<{"Apple":{}}>}>,"sleep":<[{"id":"e"}]>}>)",
  };
  // Nested marks: the innermost text without marks of its own is replaced, one mark at a time.
  for (const std::string& body : bodies) {
    for (std::size_t open = body.find('<'); open != std::string::npos; open = body.find('<', open + 1)) {
      std::size_t close = open;
      for (int depth = 0; close < body.size(); ++close) {
        depth += body[close] == '<' ? 1 : body[close] == '>' ? -1 : 0;
        if (depth == 0) break;
      }
      for (const char* value : kValues) {
        std::string text = body.substr(0, open) + value + body.substr(close + 1);
        std::erase_if(text, [](char c) { return c == '<' || c == '>'; });
        for (const char* resource : {"heartrate", "cholesterol", "sleep", "meal", "profile"}) {
          EXPECT_EQ(readings(resource, text).find("JSON"), std::string::npos) << text;
        }
      }
    }
  }
}

}  // namespace
}  // namespace wearables
