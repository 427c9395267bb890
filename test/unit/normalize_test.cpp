#include "normalize_case.h"

#include <string>

namespace wearables {
namespace {

using testing::BodyCase;
using testing::event;
using testing::expect_readings;
using testing::plan;
using testing::readings;
using testing::shown;

TEST(NormalizeTimeseries, EveryResource) {
  expect_readings({
      {"heartrate",
       event(
           R"({"timestamp":"2024-05-01T12:00:00+00:00","value":61.5,"unit":"bpm","type":null,"timezone_offset":7200})"),
       "heartrate 2024-05-01T12:00:00 61.5 oura/ring/timeseries offset=120\n"},
      {"heartrate", event(R"({"start":"2024-05-01T12:00:00.199497+00:00","end":"2024-05-01T12:01:00Z","value":61})"),
       "heartrate 2024-05-01T12:00:00.199497 61 oura/ring/timeseries\n"},
      {"hrv",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","value":48,"unit":"rmssd"},{"timestamp":"2024-05-01T12:05:00Z","value":0.05,"unit":"s"})"),
       "hrv 2024-05-01T12:00:00 48 oura/ring/timeseries\nhrv 2024-05-01T12:05:00 50 "
       "oura/ring/timeseries\n"},
      // Apple's is SDNN under the label rmssd: its own metric, and not the general one besides.
      {"hrv",
       R"({"data":{"data":[{"timestamp":"2024-05-01T12:00:00Z","value":48,"unit":"rmssd"}],"source":{"provider":"apple_health_kit","type":"watch"}}})",
       "hrv_sdnn 2024-05-01T12:00:00 48 apple_health_kit/watch/timeseries\n"},
      {"blood_oxygen",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","value":97,"unit":"%"},{"timestamp":"2024-05-01T12:01:00Z","value":0.97,"unit":"%"})"),
       "blood_oxygen 2024-05-01T12:00:00 97 oura/ring/timeseries\n! out_of_range "
       "/data/data/1/value\n"},
      {"respiratory_rate", event(R"({"timestamp":"2024-05-01T12:00:00Z","value":14.25,"unit":"bpm"})"),
       "respiratory_rate 2024-05-01T12:00:00 14.25 oura/ring/timeseries\n"},
      {"blood_pressure",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","systolic":120,"diastolic":80,"unit":"mmHg","grouping":["cuff",null,null,null]},{"timestamp":"2024-05-01T12:05:00Z","systolic":16,"diastolic":10,"unit":"kPa"})"),
       "blood_pressure 2024-05-01T12:00:00 120/80 oura/ring/timeseries\nblood_pressure "
       "2024-05-01T12:05:00 120/75 oura/ring/timeseries\n"},
      {"blood_pressure",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","systolic":120},{"timestamp":"2024-05-01T12:00:00Z","systolic":120,"diastolic":"80"},{"timestamp":"2024-05-01T12:00:00Z","systolic":120,"diastolic":4},{"timestamp":"2024-05-01T12:00:00Z","diastolic":80})"),
       "! missing_value /data/data/0\n! not_a_number /data/data/1/diastolic\n! out_of_range "
       "/data/data/2/diastolic\n! missing_value /data/data/3\n"},
      {"steps",
       event(
           R"({"start":"2024-05-01T12:00:00Z","end":"2024-05-01T13:00:00Z","value":640,"unit":"count"},{"start":"2024-05-01T13:00:00Z","end":"2024-05-01T13:00:00Z","value":1},{"timestamp":"2024-05-01T14:00:00Z","value":0,"end":null},{"start":"2024-05-01T13:00:00Z","end":"2024-05-01T12:59:59Z","value":1},{"start":"2024-05-01T13:00:00Z","end":"soon","value":1})"),
       "steps 2024-05-01T12:00:00..2024-05-01T13:00:00 640 oura/ring/timeseries\nsteps "
       "2024-05-01T13:00:00..2024-05-01T13:00:00 1 oura/ring/timeseries\nsteps 2024-05-01T14:00:00 "
       "0 oura/ring/timeseries\n! end_before_start /data/data/3/end\n! bad_timestamp "
       "/data/data/4/end\n"},
      {"cholesterol",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","value":1.4,"type":"cholesterol/hdl"},{"timestamp":"2024-05-01T12:00:00Z","value":2.6,"type":"ldl"},{"timestamp":"2024-05-01T12:00:00Z","value":1.5,"type":"hdl"},{"timestamp":"2024-05-01T12:00:00Z","value":4,"type":null},{"timestamp":"2024-05-01T12:00:00Z","value":4,"type":""},{"timestamp":"2024-05-01T12:00:00Z","value":4,"type":"a\u0000b"},{"timestamp":"2024-05-01T12:00:00Z","value":4,"type":7})"),
       "cholesterol/hdl 2024-05-01T12:00:00 1.4 oura/ring/timeseries\ncholesterol/ldl "
       "2024-05-01T12:00:00 2.6 oura/ring/timeseries\ncholesterol/hdl 2024-05-01T12:00:00 1.5 "
       "oura/ring/timeseries\ncholesterol 2024-05-01T12:00:00 4 oura/ring/timeseries\ncholesterol "
       "2024-05-01T12:00:00 4 oura/ring/timeseries\n! missing_type /data/data/5/type \"a?b\"\n! "
       "missing_type /data/data/6/type\n"},
      {"body_temperature",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","value":98.6,"unit":"°F"},{"timestamp":"2024-05-01T12:00:00Z","value":36.6,"unit":"°C"},{"timestamp":"2024-05-01T12:00:00Z","value":309.75,"unit":"K"},{"timestamp":"2024-05-01T12:00:00Z","value":36.6,"unit":null},{"timestamp":"2024-05-01T12:00:00Z","value":36.6,"unit":""},{"timestamp":"2024-05-01T12:00:00Z","value":36.6,"unit":"C"},{"timestamp":"2024-05-01T12:00:00Z","value":98.6,"unit":"°C"},{"timestamp":"2024-05-01T12:00:00Z","value":98.6})"),
       "body_temperature 2024-05-01T12:00:00 37 oura/ring/timeseries\nbody_temperature "
       "2024-05-01T12:00:00 36.6 oura/ring/timeseries\nbody_temperature 2024-05-01T12:00:00 36.6 "
       "oura/ring/timeseries\n! missing_unit /data/data/3\n! missing_unit /data/data/4/unit\n! "
       "unknown_unit /data/data/5/unit \"C\"\n! out_of_range /data/data/6/value\n! missing_unit "
       "/data/data/7\n"},  // readings in the canonical unit of the metric until they had a reason of their own
      // Two mappings of one resource: each value is a reading, and a sample without any is one too.
      {"stress",
       event(
           R"({"timestamp":"2024-05-01T12:00:00Z","low":50,"high":90},{"timestamp":"2024-05-01T12:01:00Z","high":91},{"timestamp":"2024-05-01T12:02:00Z"})"),
       "heartrate 2024-05-01T12:00:00 50 oura/ring/timeseries\nheartrate_max 2024-05-01T12:00:00 "
       "90 oura/ring/timeseries\nheartrate_max 2024-05-01T12:01:00 91 oura/ring/timeseries\n! "
       "missing_value /data/data/2\n"},
      {"empty", event(R"({"timestamp":"2024-05-01T12:00:00Z","value":1},7)"), "! not_an_object /data/data/1\n"},
  });
}

