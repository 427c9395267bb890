// Rows with a condition and channels of their own: which row reads which record.
#include "core/parse/normalize.h"

#include "sample_plan.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>

namespace wearables {
namespace {

using testing::mapping;
using testing::metric;

enum : std::int16_t { kHeartrate = 1, kGlucose, kBlood, kInterstitial };

MappingSet base_set() {
  MappingSet set;
  set.metrics = {metric(kHeartrate, "heartrate", "/min", 10, 400), metric(kGlucose, "glucose", "mmol/L"),
                 metric(kBlood, "glucose/blood", "mmol/L"),
                 metric(kInterstitial, "glucose/interstitial_fluid", "mmol/L")};
  set.metrics[2].parent = "glucose";
  set.metrics[3].parent = "glucose";
  set.resources = {{"sleep", ResourceKind::kSummary, "sleep"}, {"glucose", ResourceKind::kTimeseries, ""}};
  return set;
}

MappingDef only_where(MappingDef row, std::string field, std::vector<std::string> texts) {
  row.only_where_field = std::move(field);
  row.only_where_texts = std::move(texts);
  return row;
}

MappingDef night(std::int32_t id, std::vector<std::string> values = {"hr"}) {
  return mapping(id, "sleep", kHeartrate, std::move(values), {"stop"});
}

MappingDef nap(std::int32_t id, std::vector<std::string> values = {"hr"}) {
  MappingDef row = only_where(night(id, std::move(values)), "type", {"acknowledged_nap"});
  row.channel = "nap";
  return row;
}

MappingDef blood_sugar(std::int32_t id, std::int16_t metric_id = kGlucose) {
  return mapping(id, "glucose", metric_id, {"value"}, {"timestamp"});
}

MappingSet with(std::vector<MappingDef> rows) {
  MappingSet set = base_set();
  set.mappings = std::move(rows);
  return set;
}

// "metric value channel; " for each reading in the order of the body, "! reason; " for each refused one behind them.
std::string read(const MappingSet& set, const char* resource, const std::string& body) {
  const auto plan = Plan::compile(set);
  if (!plan.ok()) return plan.error().message;
  const auto result = normalize(*plan.value(), resource, body);
  if (!result.ok()) return result.error().message;
  const Batch& batch = result.value();
  std::ostringstream text;
  for (const Sample& sample : batch.samples) {
    const auto& source = batch.sources[sample.source];
    text << set.metrics[static_cast<std::size_t>(sample.metric) - 1].name << ' ' << sample.value << ' '
         << source.channel << "; ";
  }
  for (const Rejected& rejected : batch.rejected) text << "! " << reason_name(rejected.reason) << "; ";
  return text.str();
}

std::string document(const std::string& members, const char* provider = "oura") {
  return R"({"data":{"id":"n","source":{"provider":")" + std::string(provider) + R"("},"stop":0,)" + members + "}}";
}

std::string sleep(const MappingSet& set, const std::string& members, const char* provider = "oura") {
  return read(set, "sleep", document(members, provider));
}

// Nights and naps were in one channel: the pulse of the day was an average of both.
TEST(Condition, GivesNapsAChannelOfTheirOwn) {
  const MappingSet set = with({night(1), nap(2)});
  EXPECT_EQ(sleep(set, R"("type":"acknowledged_nap","hr":60)"), "heartrate 60 nap; ");
  for (const char* type : {R"("long_sleep")", R"("short_sleep")", R"("unknown")", R"("siesta")", "null", "7", "{}",
                           "true", "NaN", R"("")"}) {
    EXPECT_EQ(sleep(set, R"("hr":48,"type":)" + std::string(type)), "heartrate 48 sleep; ") << type;
  }
  EXPECT_EQ(sleep(set, R"("hr":48)"), "heartrate 48 sleep; ");
}

// A row that holds takes the record, whatever it finds in it.
TEST(Condition, TheFirstThatHoldsReads) {
  MappingSet set = with({night(1), nap(5, {"first"}), nap(4, {"second"}), nap(3, {"third"})});
  set.mappings[3].ordinal = 1;
  set.mappings[2].only_where_texts = {"acknowledged_nap", "doze"};
  EXPECT_EQ(sleep(set, R"("type":"acknowledged_nap","hr":1,"first":51,"second":52,"third":53)"), "heartrate 52 nap; ");
  EXPECT_EQ(sleep(set, R"("type":"acknowledged_nap","hr":1,"first":51,"third":53)"), "");
  set.mappings[2].ordinal = 2;
  EXPECT_EQ(sleep(set, R"("type":"acknowledged_nap","hr":1,"first":51,"second":52,"third":53)"), "heartrate 51 nap; ");
  EXPECT_EQ(sleep(set, R"("type":"doze","first":51,"second":52)"), "heartrate 52 nap; ");
}

TEST(Condition, ComparesANumberAsItIsWritten) {
  const MappingSet set = with({only_where(night(1), "state", {"7", "x"})});
  EXPECT_EQ(sleep(set, R"("state":7,"hr":60)"), "heartrate 60 sleep; ");
  EXPECT_EQ(sleep(set, R"("state":"7","hr":60)"), "heartrate 60 sleep; ");
  EXPECT_EQ(sleep(set, R"("state":7.0,"hr":60)"), "");
  EXPECT_EQ(sleep(set, R"("state":8,"hr":60)"), "");
}

TEST(Condition, AProvidersRowsTakeThePlaceOfThoseOfTheirChannel) {
  MappingSet set = with({night(1), nap(2), night(3, {"average"}), nap(4, {"average"})});
  set.mappings[2].provider = "whoop";
  set.mappings[3].provider = "oura";
  const char* both = R"("hr":60,"average":70)";
  const std::string a_nap = R"("type":"acknowledged_nap",)" + std::string(both);
  EXPECT_EQ(sleep(set, both, "garmin") + sleep(set, a_nap, "garmin"), "heartrate 60 sleep; heartrate 60 nap; ");
  EXPECT_EQ(sleep(set, both, "whoop") + sleep(set, a_nap, "whoop"), "heartrate 70 sleep; heartrate 60 nap; ");
  EXPECT_EQ(sleep(set, both, "oura") + sleep(set, a_nap, "oura"), "heartrate 60 sleep; heartrate 70 nap; ");
  // a row that is off still takes the place, and is not tried
  set.mappings[3].enabled = false;
  EXPECT_EQ(sleep(set, a_nap, "oura"), "heartrate 60 sleep; ");
  set.mappings[1].enabled = false;
  EXPECT_EQ(sleep(set, a_nap, "garmin"), "heartrate 60 sleep; ");
  set.mappings[2].enabled = false;
  EXPECT_EQ(sleep(set, both, "whoop"), "");
}

// The database refuses two of one provider; a general one in another channel waits for no condition either.
TEST(Condition, OneRowWithoutAConditionReads) {
  MappingSet set = with({night(1), night(2, {"average"}), night(3, {"average"})});
  set.mappings[0].channel = "general";
  set.mappings[1].provider = "oura";
  set.mappings[2].channel = "later";
  EXPECT_EQ(sleep(set, R"("hr":60,"average":70)"), "heartrate 70 sleep; ");
  EXPECT_EQ(sleep(set, R"("hr":60,"average":70)", "whoop"), "heartrate 60 general; ");
}

TEST(Condition, ACapillaryReadingIsNoneOfASensor) {
  MappingSet set = with({blood_sugar(1), only_where(blood_sugar(2, kInterstitial), "type", {"automatic"}),
                         only_where(blood_sugar(3, kBlood), "type", {"fingerprick"}),
                         only_where(blood_sugar(4, kInterstitial), "source.type", {"automatic"}),
                         only_where(blood_sugar(5, kBlood), "source.type", {"finger\"prick"})});
  set.mappings[3].ordinal = set.mappings[4].ordinal = 1;
  const auto event = [](const std::string& type, const std::string& source_type) {
    return R"({"data":{"source":{"provider":"p","type":)" + source_type +
           R"(},"data":[{"timestamp":0,"value":5,"type":)" + type + "}]}}";
  };
  const std::string sensor = "glucose/interstitial_fluid 5 timeseries; ";
  const std::string blood = "glucose/blood 5 timeseries; ";
  EXPECT_EQ(read(set, "glucose", event(R"("automatic")", R"("finger\"prick")")), sensor);
  EXPECT_EQ(read(set, "glucose", event(R"("fingerprick")", R"("automatic")")), blood);
  EXPECT_EQ(read(set, "glucose", event("null", R"("automatic")")), sensor);
  EXPECT_EQ(read(set, "glucose", event(R"("other")", R"("finger\"prick")")), blood);
  EXPECT_EQ(read(set, "glucose", event("null", "null")), "glucose 5 timeseries; ");
  // the source behind the samples, several of them, and none
  EXPECT_EQ(read(set, "glucose",
                 R"({"data":[{"data":[{"timestamp":0,"value":5}],"source":{"provider":"p","type":"automatic"}},
                                    {"source":{"provider":"q","type":"finger\"prick"},"data":[{"timestamp":0,"value":6},{"timestamp":0,"value":7}]},
                                    {"source":{"provider":"p"},"data":[{"timestamp":0,"value":8}]}]})"),
            sensor + "glucose/blood 6 timeseries; glucose/blood 7 timeseries; glucose 8 timeseries; ");
  EXPECT_EQ(read(set, "glucose", R"({"groups":{"p":[{"data":[{"timestamp":0,"value":5}]}]}})"),
            "glucose 5 timeseries; ");
}

TEST(Condition, RefusesASampleOnlyWhereARowCouldHaveReadIt) {
  const MappingSet set = with({only_where(blood_sugar(1), "type", {"lab"})});
  const auto event = [](const char* sample) {
    return R"({"data":{"source":{"provider":"p"},"data":[)" + std::string(sample) + "]}}";
  };
  EXPECT_EQ(read(set, "glucose", event(R"({"timestamp":0,"value":5,"type":"lab"})")), "glucose 5 timeseries; ");
  EXPECT_EQ(read(set, "glucose", event(R"({"timestamp":0,"type":"lab"})")), "! missing_value; ");
  EXPECT_EQ(read(set, "glucose", event(R"({"timestamp":0,"value":5,"type":"home"})")), "");
}

TEST(Condition, AChannelMeansNothingToATimeseries) {
  MappingSet set = with({blood_sugar(1)});
  set.mappings[0].channel = "sensor";
  EXPECT_EQ(read(set, "glucose", R"({"data":{"source":{"provider":"p"},"data":[{"timestamp":0,"value":5}]}})"),
            "glucose 5 timeseries; ");
}

// Sources are counted with their channels, those alone that have a reading or a document.
TEST(Condition, ChannelsCountAsSources) {
  const MappingSet set = with({night(1), nap(2)});
  std::string documents;
  for (std::size_t i = 0; i < kMaxSources / 2; ++i) {
    const std::string number = std::to_string(i);
    documents += (i == 0 ? "" : ",") + (R"({"id":")" + number + R"(","type":"acknowledged_nap","hr":60,"stop":0,)") +
                 R"("source":{"provider":"p)" + number + R"("}})";
  }
  const auto readings = [&](const std::string& more) {
    return read(set, "sleep", R"({"sleep":[)" + documents + more + "]}");
  };
  const std::string all = readings("");
  EXPECT_EQ(all.find('!'), std::string::npos);
  EXPECT_EQ(readings(R"(,{"id":"n","type":"acknowledged_nap","hr":60,"stop":0,"source":{"provider":"p1"}})"),
            all + "heartrate 60 nap; ");
  EXPECT_EQ(readings(R"(,{"id":"n","hr":60,"stop":0,"source":{"provider":"q"}})"), all + "! too_many_names; ");
}

TEST(Condition, IsOneOfTheWholeRecord) {
  const MappingSet set = with({only_where(night(17), "stages.*.type", {"x"})});
  EXPECT_EQ(sleep(set, ""), "mapping 17: \"stages.*.type\" is not a path of member names without *");
}

}  // namespace
}  // namespace wearables
