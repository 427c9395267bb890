#include "core/vendor/junction.h"
#include "core/vendor/pull_api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

namespace wearables {
namespace {

const PullApi& api() { return *kJunction.pull; }

Micros at(std::string_view text) { return parse_instant(text)->at; }

PullQuestion heartrate() {
  return {.base_url = "https://api.eu.junction.com",
          .path = "/v2/timeseries/{user_id}/heartrate/grouped",
          .range = RangeStyle::kInstants,
          .external_user_id = "11111111-1111-4111-8111-111111111111",
          .provider = "oura",
          .from = at("2026-03-01T00:00:00Z"),
          .to = at("2026-03-29T01:30:00.5Z"),
          .cursor = ""};
}

// The digits of percent codes are of either case, by libcurl's version.
std::string url_of(const PullQuestion& question) {
  const auto url = page_url(api(), question);
  if (!url.ok()) return url.error().message;
  std::string text = url.value();
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    if (text[i] != '%') continue;
    text[i + 1] = static_cast<char>(std::tolower(text[i + 1]));
    text[i + 2] = static_cast<char>(std::tolower(text[i + 2]));
  }
  return text;
}

TEST(PageUrl, OfEachStyle) {
  PullQuestion question = heartrate();
  const std::string path =
      "https://api.eu.junction.com/v2/timeseries/11111111-1111-4111-8111-111111111111/heartrate/grouped";
  EXPECT_EQ(url_of(question), path +
                                  "?start_date=2026-03-01T00%3a00%3a00%2b00%3a00"
                                  "&end_date=2026-03-29T01%3a30%3a00.500000%2b00%3a00&provider=oura");
  question.cursor = "a b&c=d";
  question.provider = "";
  EXPECT_EQ(url_of(question), path +
                                  "?start_date=2026-03-01T00%3a00%3a00%2b00%3a00"
                                  "&end_date=2026-03-29T01%3a30%3a00.500000%2b00%3a00&next_cursor=a+b%26c%3dd");
  question = heartrate();
  question.range = RangeStyle::kDates;
  question.path = "/v2/summary/sleep_cycle/{user_id}";
  EXPECT_EQ(url_of(question),
            "https://api.eu.junction.com/v2/summary/sleep_cycle/11111111-1111-4111-8111-111111111111"
            "?start_date=2026-03-01&end_date=2026-03-29&provider=oura");
  question.to = at("2026-03-29T00:00:00Z");
  EXPECT_NE(url_of(question).find("end_date=2026-03-28"), std::string::npos)
      << "the end is exclusive here, inclusive there";
  question.range = RangeStyle::kWhole;
  question.from = question.to = kNoInstant;
  question.path = "/v2/summary/profile/{user_id}";
  EXPECT_EQ(url_of(question),
            "https://api.eu.junction.com/v2/summary/profile/11111111-1111-4111-8111-111111111111?provider=oura");
}

TEST(PageUrl, AnIdCannotLeaveItsPlace) {
  PullQuestion question = heartrate();
  question.path = "/v2/summary/profile/{user_id}";
  question.range = RangeStyle::kWhole;
  question.provider = "";
  question.external_user_id = "../../team?x=1#y/%2e";
  EXPECT_EQ(url_of(question), "https://api.eu.junction.com/v2/summary/profile/..%2f..%2fteam%3fx%3d1%23y%2f%252e");
}

TEST(PageUrl, WhatCannotBeAsked) {
  PullQuestion question = heartrate();
  question.to = question.from;
  EXPECT_FALSE(page_url(api(), question).ok()) << "empty";
  question = heartrate();
  std::swap(question.from, question.to);
  EXPECT_FALSE(page_url(api(), question).ok()) << "reversed";
  question = heartrate();
  question.to = kNoInstant;
  EXPECT_FALSE(page_url(api(), question).ok()) << "no end";
  question = heartrate();
  question.path = "/v2/summary/profile";
  EXPECT_FALSE(page_url(api(), question).ok()) << "no user";
  question = heartrate();
  question.base_url = "http://api.eu.junction.com";
  EXPECT_FALSE(page_url(api(), question).ok()) << "no TLS";
}

TEST(NextCursor, EndsAndGoesOn) {
  const auto cursor = [](std::string_view body) {
    const auto result = next_cursor(api(), body);
    return result.ok() ? result.value() : "error: " + result.error().message;
  };
  EXPECT_EQ(cursor(R"({"groups":{},"next_cursor":"abc","next":"abc"})"), "abc");
  EXPECT_EQ(cursor(R"({"next_cursor":"abc","groups":{"oura":[{"source":{},"data":[{"next_cursor":"no"}]}]}})"), "abc");
  for (const char* end :
       {R"({"groups":{},"next_cursor":null})", R"({"groups":{}})", R"({"groups":{},"next_cursor":""})",
        R"({"groups":{},"next_cursor":"None"})", R"({"sleep":[]})", R"([{"next_cursor":"abc"}])", "{}", "[]"}) {
    EXPECT_EQ(cursor(end), "") << end;
  }
  EXPECT_NE(cursor(R"({"next_cursor":12})").find("error"), std::string::npos);
  EXPECT_NE(cursor(R"({"next_cursor":{"a":1}})").find("error"), std::string::npos);
  EXPECT_NE(cursor("{\"next_cursor\":\"" + std::string(kMaxCursor + 1, 'x') + "\"}").find("error"), std::string::npos);
  EXPECT_EQ(cursor("{\"next_cursor\":\"" + std::string(kMaxCursor, 'x') + "\"}"), std::string(kMaxCursor, 'x'));
  for (const char* broken : {"", "<html>", R"({"groups":{},"next_cursor":"abc")", R"({"groups":{}} x)", "\xff"}) {
    const auto result = next_cursor(api(), broken);
    ASSERT_FALSE(result.ok()) << broken;
    EXPECT_EQ(result.error().code, Code::kInvalidJson) << broken;
  }
}

TEST(Refusal, InTheVendorsWords) {
  EXPECT_EQ(refusal_of(api(), R"({"detail":"user not found"})"), "user not found");
  EXPECT_EQ(refusal_of(api(), R"({"detail":[{"loc":["query","start_date"],"msg":"field required","type":"missing"}]})"),
            "field required");
  EXPECT_EQ(refusal_of(api(), R"({"detail":{"error":"x","msg":"no such provider"}})"), "no such provider");
  EXPECT_EQ(refusal_of(api(), R"({"message":"Forbidden"})"), "Forbidden");
  EXPECT_EQ(refusal_of(api(), "<html>"), "");
  EXPECT_EQ(refusal_of(api(), R"({"detail":12})"), "");
  EXPECT_EQ(refusal_of(api(), "{\"detail\":\"" + std::string(1000, 'x') + "\"}").size(), 200U);
  EXPECT_EQ(refusal_of(api(), R"({"detail":"a\u0000b\nc"})"), "a?b?c");
}

TEST(RangeStyle, ByName) {
  EXPECT_EQ(range_style_of("instants"), RangeStyle::kInstants);
  EXPECT_EQ(range_style_of("dates"), RangeStyle::kDates);
  EXPECT_EQ(range_style_of("none"), RangeStyle::kWhole);
  EXPECT_EQ(range_style_of("Dates"), std::nullopt);
}

}  // namespace
}  // namespace wearables