TEST(NormalizeTimeseries, EveryShape) {
  const std::string group =
      R"({"source":{"provider":"oura"},"data":[{"timestamp":"2024-05-01T12:00:00Z","value":60}]})";
  const std::string other =
      R"({"data":[{"timestamp":"2024-05-01T12:00:00Z","value":70}],"source":{"slug":"fitbit","type":""}})";
  const std::string of_group = "heartrate 2024-05-01T12:00:00 60 oura/unknown/timeseries\n";
  const std::string of_other = "heartrate 2024-05-01T12:00:00 70 fitbit/unknown/timeseries\n";
  const std::string bare = R"({"data":[{"timestamp":"2024-05-01T12:00:00Z","value":80}]})";
  expect_readings({
      {"heartrate", R"({"event_type":"daily.data.heartrate.created","data":)" + group + "}", of_group},
      {"heartrate", R"({"data":[)" + group + "," + other + "]}", of_group + of_other},
      {"heartrate", R"({"groups":{"x":[)" + group + "," + bare + R"(],"fitbit":[)" + other + R"(]},"next":null})",
       of_group + "heartrate 2024-05-01T12:00:00 80 x/unknown/timeseries\n" + of_other},
      {"heartrate", R"([{"data":)" + group + R"(},{"data":)" + other + "}]", of_group + of_other},
      {"heartrate", other, of_other},
      {"heartrate", bare, "! missing_source /data/0\n"},
      {"heartrate", R"({"data":{"source":{"provider":"","slug":"","name":"Oura"},"data":[{},7]}})",
       "! missing_source /data/data/0\n! not_an_object /data/data/1\n"},
      {"heartrate", R"({"data":{"source":{"provider":"a\u0000b"},"data":[{}]}})", "! missing_source /data/data/0\n"},
      {"heartrate", R"({"data":{"source":"oura","data":[{}]}})", "! missing_source /data/data/0\n"},
      // once missing_source: of a null source the provider beside it was not asked
      {"heartrate",
       R"({"data":{"provider":"oura","source":null,"data":[{"timestamp":"2024-05-01T12:00:00Z","value":60}]}})",
       of_group},
      {"heartrate",
       R"({"data":{"source":null,"data":[{"timestamp":"2024-05-01T12:00:00Z","value":60}],"provider":"oura"}})",
       of_group},
      {"heartrate",
       R"({"data":{"source":{"slug":"oura"},"data":[{"timestamp":"2024-05-01T12:00:00Z","value":60}],"provider":"p"}})",
       of_group},
      {"heartrate", R"({"data":{"source":null,"provider":{"slug":"oura"},"data":[{}]}})",
       "! missing_source /data/data/0\n"},
      {"hrv", R"({"data":{"source":null,"data":[{"timestamp":"2024-05-01T12:00:00Z","value":60}],"provider":"oura"}})",
       "hrv 2024-05-01T12:00:00 60 oura/unknown/timeseries\n"},
      // once no readings at all: one sample in the place of a list
      {"heartrate", R"({"data":{"source":{"provider":"oura"},"data":{"timestamp":"2024-05-01T12:00:00Z","value":60}}})",
       of_group},
      {"heartrate", R"({"data":{"data":{"timestamp":"2024-05-01T12:00:00Z","value":60},"source":{"provider":"oura"}}})",
       of_group},
      {"hrv", R"({"data":{"data":{"timestamp":"2024-05-01T12:00:00Z","value":[]},"provider":"oura","source":null}})",
       "! not_a_number /data/data/value\n"},
      {"heartrate", R"({"data":{"data":)" + group + "}}", of_group},
      {"heartrate", event(""), ""},
      {"heartrate", R"({"groups":{}})", ""},
  });
}

