#include "normalize_case.h"

#include <string>

namespace wearables {
namespace {

using testing::document;
using testing::expect_readings;
using testing::plan;
using testing::shown;

TEST(NormalizeSummary, SleepAsOuraAndWhoopFillIt) {
  expect_readings({
      {"sleep",
       document(
           R"("date":"2024-05-02T00:00:00+00:00","bedtime_start":"2024-05-01T22:41:30+00:00","bedtime_stop":"2024-05-02T06:52:00+00:00","timezone_offset":7200,"hr_lowest":47,"hr_average":53,"hr_resting":null,"average_hrv":61.5,"respiratory_rate":14.25,"temperature_delta":-0.12)"),
       "heartrate 2024-05-02T06:52:00 47 oura/ring/sleep offset=120 of d1\nhrv 2024-05-02T06:52:00 "
       "61.5 oura/ring/sleep offset=120 of d1\nrespiratory_rate 2024-05-02T06:52:00 14.25 "
       "oura/ring/sleep offset=120 of d1\ntemperature_delta 2024-05-02T06:52:00 -0.12 "
       "oura/ring/sleep offset=120 of d1\n"},
      {"sleep",
       R"({"data":{"source":{"slug":"whoop_v2"},"hr_lowest":null,"hr_average":null,"hr_resting":52,"average_hrv":48.2,"bedtime_stop":"2024-05-02T06:52:00+00:00","id":"w1"}})",
       "hrv 2024-05-02T06:52:00 48.2 whoop_v2/unknown/sleep of w1\nheartrate 2024-05-02T06:52:00 "
       "52 whoop_v2/unknown/sleep of w1\n"},
      {"sleep", document(R"("date":"2024-05-02","hr_average":55)"),
       "heartrate 2024-05-02T00:00:00 55 oura/ring/sleep of d1\n"},
      {"sleep",
       document(
           R"("hr_lowest":"47","average_hrv":1e5,"respiratory_rate":true,"bedtime_stop":"x","temperature_delta":1)"),
       "! not_a_number /data/hr_lowest\n! out_of_range /data/average_hrv\n! not_a_number "
       "/data/respiratory_rate\n! bad_timestamp /data/bedtime_stop\n"},
      {"sleep", document(R"("hr_lowest":47)"), "! missing_timestamp /data\n"},
      // A night without a reading is a document all the same.
      {"sleep", document(R"("bedtime_stop":"2024-05-02T06:52:00Z","hr_lowest":null)"), ""},
  });
}

TEST(NormalizeSummary, EveryShape) {
  const std::string night =
      R"({"id":"n","bedtime_stop":"2024-05-02T06:52:00Z","hr_lowest":47,"source":{"provider":"oura"}})";
  const std::string row = "heartrate 2024-05-02T06:52:00 47 oura/unknown/sleep of n\n";
  expect_readings({
      {"sleep", "{\"data\":" + night + "}", row},
      {"sleep", "{\"data\":[" + night + "," + night + "]}", row + row},
      {"sleep", "{\"data\":{\"data\":[" + night + "]}}", row},
      {"sleep", "{\"sleep\":[" + night + ",7]}", row + "! not_an_object /sleep/1\n"},
      {"sleep", "[{\"data\":" + night + "},{\"sleep\":[" + night + "]}]", row + row},
      {"sleep", night, row},
      {"sleep", "{\"data\":[]}", ""},
      {"sleep",
       R"({"data":{"id":17,"bedtime_stop":"2024-05-02T06:52:00Z","hr_lowest":47,"source_provider":"oura","source_type":"ring"}})",
       "heartrate 2024-05-02T06:52:00 47 oura/ring/sleep of 17\n"},
      {"sleep",
       R"({"data":[{"hr_lowest":47,"hrv":1},{"id":"","hr_lowest":47},{"id":1.5},{"id":null},{"id":"a\u0000"},{"id":true}]})",
       "! missing_id /data/0\n! missing_id /data/1\n! missing_id /data/2\n! missing_id /data/3\n! "
       "missing_id /data/4\n! missing_id /data/5\n"},
      {"sleep", R"({"data":{"id":"n","hr_lowest":47,"bedtime_stop":"2024-05-02T06:52:00Z"}})",
       "! missing_source /data\n"},
      {"profile", R"({"id":"p","source":{"provider":"oura"},"height":183})", ""},
  });
}

TEST(NormalizeSummary, FieldsInsideObjects) {
  expect_readings({
      {"activity",
       document(
           R"("calendar_date":"2024-05-01","date":"2024-05-01T00:00:00+00:00","time_zone":"Europe/Berlin","steps":9000,"heart_rate":{"avg_bpm":70,"max_bpm":151,"resting_bpm":52})"),
       "resting_heartrate 2024-05-01T00:00:00 52 oura/ring/activity zone=Europe/Berlin of "
       "d1\nheartrate_max 2024-05-01T00:00:00 151 oura/ring/activity zone=Europe/Berlin of "
       "d1\nsteps 2024-05-01T00:00:00 9000 oura/ring/activity zone=Europe/Berlin of d1\n"},
      {"activity", document(R"("calendar_date":"2024-05-01","heart_rate":null,"steps":1)"),
       "steps 2024-05-01T00:00:00 1 oura/ring/activity of d1\n"},
      {"activity", document(R"("calendar_date":"2024-05-01","heart_rate":{"resting_bpm":"52"})"),
       "! not_a_number /data/heart_rate/resting_bpm\n"},
      // A constant unit, and a meal's own member `data`.
      {"meal",
       document(
           R"("name":"lunch","timestamp":"2024-05-01T12:00:00Z","micros":{"minerals":{"sodium":1.5}},"data":{"data":{"id":"x"},"Apple pie":{"micros":{"minerals":{"sodium":9}}}})"),
       "sodium 2024-05-01T12:00:00 1500 oura/ring/meal of d1\n"},
      {"meal",
       R"({"meals":[{"data":{},"id":"m","timestamp":"2024-05-01T12:00:00Z","micros":{"minerals":{"sodium":2}},"source":{"provider":"manual"}}]})",
       "sodium 2024-05-01T12:00:00 2000 manual/unknown/meal of m\n"},
  });
}

TEST(NormalizeSummary, KeepsTheDocumentAsItIs) {
  const std::string body =
      R"({"sleep": [ {"id":"a","updated_at":"2024-05-02T07:01:10+00:00","source":{"provider":"p"}}, {"id":"b" , "updated_at":"soon","source":{"provider":"q"}} ]})";
  const auto result = normalize(plan(), "sleep", body);
  ASSERT_TRUE(result.ok());
  const auto& documents = result.value().documents;
  ASSERT_EQ(documents.size(), 2U);
  EXPECT_EQ(body.substr(documents[0].offset, documents[0].length),
            R"({"id":"a","updated_at":"2024-05-02T07:01:10+00:00","source":{"provider":"p"}})");
  EXPECT_EQ(body.substr(documents[1].offset, documents[1].length),
            R"({"id":"b" , "updated_at":"soon","source":{"provider":"q"}})");
  EXPECT_EQ(shown(documents[0].updated_at), "2024-05-02T07:01:10");
  EXPECT_EQ(documents[1].updated_at, kNoInstant);
  EXPECT_EQ(result.value().sources[documents[1].source].provider, "q");
}

}  // namespace
}  // namespace wearables
