#include "core/parse/mapping.h"
#include "core/parse/normalize.h"

#include "sample_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

namespace wearables {
namespace {

using testing::mapping;
using testing::metric;

MappingSet small_set() {
  MappingSet set;
  set.metrics = {metric(1, "heartrate", "bpm")};
  set.units = {{1, "Hz", 60, 0}};
  set.resources = {{"heartrate", ResourceKind::kTimeseries, ""},
                   {"sleep", ResourceKind::kSummary, "sleep"},
                   {"note", ResourceKind::kSkipped, ""}};
  set.mappings = {mapping(17, "heartrate", 1, {"value"}, {"timestamp"})};
  return set;
}

struct Broken {
  std::function<void(MappingSet&)> spoil;
  const char* message;
};

const Broken kBroken[] = {
    {[](MappingSet& set) { set.mappings[0].metric_id = 9; }, "mapping 17: there is no metric 9"},
    {[](MappingSet& set) { set.mappings[0].resource = "heart"; }, "mapping 17: there is no resource \"heart\""},
    {[](MappingSet& set) { set.mappings[0].value_fields.clear(); }, "mapping 17: it has no value field"},
    {[](MappingSet& set) { set.mappings[0].instant_fields.clear(); }, "mapping 17: it has no instant field"},
    {[](MappingSet& set) {
       set.mappings[0].value_fields = {"value", ""};
     },
     "mapping 17: \"\" is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].instant_fields = {"a..b"}; },
     "mapping 17: \"a..b\" is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].end_field = ".end"; }, "mapping 17: \".end\" is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].secondary_field = "x."; },
     "mapping 17: \"x.\" is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].unit_field = "a\\b"; },
     "mapping 17: \"a\\b\" is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].value_fields = {std::string(61, 'x')}; }, "is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].base_field = "*.start"; },
     "mapping 17: \"*.start\" is not a path of member names"},
    {[](MappingSet& set) { set.mappings[0].instant_fields = {"times.*"}; },
     "mapping 17: either all value fields contain a *, or none does"},
    {[](MappingSet& set) {
       set.mappings[0].value_fields = {"values.*", "value"};
     },
     "mapping 17: either all value fields contain a *, or none does"},
    {[](MappingSet& set) { set.mappings[0].sum_field = "total"; }, "sum_field must contain a *"},
    {[](MappingSet& set) {
       set.mappings[0].sum_field = "foods.*.value";
       set.mappings[0].value_fields = {"meals.*.value"};
     },
     "sum_field cannot be combined with * in value_fields"},
    {[](MappingSet& set) { set.metrics.push_back(metric(1, "again", "")); }, "metric 1: stands twice"},
    {[](MappingSet& set) { set.metrics.push_back(metric(0, "zero", "")); }, "metric 0: its number is not positive"},
    {[](MappingSet& set) { set.metrics[0].name.clear(); }, "metric 1: has no name"},
    {[](MappingSet& set) { set.metrics[0].lowest = std::nan(""); }, "metric 1: its lowest value is above its highest"},
    {[](MappingSet& set) {
       set.units.push_back({7, "x", 1, 0});
     },
     "unit \"x\" of metric 7: there is no such metric"},
    {[](MappingSet& set) { set.units[0].factor = 0; }, "unit \"Hz\" of metric 1: factor"},
    {[](MappingSet& set) { set.units[0].offset = std::numeric_limits<double>::infinity(); },
     "unit \"Hz\" of metric 1: factor"},
    {[](MappingSet& set) { set.units[0].text.clear(); }, "unit \"\" of metric 1: has no text"},
    {[](MappingSet& set) { set.resources.push_back(set.resources[0]); }, "resource \"heartrate\": stands twice"},
    {[](MappingSet& set) { set.resources[0].name.clear(); }, "resource \"\": has no name"},
};

TEST(PlanCompile, NamesTheRowThatIsBroken) {
  for (const Broken& broken : kBroken) {
    MappingSet set = small_set();
    broken.spoil(set);
    const auto plan = Plan::compile(set);
    ASSERT_FALSE(plan.ok()) << broken.message;
    EXPECT_EQ(plan.error().code, Code::kInvalidMapping) << broken.message;
    EXPECT_NE(plan.error().message.find(broken.message), std::string::npos) << plan.error().message;
  }
}

TEST(PlanCompile, AsksNothingOfARowThatIsOff) {
  MappingSet set = small_set();
  set.mappings[0].enabled = false;
  set.mappings[0].value_fields.clear();
  set.mappings[0].instant_fields = {""};
  EXPECT_TRUE(Plan::compile(set).ok());
}

// A row with a unit that nobody can convert must not take the others down with it.
TEST(PlanCompile, AnUnknownUnitIsTheFaultOfItsRowAlone) {
  MappingSet set = small_set();
  set.metrics.push_back(metric(2, "hrv", "ms"));
  set.mappings[0].unit_default = "furlong";
  set.mappings[0].unit_field = "unit";
  set.mappings.push_back(mapping(18, "heartrate", 2, {"hrv"}, {"timestamp"}));
  set.mappings[1].unit_up_to_one = "mile";
  const auto plan = Plan::compile(set);
  ASSERT_TRUE(plan.ok());
  const auto batch =
      normalize(*plan.value(), "heartrate",
                R"({"source":{"provider":"p"},"data":[)"
                R"({"timestamp":0,"value":60,"hrv":40},{"timestamp":0,"value":1,"unit":"Hz","hrv":0.5}]})");
  ASSERT_TRUE(batch.ok());
  std::string text;
  for (const Rejected& rejected : batch.value().rejected) {
    text += std::string(reason_name(rejected.reason)) + ' ' + rejected.pointer + ' ' + rejected.detail + '\n';
  }
  EXPECT_EQ(text, "unknown_unit /data/0 furlong\nunknown_unit /data/1 mile\n");
  ASSERT_EQ(batch.value().samples.size(), 2U);
  EXPECT_EQ(batch.value().samples[0].value, 40);
  EXPECT_EQ(batch.value().samples[1].value, 60);
}

TEST(PlanCompile, NothingIsAPlanToo) {
  const auto plan = Plan::compile({});
  ASSERT_TRUE(plan.ok());
  bool known = true;
  EXPECT_EQ(plan.value()->kind("heartrate", &known), ResourceKind::kSkipped);
  EXPECT_FALSE(known);
}

TEST(PlanKind, TellsSkippedFromUnknown) {
  const auto plan = Plan::compile(small_set());
  ASSERT_TRUE(plan.ok());
  const struct {
    const char* resource;
    ResourceKind kind;
    bool known;
  } cases[] = {{"heartrate", ResourceKind::kTimeseries, true},
               {"sleep", ResourceKind::kSummary, true},
               {"note", ResourceKind::kSkipped, true},
               {"hear", ResourceKind::kSkipped, false}};
  for (const auto& one : cases) {
    bool known = !one.known;
    EXPECT_EQ(plan.value()->kind(one.resource, &known), one.kind) << one.resource;
    EXPECT_EQ(known, one.known) << one.resource;
    EXPECT_EQ(plan.value()->kind(one.resource, nullptr), one.kind) << one.resource;
  }
}

}  // namespace
}  // namespace wearables