// Where no provider has a row of its own, a list is read before its source is known.
TEST(NormalizeTimeseries, TheSourceBehindItsSamples) {
  const auto group = [](int value, const std::string& source) {
    return R"({"data":[{"timestamp":"2024-05-01T12:00:00Z","value":)" + std::to_string(value) + "}]" + source + "}";
  };
  const std::string p = R"(,"source":{"provider":"p"})";
  const std::string q = R"(,"source":{"provider":"q"})";
  const auto reading = [](const std::string& what) { return what + "/unknown/timeseries\n"; };
  const std::string at = "heartrate 2024-05-01T12:00:00 ";
  const std::string groups =
      R"({"groups":{"g":[)" + group(60, p) + "," + group(61, q) + "," + group(62, "") + "," + group(63, p) + "]}}";
  expect_readings({
      {"heartrate", groups, reading(at + "60 p") + reading(at + "61 q") + reading(at + "62 g") + reading(at + "63 p")},
      {"hrv", groups,
       reading("hrv 2024-05-01T12:00:00 60 p") + reading("hrv 2024-05-01T12:00:00 61 q") +
           reading("hrv 2024-05-01T12:00:00 62 g") + reading("hrv 2024-05-01T12:00:00 63 p")},
      {"hrv", group(60, R"(,"source":{"provider":"apple_health_kit"})"),
       reading("hrv_sdnn 2024-05-01T12:00:00 60 apple_health_kit")},
      {"heartrate", R"({"groups":{"\u0000":[)" + group(60, p) + "," + group(61, "") + "]}}",
       reading(at + "60 p") + "! missing_source /groups/" + std::string(1, '\0') + "/1/data/0\n"},
  });
}

TEST(NormalizeTimeseries, EveryWayAValueCanBeWrong) {
  const std::string at = R"({"timestamp":"2024-05-01T12:00:00Z")";
  std::string samples = at + "}," + at + R"(,"value":null},)" + at + R"(,"value":"61"},)" + at + R"(,"value":true},)" +
                        at + R"(,"value":{}},)" + at + R"(,"value":[61]},)" + at + R"(,"value":9},)" + at +
                        R"(,"value":401},)" + at + R"(,"value":1e400},)" + at + R"(,"value":-1e400},)" + at +
                        R"(,"value":60,"unit":"bpm/min and much more than can be shown in a table of refusals"},)" +
                        at + R"(,"value":1e308,"unit":"Hz"},)" + at + R"(,"value":1,"unit":"Hz"},)" + at +
                        R"(,"value":60,"value":61},null,"x",7,[])";
  EXPECT_EQ(readings("heartrate", event(samples)),
            "! missing_value /data/data/0\n! missing_value /data/data/1\n"
            "! not_a_number /data/data/2/value\n! not_a_number /data/data/3/value\n"
            "! not_a_number /data/data/4/value\n! not_a_number /data/data/5/value\n"
            "! out_of_range /data/data/6/value\n! out_of_range /data/data/7/value\n"
            "! out_of_range /data/data/8/value\n! out_of_range /data/data/9/value\n"
            "! unknown_unit /data/data/10/unit \"bpm/min and much more than can be shown in a "
            "table of refusals\"\n"
            "! out_of_range /data/data/11/value\n"
            "heartrate 2024-05-01T12:00:00 60 oura/ring/timeseries\n"
            "heartrate 2024-05-01T12:00:00 61 oura/ring/timeseries\n"
            "! not_an_object /data/data/14\n! not_an_object /data/data/15\n"
            "! not_an_object /data/data/16\n! not_an_object /data/data/17\n");
}

