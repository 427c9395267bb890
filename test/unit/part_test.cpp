// Fields that go into the part of a reading's key.
#include "core/parse/normalize.h"
#include "core/write/version.h"

#include "sample_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace wearables {
namespace {

using testing::mapping;
using testing::metric;

MappingSet pressure(std::vector<std::string> part_fields) {
  MappingSet set;
  set.metrics = {metric(1, "pressure", "mm[Hg]"), metric(2, "dose", "mg")};
  set.resources = {{"pressure", ResourceKind::kTimeseries, ""},
                   {"trip", ResourceKind::kSummary, "trips"},
                   {"day", ResourceKind::kSummary, "days", OnePer::kDay}};
  set.mappings = {mapping(1, "pressure", 1, {"value"}, {"timestamp"}), mapping(2, "trip", 1, {"value"}, {"timestamp"}),
                  mapping(3, "trip", 2, {"value"}, {"timestamp"}), mapping(4, "day", 1, {"value"}, {"timestamp"})};
  for (MappingDef& row : set.mappings) {
    if (row.metric_id == 1) row.part_fields = part_fields;
  }
  return set;
}

std::vector<std::int16_t> parts(const MappingSet& set, const char* resource, const std::string& body) {
  const auto plan = Plan::compile(set);
  EXPECT_TRUE(plan.ok());
  const auto result = normalize(*plan.value(), resource, body);
  EXPECT_TRUE(result.ok() && result.value().refused == 0) << body;
  std::vector<std::int16_t> found;
  for (const Sample& sample : result.value().samples) found.push_back(sample.part);
  return found;
}

std::string event(const std::vector<std::string>& samples, const std::string& source = R"("provider":"p")") {
  std::string list;
  for (const std::string& members : samples) {
    list +=
        (list.empty() ? "" : ",") + (R"({"timestamp":0,"value":120)" + (members.empty() ? "" : "," + members)) + '}';
  }
  return R"({"data":{"source":{)" + source + R"(},"data":[)" + list + "]}}";
}

bool all_differ(const std::vector<std::int16_t>& found) {
  return std::set<std::int16_t>(found.begin(), found.end()).size() == found.size();
}

TEST(Part, ReadingsThatAFieldTellsApartDiffer) {
  const MappingSet set = pressure({"grouping", "grouping.1", "grouping.3"});
  const auto found =
      parts(set, "pressure",
            event({"", R"("grouping":"a")", R"("grouping":["x","a"])", R"("grouping":["x",null,null,"a"])",
                   R"("grouping":["x","b",null,"a"])", R"("grouping":7)", R"("grouping":["x",7])"}));
  EXPECT_EQ(found.front(), kWholePart);
  EXPECT_TRUE(all_differ(found));
}

TEST(Part, IsThatOfNoFieldWhereNoneSays) {
  const MappingSet set = pressure({"grouping", "grouping.1", "grouping.3"});
  const auto found =
      parts(set, "pressure",
            event({R"("grouping":null)", R"("grouping":["x"])", R"("grouping":["unknown",null,null,null])",
                   R"("grouping":"")", R"("grouping":{})", R"("grouping":true)", R"("grouping":["x",""])"}));
  EXPECT_TRUE(std::all_of(found.begin(), found.end(), [](std::int16_t part) { return part == kWholePart; }));
}

TEST(Part, IsAFunctionOfTheTexts) {
  const MappingSet set = pressure({"a", "b"});
  const auto found = parts(set, "pressure",
                           event({R"("a":"x","b":"y")", R"("b":"y","a":"x")", R"("a":"x")", R"("a":"x","b":"y")",
                                  R"("a":"x1:1:y")", R"("a":"y","b":"x")"}));
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[3]);
  EXPECT_EQ(found[2], part_of("0:1:x"));
  EXPECT_NE(found[0], found[4]);
  EXPECT_NE(found[0], found[5]);
}

TEST(Part, ReadsTheSourceBesideTheSamples) {
  const MappingSet set = pressure({"source.workout_id"});
  const auto of = [&](const std::string& source) { return parts(set, "pressure", event({""}, source)).front(); };
  EXPECT_EQ(of(R"("provider":"p")"), kWholePart);
  EXPECT_NE(of(R"("provider":"p","workout_id":"w1")"), kWholePart);
  EXPECT_NE(of(R"("provider":"p","workout_id":"w1")"), of(R"("provider":"p","workout_id":"w2")"));
}

// Beside the document, which has a part already, or none where there is one a day.
TEST(Part, OfADocumentIsThatOfTheFieldsToo) {
  const MappingSet set = pressure({"leg"});
  const auto of = [&](const std::string& members) {
    return parts(set, "trip", R"({"data":{"source":{"provider":"p"},"timestamp":0,"value":1,)" + members + "}}");
  };
  EXPECT_EQ(of(R"("id":"t1")"), (std::vector<std::int16_t>{part_of("t1"), part_of("t1")}));
  EXPECT_EQ(of(R"("id":"t1","leg":"x")"), (std::vector<std::int16_t>{part_of("0:1:xt1"), part_of("t1")}));
  EXPECT_NE(of(R"("id":"t2","leg":"x")").front(), of(R"("id":"t1","leg":"x")").front());
  EXPECT_EQ(
      parts(set, "day",
            R"({"data":{"id":"d","date":"2024-05-04","source":{"provider":"p"},"timestamp":0,"value":1,"leg":"x"}})"),
      std::vector<std::int16_t>{part_of("0:1:x")});
}

TEST(Part, FieldsAreOfTheWholeRecord) {
  const auto plan = Plan::compile(pressure({"legs.*.id"}));
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().message, "mapping 1: \"legs.*.id\" is not a path of member names without *");
}

}  // namespace
}  // namespace wearables
