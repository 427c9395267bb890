// Fields that extend the name of a metric.
#include "core/parse/normalize.h"

#include "sample_plan.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace wearables {
namespace {

using testing::mapping;
using testing::metric;

MappingSet insulin(std::vector<std::string> extends, std::string name = "insulin") {
  MappingSet set;
  set.metrics = {metric(1, name, "[IU]", 0, 100), metric(2, name + "/rapid/mode=basal", "[IU]", 0, 1)};
  set.resources = {{"insulin", ResourceKind::kTimeseries, ""}};
  set.mappings = {mapping(17, "insulin", 1, {"value"}, {"timestamp"})};
  set.mappings[0].extends = std::move(extends);
  return set;
}

// "name value; " for each reading, "! reason pointer detail; " for each refused one.
std::string read(const MappingSet& set, const std::string& samples, const std::string& source = R"("provider":"p")") {
  const auto plan = Plan::compile(set);
  if (!plan.ok()) return plan.error().message;
  const auto result =
      normalize(*plan.value(), "insulin", R"({"data":{"source":{)" + source + R"(},"data":[)" + samples + "]}}");
  if (!result.ok()) return result.error().message;
  const Batch& batch = result.value();
  std::ostringstream text;
  for (const Sample& sample : batch.samples) {
    text << (sample.metric > 0 ? set.metrics[static_cast<std::size_t>(sample.metric) - 1].name
                               : batch.new_metrics[static_cast<std::size_t>(~sample.metric)].name)
         << ' ' << sample.value << "; ";
  }
  for (const Rejected& rejected : batch.rejected) {
    text << "! " << reason_name(rejected.reason) << ' ' << rejected.pointer << ' ' << rejected.detail << "; ";
  }
  return text.str();
}

std::string sample(const std::string& members, const char* value = "4") {
  return R"({"timestamp":0,"value":)" + std::string(value) + (members.empty() ? "" : ",") + members + '}';
}

TEST(Extension, JoinsWhatThereIsInTheOrderOfTheRow) {
  const MappingSet set = insulin({"type", "mode", "purpose"});
  EXPECT_EQ(read(set, sample(R"("mode":"bolus","purpose":"meal","type":"rapid")") + "," + sample(R"("mode":"bolus")") +
                          "," + sample(R"("purpose":"meal","mode":null,"type":"")") + "," + sample("") + "," +
                          sample(R"("type":"insulin/rapid","mode":"bolus")") + "," + sample(R"("type":"insulin/")")),
            "insulin/rapid/mode=bolus/purpose=meal 4; insulin/mode=bolus 4; insulin/purpose=meal 4; insulin 4; "
            "insulin/rapid/mode=bolus 4; insulin/insulin/ 4; ");
  EXPECT_EQ(read(insulin({"mode", "type"}), sample(R"("mode":"bolus","type":"rapid")")),
            "insulin/mode=bolus/rapid 4; ");
  EXPECT_EQ(read(insulin({}), sample(R"("mode":"bolus","type":"rapid")")), "insulin 4; ");
}

TEST(Extension, ARowOfTheNameGivesTheRange) {
  const MappingSet set = insulin({"type", "mode"});
  EXPECT_EQ(read(set, sample(R"("type":"rapid","mode":"basal")", "0.2") + "," +
                          sample(R"("type":"rapid","mode":"basal")", "4") + "," +
                          sample(R"("type":"rapid","mode":"bolus")", "4")),
            "insulin/rapid/mode=basal 0.2; insulin/rapid/mode=bolus 4; ! out_of_range /data/data/1/value ; ");
}

TEST(Extension, ReadsTheSourceBesideTheSamples) {
  EXPECT_EQ(read(insulin({"source.sport"}), sample(""), R"("provider":"p","sport":"running")"),
            "insulin/source.sport=running 4; ");
  EXPECT_EQ(read(insulin({"source.sport"}), sample(R"("source":{"sport":"x"})"), R"("provider":"p","sport":null)"),
            "insulin 4; ");
}

// The table takes 100 characters behind the first slash of a name.
TEST(Extension, RefusesWhatMakesNoName) {
  const std::string half(49, 'x');
  const std::string fits = R"("type":")" + half + R"(","a":")" + std::string(48, 'y') + '"';
  const std::string too_long = R"("type":")" + half + R"(","a":")" + std::string(49, 'y') + '"';
  EXPECT_EQ(read(insulin({"type", "a"}), sample(fits)), "insulin/" + half + "/a=" + std::string(48, 'y') + " 4; ");
  EXPECT_EQ(read(insulin({"type", "a"}), sample(too_long)).substr(0, 32), "! missing_type /data/data/0 xxxx");
  EXPECT_EQ(read(insulin({"type", "a"}, "pen/b"), sample(fits)).substr(0, 14), "! missing_type");
  EXPECT_EQ(read(insulin({"type", "a"}), sample(R"("type":"rapid","a":7)")), "! missing_type /data/data/0/a ; ");
  EXPECT_EQ(read(insulin({"type", "a"}), sample(R"("type":"a\nb")")), "! missing_type /data/data/0/type a?b; ");
  EXPECT_EQ(read(insulin({"doses.*.type"}), ""),
            "mapping 17: \"doses.*.type\" is not a path of member names without *");
}

TEST(Extension, HasABoundOnNames) {
  std::string samples;
  for (std::size_t i = 0; i <= kMaxMetricNames; ++i) {
    samples += (i == 0 ? "" : ",") + sample(R"("mode":"m)" + std::to_string(i) + '"');
  }
  const std::string text = read(insulin({"type", "mode"}), samples);
  EXPECT_EQ(text.substr(text.find('!')), "! too_many_names /data/data/500 mode=m500; ");
}

}  // namespace
}  // namespace wearables