// A name that a row knows has that row's id, units and range; any other has its parent's.
TEST(NormalizeTimeseries, TheTypeLeadsToAMetricOfItsOwn) {
  const auto at = [](const char* type, const char* value) {
    return R"({"timestamp":"2024-05-01T12:00:00Z","unit":"mg/dL","type":")" + std::string(type) + R"(","value":)" +
           value + "}";
  };
  const std::string body =
      event(at("hdl", "10") + "," + at("triglycerides", "100") + "," + at("cholesterol/triglycerides", "200") + "," +
            at("triglycerides", "500") + "," + at("ldl", "500"));
  const std::string tail = " oura/ring/timeseries\n";
  EXPECT_EQ(readings("cholesterol", body),
            "cholesterol/hdl 2024-05-01T12:00:00 5" + tail + "cholesterol/triglycerides 2024-05-01T12:00:00 1" + tail +
                "cholesterol/triglycerides 2024-05-01T12:00:00 2" + tail + "! out_of_range /data/data/3/value\n" +
                "cholesterol/ldl 2024-05-01T12:00:00 250" + tail);
  const auto batch = normalize(plan(), "cholesterol", body);
  ASSERT_TRUE(batch.ok());
  const Batch& found = batch.value();
  EXPECT_EQ(found.samples[1].metric, 14);
  ASSERT_EQ(found.samples[0].metric, ~0);
  ASSERT_EQ(found.new_metrics.size(), 2U);
  EXPECT_EQ(found.new_metrics[0].parent_id, 8);
  EXPECT_EQ(found.new_metrics[0].name, "cholesterol/hdl");
  EXPECT_EQ(found.rejected[0].metric_id, 14);
}

TEST(NormalizeTimeseries, ARefusedReadingMakesNoMetric) {
  const auto batch = normalize(plan(), "cholesterol", event(R"({"timestamp":"2024-05-01","type":"vldl","value":-1})"));
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch.value().new_metrics.empty());
  ASSERT_EQ(batch.value().rejected.size(), 1U);
  EXPECT_EQ(batch.value().rejected[0].metric_id, 8);
}

// Which day a refused reading is of; there was nothing before.
TEST(NormalizeTimeseries, ARefusedReadingKeepsItsInstant) {
  const auto batch =
      normalize(plan(), "cholesterol",
                event(R"({"timestamp":"2024-05-01T12:00:00Z","value":-1},{"timestamp":"2024-05-02","value":-1},)"
                      R"({"timestamp":"2024-05-03T00:00:00Z"},{"timestamp":"?","value":-1},{"value":1})"));
  ASSERT_TRUE(batch.ok());
  const std::vector<Rejected>& rejected = batch.value().rejected;
  ASSERT_EQ(rejected.size(), 5U);
  EXPECT_EQ(testing::shown(rejected[0].at) + (rejected[0].is_day ? " day" : ""), "2024-05-01T12:00:00");
  EXPECT_EQ(testing::shown(rejected[1].at) + (rejected[1].is_day ? " day" : ""), "2024-05-02T00:00:00 day");
  EXPECT_EQ(testing::shown(rejected[2].at) + (rejected[2].is_day ? " day" : ""), "2024-05-03T00:00:00");
  EXPECT_EQ(rejected[3].at, kNoInstant);
  EXPECT_EQ(rejected[4].at, kNoInstant);
}

