#include "core/json/field_set.h"
#include "core/parse/normalize.h"
#include "sample_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace wearables {
namespace {

std::unique_ptr<Plan> plan_with(std::vector<KnownFieldDef> known) {
  auto plan = Plan::compile({testing::sample_metrics(), testing::sample_units(), testing::sample_resources(),
                             testing::sample_mappings(), std::move(known)});
  EXPECT_TRUE(plan.ok());
  return plan.ok() ? std::move(plan).value() : nullptr;
}

std::unique_ptr<Plan> plan() {
  return plan_with({
      {"", "source.provider", {"oura", "garmin"}},
      {"", "source.type", {"ring", "watch"}},
      {"", "source.app_id", {}},
      {"", "id", {}},
      {"heartrate", "type", {"automatic"}},
      {"heartrate", "extra", {}},
      {"sleep", "state", {"tentative", "confirmed"}},
      {"sleep", "stream", {}},
      {"activity", "heart_rate.zones", {}},
  });
}

// "path" or "path=text", one behind the other, in the order of the alphabet.
std::string unknowns(std::string_view resource, std::string_view body) {
  auto batch = normalize(*plan(), resource, body);
  if (!batch.ok()) return batch.error().message;
  std::vector<std::string> seen;
  for (const Unknown& unknown : batch.value().unknowns) {
    seen.push_back(unknown.path + (unknown.text.empty() ? "" : "=" + unknown.text));
  }
  std::sort(seen.begin(), seen.end());
  std::string shown;
  for (const std::string& one : seen) shown += (shown.empty() ? "" : " ") + one;
  return shown;
}

std::string samples(std::string_view source, std::string_view list) {
  return R"({"event_type":"x","new_in_the_envelope":1,"data":{"new_beside":1,"source":)" + std::string(source) +
         R"(,"data":[)" + std::string(list) + "]}}";
}

// What a sample says of its source is not looked at, whatever it is.
TEST(Drift, ASourceInASampleIsSilent) {
  for (const char* source : {"null", "\"x\"", "7", "{\"new\":1}", "[{\"new\":1}]"}) {
    const std::string sample = R"({"timestamp":"2024-05-01T08:00:00Z","value":60,"source":)";
    EXPECT_EQ(unknowns("heartrate", samples(R"({"provider":"garmin","type":"watch"})", sample + source + "}")), "")
        << source;
  }
}

TEST(Drift, KnownIsSilent) {
  EXPECT_EQ(unknowns("heartrate", samples(R"({"provider":"garmin","type":"watch","slug":"","app_id":null})",
                                          R"({"id":1,"timestamp":"2024-05-01T08:00:00Z","unit":"bpm","value":60,
                                 "type":"automatic","extra":{"any":[{"thing":1}]}})")),
            "");
}

// They were read as no zone, silently. Whether a zone that looks like one is known the database decides.
TEST(Drift, WhatIsNoShapeOfAZone) {
  EXPECT_EQ(unknowns("heartrate", samples(R"({"provider":"garmin","type":"watch"})",
                                          R"({"timestamp":"2024-05-01T08:00:00Z","value":60,"time_zone":"Central Time"},
                                {"timestamp":"2024-05-01T08:01:00Z","value":60,"time_zone":"Central Time"},
                                {"timestamp":"2024-05-01T08:02:00Z","value":60,"time_zone":"Europe/Berlin"},
                                {"timestamp":"2024-05-01T08:03:00Z","value":60,"time_zone":"+02:00"})")),
            "time_zone=Central Time");
}

TEST(Drift, EachUnknownOnce) {
  EXPECT_EQ(unknowns("heartrate", samples(R"({"provider":"acme","type":"patch","colour":"red"})",
                                          R"({"timestamp":"2024-05-01T08:00:00Z","value":60,"trend":{"a":1}},
                                {"trend":2,"timestamp":"2024-05-01T08:01:00Z","type":"manual","value":60},
                                {"timestamp":"2024-05-01T08:02:00Z","type":"","value":60,"note":null})")),
            "note source.colour source.provider=acme source.type=patch trend type=manual");
}

TEST(Drift, SourceBehindTheSamplesIsReadAllTheSame) {
  EXPECT_EQ(unknowns("heartrate",
                     R"({"data":{"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60,"b":1}],
                         "source":{"provider":"oura","a":1}}})"),
            "b source.a");
}

TEST(Drift, GroupsOfARestPage) {
  EXPECT_EQ(unknowns("heartrate",
                     R"({"next":null,"groups":{"oura":[{"source":{"provider":"oura","type":"ring"},
                         "data":[{"timestamp":"2024-05-01T08:00:00Z","value":60,"b":1}]}]}})"),
            "b");
}

TEST(Drift, WithinObjectsAndDocuments) {
  EXPECT_EQ(unknowns("activity",
                     R"({"data":{"id":"a","calendar_date":"2024-05-01","source":{"provider":"oura","x":1},
                         "heart_rate":{"max_bpm":99,"p95_bpm":90,"zones":[1,{"two":2}]}}})"),
            "heart_rate.p95_bpm source.x");
  EXPECT_EQ(
      unknowns("sleep",
               R"({"event_type":"x","sleep":[{"id":"n","source":{"provider":"oura"},"state":"final","stream":{"a":1}},
                                  {"id":"m","source":{"provider":"acme"},"state":"final","snoring":3}]})"),
      "snoring source.provider=acme state=final");
}

TEST(Drift, WithinTheElementsOfAList) {
  EXPECT_EQ(unknowns("night",
                     R"({"data":{"id":"n","start":"2024-05-01T22:00:00Z","source":{"provider":"oura"},
                         "zones":[1,2,3,4,5,6,7],"warmth":[{"value":1,"now":{"value":2,"then":3}},{"place":"toe"}]}})"),
            "warmth.*.now.then warmth.*.place");
}

TEST(Drift, NamesAreShownAsTextIs) {
  const std::string name(200, 'n');
  const std::string seen = unknowns("heartrate", samples(R"({"provider":"oura"})", "{\"" + name + R"(":1,"a\nb":1})"));
  EXPECT_LT(seen.size(), 100U);
  EXPECT_EQ(seen.find('\n'), std::string::npos);
  EXPECT_NE(seen.find(name.substr(0, 50)), std::string::npos);
}

TEST(Drift, NoBodyTellsOfMoreThanTheLimit) {
  std::string members;
  for (int i = 0; i < 500; ++i) members += "\"m" + std::to_string(i) + "\":1,";
  const auto batch =
      normalize(*plan(), "heartrate", samples(R"({"provider":"oura"})", "{" + members + R"("value":60})"));
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch.value().unknowns.size(), kMaxUnknowns);
}

TEST(Drift, RowsThatCannotBe) {
  for (const char* path : {"", "a..b", "a.*.b", "*"}) {
    const auto compiled = Plan::compile({{}, {}, {}, {}, {{"", path, {}}}});
    EXPECT_FALSE(compiled.ok()) << path;
  }
}

}  // namespace
}  // namespace wearables