TEST(NormalizeTimeseries, EveryWayToSayWhen) {
  const auto at = [](const std::string& members) {
    return readings("heartrate", event("{\"value\":60," + members + "}"));
  };
  const std::string tail = " 60 oura/ring/timeseries";
  EXPECT_EQ(at(R"("timestamp":1714564800)"), "heartrate 2024-05-01T12:00:00" + tail + "\n");
  EXPECT_EQ(at(R"("timestamp":1714564800500)"), "heartrate 2024-05-01T12:00:00.500000" + tail + "\n");
  EXPECT_EQ(at(R"("timestamp":null,"start":"2024-05-01T14:00:00+02:00")"),
            "heartrate 2024-05-01T12:00:00" + tail + " written offset=120\n");
  // A date is no instant, whatever zone stands beside it: midnight at +02:00 was 22:00 UTC of the day before.
  for (const char* place : {"", R"(,"timezone_offset":7200)", R"(,"timezone_offset":-12600)",
                            R"(,"time_zone":"Europe/Berlin")", R"(,"zone_offset":"+01:00")"}) {
    EXPECT_EQ(at(R"("timestamp":"2024-05-01")" + std::string(place)), "heartrate 2024-05-01T00:00:00" + tail + " day\n")
        << place;
  }
  // A time without a zone is UTC, whatever zone stands beside it.
  const std::string eight = "heartrate 2024-05-01T08:00:00" + tail;
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00","time_zone":"Europe/Berlin")"), eight + " zone=Europe/Berlin\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","time_zone":"Europe/Berlin")"), eight + " zone=Europe/Berlin\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00","timezone_offset":7200)"), eight + " offset=120\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","time_zone":"UTC-4","timezone_offset":-14400)"),
            eight + " zone=UTC-4 offset=-240\n");
  // An offset in the timestamp is the reading's own (it was lost); +00:00 does not tell.
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T09:00:00+01:00","timezone_offset":7200)"), eight + " written offset=60\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00+00:00","timezone_offset":7200)"), eight + " offset=120\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-02T07:00:00+23:00","timezone_offset":7200)"), eight + " offset=120\n");
  // zone_offset is ISO's (it was not read)
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","zone_offset":"+01:00")"), eight + " offset=60\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","zone_offset":"Z")"), eight + " offset=0\n");
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","zone_offset":"+01:00","timezone_offset":-3600)"),
            eight + " offset=-60\n");
  // What is no zone and no offset is none.
  for (const char* zone : {R"("")", R"("a zone")", R"("x'; --")", R"("\u0000")", "7", "null"}) {
    EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","time_zone":)" + std::string(zone)), eight + "\n") << zone;
  }
  for (const char* offset : {"null", "\"7200\"", "64801", "-64801", "1e400", "true"}) {
    EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","timezone_offset":)" + std::string(offset)), eight + "\n")
        << offset;
  }
  for (const char* offset : {"\"UTC+1\"", "\"+19:00\"", "3600", "\"\"", "null"}) {
    EXPECT_EQ(at(R"("timestamp":"2024-05-01T08:00:00Z","zone_offset":)" + std::string(offset)), eight + "\n") << offset;
  }
  EXPECT_EQ(at(R"("timestamp":"2024-05-01T12:00:00Z","timezone_offset":64800)"),
            "heartrate 2024-05-01T12:00:00" + tail + " offset=1080\n");

  EXPECT_EQ(at(R"("end":"2024-05-01T12:00:00Z")"), "! missing_timestamp /data/data/0\n");
  EXPECT_EQ(at(R"("timestamp":null)"), "! missing_timestamp /data/data/0\n");
  for (const char* text : {R"("")", R"("yesterday")", R"("2024-02-30")", "true", "{}", "[]", "1e400"}) {
    EXPECT_EQ(at(R"("timestamp":)" + std::string(text)), "! bad_timestamp /data/data/0/timestamp\n") << text;
  }
  for (const char* text :
       {R"("1899-12-31T23:59:59Z")", R"("2200-01-01T00:00:01Z")", R"("0001-01-01")", "99999999999", "-9e9"}) {
    EXPECT_EQ(at(R"("timestamp":)" + std::string(text)), "! timestamp_out_of_range /data/data/0/timestamp\n") << text;
  }
}

TEST(NormalizeTimeseries, AnEndThatIsADateEndsWithIt) {
  const auto at = [](const std::string& members) { return readings("steps", event("{\"value\":1," + members + "}")); };
  // Whatever zone stands beside it (midnight at +02:00 was 22:00 UTC).
  EXPECT_EQ(at(R"("start":"2024-05-01","end":"2024-05-01","time_zone":"Asia/Tokyo")"),
            "steps 2024-05-01T00:00:00..2024-05-02T00:00:00 1 oura/ring/timeseries day\n");
  EXPECT_EQ(at(R"("start":"2024-05-01","end":"2024-05-02","timezone_offset":7200)"),
            "steps 2024-05-01T00:00:00..2024-05-03T00:00:00 1 oura/ring/timeseries day\n");
  EXPECT_EQ(at(R"("start":"2024-05-01","end":"2024-04-30")"),
            "steps 2024-05-01T00:00:00..2024-05-01T00:00:00 1 oura/ring/timeseries day\n");
  EXPECT_EQ(at(R"("start":"2024-05-01","end":"2024-04-29")"), "! end_before_start /data/data/0/end\n");
  EXPECT_EQ(at(R"("start":"2024-05-01","end":"2200-01-01")"), "! timestamp_out_of_range /data/data/0/end\n");
  EXPECT_EQ(at(R"("start":"2024-05-01","end":"2024-05-01T09:00:00Z","time_zone":"Asia/Tokyo")"),
            "steps 2024-05-01T00:00:00..2024-05-01T09:00:00 1 oura/ring/timeseries day\n");
  EXPECT_EQ(at(R"("start":"2024-05-01T08:00:00Z","end":"2201-05-01T09:00:00Z")"),
            "! timestamp_out_of_range /data/data/0/end\n");
}

// R5: a word that JSON does not have costs the reading it stands in, and no reading where none is read.
TEST(Normalize, ABareWordCostsItsReadingAlone) {
  for (const std::string word : {"NaN", "Infinity", "-Infinity", "undefined"}) {
    const std::string good =
        R"({"timestamp":"2024-05-01T12:00:00Z","value":60,"end":null,"unread":)" + word + R"(,"more":[)" + word + "]}";
    const std::string kept = "heartrate 2024-05-01T12:00:00 60 oura/ring/timeseries\n";
    EXPECT_EQ(readings("heartrate", event(R"({"timestamp":"2024-05-01T11:00:00Z","value":)" + word + "}," + good +
                                          R"(,{"value":60,"timestamp":)" + word + "}," + word + "," + good)),
              "! not_a_number /data/data/0/value\n" + kept +
                  "! bad_timestamp /data/data/2/timestamp\n! not_an_object /data/data/3\n" + kept)
        << word;
    EXPECT_EQ(readings("heartrate", R"({"x":)" + word + R"(,"data":{"source":{"provider":"oura","type":"ring","x":)" +
                                        word + R"(},"data":[)" + good + "]}}"),
              kept)
        << word;
    EXPECT_EQ(readings("heartrate",
                       R"({"data":{"source":{"provider":"oura","type":)" + word + R"(},"data":[)" + good + "]}}"),
              "heartrate 2024-05-01T12:00:00 60 oura/unknown/timeseries\n")
        << word;
    EXPECT_EQ(readings("heartrate", R"({"data":{"source":)" + word + R"(,"data":[)" + good + "]}}"),
              "! missing_source /data/data/0\n");
    EXPECT_EQ(
        readings("blood_pressure",
                 event(R"({"timestamp":"2024-05-01T12:00:00Z","systolic":120,"diastolic":)" + word +
                       R"(},{"timestamp":"2024-05-01T12:00:00Z","systolic":120,"diastolic":80,"unit":)" + word + "}")),
        "! not_a_number /data/data/0/diastolic\nblood_pressure 2024-05-01T12:00:00 120/80 oura/ring/timeseries\n")
        << word;
    EXPECT_EQ(
        readings("sleep", R"({"data":[{"id":"n","source_provider":"oura","date":"2024-05-01","hr_lowest":)" + word +
                              R"(,"average_hrv":60,"x":{"y":)" + word + R"(}},{"id":)" + word +
                              R"(,"source_provider":"oura","date":"2024-05-01","average_hrv":60},)" + word + "]}"),
        "! not_a_number /data/0/hr_lowest\nhrv 2024-05-01T00:00:00 60 oura/unknown/sleep day of n\n! missing_id /data/1\n! not_an_object /data/2\n")
        << word;
  }
}

TEST(Normalize, WhatIsNestedDeepCostsItselfAlone) {
  for (const std::size_t depth : {1'000U, 5'000U, 100'000U}) {
    const std::string deep = std::string(depth, '[') + std::string(depth, ']');
    const std::string good = R"({"timestamp":"2024-05-01T12:00:00Z","value":60,"unread":)" + deep + "}";
    const std::string kept = "heartrate 2024-05-01T12:00:00 60 oura/ring/timeseries\n";
    EXPECT_EQ(readings("heartrate", event(good + "," + deep + R"(,{"timestamp":"2024-05-01T12:00:00Z","value":)" +
                                          deep + "}," + good)),
              kept + "! not_an_object /data/data/1\n! not_a_number /data/data/2/value\n" + kept);
    EXPECT_EQ(readings("sleep",
                       R"({"x":)" + deep +
                           R"(,"data":{"id":"n","source_provider":"oura","date":"2024-05-01","average_hrv":60,"x":)" +
                           deep + "}}"),
              "hrv 2024-05-01T00:00:00 60 oura/unknown/sleep day of n\n");
    std::string groups = R"({"data":{"source":{"provider":"oura","type":"ring"},"data":[)" + good + "]},\"data\":";
    for (std::size_t i = 0; i < depth; ++i) groups += R"({"data":)";
    groups += "[]" + std::string(depth + 1, '}');
    const std::string both = readings("heartrate", groups);
    EXPECT_EQ(both.substr(0, kept.size()), kept);
    EXPECT_EQ(both.substr(kept.size(), 18), "! nested_too_deep ");
    EXPECT_EQ(both.size(), kept.size() + 18 + 500 * 5 + 1);
  }
}

TEST(Normalize, NullInPlaceOfReadingsIsNone) {
  for (const auto& [resource, body, place] :
       std::vector<BodyCase>{{"heartrate", R"({"data":null})", "data"},
                             {"heartrate", R"({"data":{"source":{"provider":"oura"},"data":null}})", "data.data"},
                             {"heartrate", R"({"groups":null})", "groups"},
                             {"heartrate", R"({"groups":{"oura":[{"data":null}]}})", ""},
                             {"sleep", R"({"data":null})", "data"},
                             {"sleep", R"({"data":{"data":null}})", "data.data"},
                             {"sleep", R"({"sleep":null})", "sleep"},
                             {"heartrate", R"({"data":[]})", ""}}) {
    Batch batch;
    batch.null_at = "of the body before";
    ASSERT_TRUE(normalize(plan(), resource, body, batch).ok()) << body;
    EXPECT_EQ(batch.null_at, place) << body;
    EXPECT_EQ(batch.readings, 0U);
  }
  EXPECT_EQ(readings("heartrate", R"([{"data":null},{"data":7}])"),
            "error: no samples of resource heartrate found: \"data\" is a number, not a list or an object");
}

TEST(Normalize, SaysWhyThereIsNothing) {
  expect_readings({
      {"heartrate", R"({"data":{"user_id":"u","provider":"oura"}})",
       "error: no samples of resource heartrate found: no list in \"data\", \"data.data\" or \"groups\""},
      {"sleep", R"({"data":"x"})",
       "error: no documents of resource sleep found: \"data\" is a string, not an object or a list"},
      {"heartrate", "", "error: the body is empty"},
      {"heartrate", "<html>", "error: the body is not one JSON value"},
      {"sleep", "\xFF", "error: the body is not UTF-8"},
      {"heartrate", event(R"({"value":60,"timestamp":"2024-05-01T12:00:00Z"})").substr(0, 90),
       "error: the body is not one JSON value"},
      {"heartrate", std::string(10'000, '[') + std::string(10'000, ']'),
       "error: no samples of resource heartrate found: no list in \"data\", \"data.data\" or \"groups\", "
       "and something is nested deeper than 500 levels"},
      {"workout_stream", event(""), "error: there is no parser for resource workout_stream"},
      {"unheard", event(""), "error: there is no parser for resource unheard"},
  });
  EXPECT_EQ(normalize(plan(), "heartrate", "{}").error().code, Code::kUnexpectedShape);
  EXPECT_EQ(normalize(plan(), "heartrate", "{").error().code, Code::kInvalidJson);
  EXPECT_EQ(normalize(plan(), "unheard", "{}").error().code, Code::kInvalidArgument);
}

TEST(Normalize, CanBeStopped) {
  std::string samples = "7";
  for (int i = 0; i < 3'000; ++i) samples += ",7";
  const auto result = normalize(plan(), "heartrate", event(samples), [] { return true; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kStopped);
  EXPECT_TRUE(normalize(plan(), "heartrate", event(samples), [] { return false; }).ok());
}

// One group of `samples` for each of so many providers.
std::string groups(int providers, const std::string& samples) {
  std::string text;
  for (int i = 0; i < providers; ++i) {
    text +=
        (i == 0 ? "" : ",") + (R"({"source":{"provider":"p)" + std::to_string(i) + R"("},"data":[)" + samples + "]}");
  }
  return "{\"data\":[" + text + "]}";
}

std::string typed(int types, int first = 0) {
  std::string text;
  for (int i = first; i < first + types; ++i) {
    text += (i == first ? "" : ",") + (R"({"timestamp":1714564800,"value":1,"type":"t)" + std::to_string(i) + "\"}");
  }
  return text;
}

// What stands first counts, and so does what is refused for another reason.
TEST(Normalize, ABodyNamesSoManySourcesAndMetrics) {
  const auto sources = normalize(plan(), "heartrate", groups(66'000, R"({"timestamp":1714564800,"value":60})"));
  ASSERT_TRUE(sources.ok());
  EXPECT_EQ(sources.value().readings, 66'000U);
  EXPECT_EQ(sources.value().samples.size(), kMaxSources);
  EXPECT_EQ(sources.value().sources.size(), kMaxSources);
  EXPECT_EQ(sources.value().rejected.at(0).reason, Reason::kTooManyNames);
  EXPECT_EQ(sources.value().rejected.at(0).ordinal, kMaxSources);

  const auto types = normalize(plan(), "cholesterol", event(typed(66'000)));
  ASSERT_TRUE(types.ok());
  EXPECT_EQ(types.value().readings, 66'000U);
  EXPECT_EQ(types.value().samples.size(), kMaxMetricNames);
  EXPECT_EQ(shown(types.value().rejected.at(0)), "! too_many_names /data/data/500/type \"t500\"");

  const auto known = normalize(plan(), "cholesterol",
                               event(R"({"timestamp":1714564800,"value":-1,"type":"hdl"},)" + typed(kMaxMetricNames)));
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known.value().samples.size(), kMaxMetricNames - 1);
}

TEST(Normalize, WhatTheDatabaseHasNoRoomForIsRefused) {
  ClosedNames closed;
  closed.sources.push_back({"p1", "unknown", "timeseries"});
  closed.metrics.push_back("cholesterol/t1");
  Batch batch;
  const std::string two = R"({"timestamp":1714564800,"value":60},{"timestamp":1714564801,"value":61})";
  ASSERT_TRUE(normalize(plan(), "heartrate", groups(3, two), batch, nullptr, &closed).ok());
  EXPECT_EQ(batch.readings, 6U);
  EXPECT_EQ(batch.samples.size(), 4U);
  ASSERT_EQ(batch.rejected.size(), 2U);
  EXPECT_EQ(shown(batch.rejected[0]), "! no_more_names /data/1/data/0 \"p1/unknown/timeseries\"");
  ASSERT_TRUE(normalize(plan(), "cholesterol", event(typed(3)), batch, nullptr, &closed).ok());
  EXPECT_EQ(batch.samples.size(), 2U);
  ASSERT_EQ(batch.rejected.size(), 1U);
  EXPECT_EQ(shown(batch.rejected[0]), "! no_more_names /data/data/1/type \"t1\"");
  // they count as named, so that what is refused beyond the bound does not depend on the room there is
  ASSERT_TRUE(normalize(plan(), "cholesterol", event(typed(kMaxMetricNames + 1)), batch, nullptr, &closed).ok());
  EXPECT_EQ(batch.samples.size(), kMaxMetricNames - 1);
}

TEST(Normalize, SoManyRefusalsAreToldOneByOne) {
  std::string samples = "7";
  for (int i = 1; i < 5'000; ++i) samples += ",7";
  const auto many =
      normalize(plan(), "heartrate", event(samples + R"(,{"timestamp":1714564800,"value":60,"unit":"furlong"})"));
  ASSERT_TRUE(many.ok());
  const Batch& batch = many.value();
  EXPECT_EQ(batch.refused, 5'001U);
  ASSERT_EQ(batch.rejected.size(), kMaxRejected + 1);
  EXPECT_EQ(batch.rejected[999].ordinal, 999U);
  EXPECT_EQ(batch.rejected[1000].ordinal, 1000U);
  EXPECT_EQ(shown(batch.rejected[1000]), "! more_refused  \"4001\"");
  ASSERT_EQ(batch.unknown_units.size(), 1U);
  EXPECT_EQ(batch.unknown_units[0].text, "furlong");
  samples.clear();
  for (int i = 0; i < 1'000; ++i) samples += i == 0 ? "7" : ",7";
  EXPECT_EQ(normalize(plan(), "heartrate", event(samples)).value().rejected.size(), kMaxRejected);
}

TEST(Normalize, ABodyHoldsSoManyDocuments) {
  std::string documents;
  for (std::size_t i = 0; i < kMaxDocuments + 3; ++i) {
    documents += (i == 0 ? "" : ",") + (R"({"id":)" + std::to_string(i % 10) + R"(,"source_provider":"oura"})");
  }
  const auto result = normalize(plan(), "sleep", "{\"sleep\":[" + documents + "]}");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().documents.size(), kMaxDocuments);
  ASSERT_EQ(result.value().rejected.size(), 3U);
  EXPECT_EQ(shown(result.value().rejected[0]), "! too_many_documents /sleep/50000");
}

TEST(Normalize, AHundredThousandSamplesTakeLittleMoreThanTheirSize) {
  std::string samples;
  for (int i = 0; i < 100'000; ++i) {
    samples += (i == 0 ? "" : ",") + (R"({"timestamp":)" + std::to_string(1714564800 + i) + R"(,"value":)" +
                                      std::to_string(50 + i % 100) + "}");
  }
  const auto result = normalize(plan(), "heartrate", event(samples));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().samples.size(), 100'000U);
  EXPECT_LT(result.value().samples.capacity(), 115'000U);
  EXPECT_EQ(shown(result.value().samples.back().ts), "2024-05-02T15:46:39");
}

}  // namespace
}  // namespace wearables
