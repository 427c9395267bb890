#include "core/json/field_set.h"

#include "normalize_case.h"

#include <string>

namespace wearables {
namespace {

using testing::document;
using testing::expect_readings;
using testing::plan;
using testing::readings;
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
       "heartrate 2024-05-02T00:00:00 55 oura/ring/sleep day of d1\n"},
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
      // once missing_id: the object around it was taken for the document
      {"sleep", "{\"data\":{\"data\":" + night + "}}", row},
      {"sleep", R"({"data":{"user_id":"u","data":{"hr_lowest":47},"bedtime_stop":"2024-05-02T06:52:00Z"}})",
       "! missing_id /data\n"},
      {"sleep", R"({"data":{"data":{"id":"in"},"id":"out","source":{"provider":"oura"}}})",
       "! missing_source /data/data\n"},
      {"sleep", R"({"data":{"id":"out","source":{"provider":"oura"},"data":{"id":"in"}}})", ""},
      // once missing_source
      {"sleep",
       R"({"data":{"id":"n","provider":"oura","source":null,"hr_lowest":47,"bedtime_stop":"2024-05-02T06:52:00Z"}})",
       row},
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

TEST(NormalizeSummary, ListsSideBySide) {
  const auto night = [](const std::string& members) {
    return document(R"("start":"2024-05-01T22:00:00","timezone_offset":0,)" + members);
  };
  const std::string tail = " oura/ring/night offset=0 of d1\n";
  expect_readings({
      {"night", night(R"("stages":[4,2,null,-1],"starts":[0,600,700,900.5],"ends":[600,700,800,901])"),
       "stage 2024-05-01T22:00:00..2024-05-01T22:10:00 4" + tail + "stage 2024-05-01T22:10:00..2024-05-01T22:11:40 2" +
           tail + "stage 2024-05-01T22:15:00.500000..2024-05-01T22:15:01 -1" + tail},
      // The order of the lists does not matter; what is longer than the stages says nothing.
      {"night", night(R"("ends":[60,120,180],"starts":[0,60,120],"stages":[1,2])"),
       "stage 2024-05-01T22:00:00..2024-05-01T22:01:00 1" + tail + "stage 2024-05-01T22:01:00..2024-05-01T22:02:00 2" +
           tail},
      // One wrong place spoils its own reading alone.
      {"night", night(R"("stages":[1,"x",{},9,2,3,4],"starts":[0,1,2,3,"4",1e300],"ends":[-1])"),
       "! end_before_start /data/ends/0\n! not_a_number /data/stages/1\n! not_a_number "
       "/data/stages/2\n! out_of_range /data/stages/3\n! bad_timestamp /data/starts/4\n! "
       "timestamp_out_of_range /data/starts/5\n! missing_timestamp /data/stages/6\n"},
      // An instant may be written out; the base is asked for only by numbers.
      {"night", document(R"("stages":[1,2],"starts":["2024-05-01T22:00:00Z",5],"ends":[])"),
       "stage 2024-05-01T22:00:00 1 oura/ring/night of d1\n! missing_timestamp /data/stages/1\n"},
      {"night", document(R"("start":"soon","stages":[1],"starts":[5])"), "! bad_timestamp /data/start\n"},
      // Preference holds for each place.
      {"night", night(R"("stages":[null,1],"kinds":[3,4,5],"starts":[0,60,120])"),
       "stage 2024-05-01T22:00:00 3" + tail + "stage 2024-05-01T22:01:00 1" + tail + "stage 2024-05-01T22:02:00 5" +
           tail},
      {"night", night(R"("stages":[],"starts":[0])"), ""},
      {"night", night(R"("stages":1,"starts":0)"), ""},
      {"night", night(R"("stages":[1,2],"stages":[3],"starts":[0,60])"), "stage 2024-05-01T22:00:00 3" + tail},
      {"night", R"({"nights":[)" + document(R"("start":0,"stages":[1],"starts":[0])") + "]}",
       "! missing_id /nights/0\n"},
  });
}

TEST(NormalizeSummary, ListsOfObjectsAndPlacesOfLists) {
  const auto night = [](const std::string& members) {
    return document(R"("start":"2024-05-01T22:00:00Z",)" + members);
  };
  const std::string tail = " oura/ring/night of d1\n";
  expect_readings({
      {"night",
       night(R"("warmth":[{"date":"2024-05-01","value":36.5},{"value":97,"unit":"°F"},)"
             R"({"now":{"value":37}},{"date":"x","value":36},{"value":"36"},7,{}])"),
       "temperature 2024-05-01T00:00:00 36.5 oura/ring/night day of d1\ntemperature 2024-05-01T22:00:00 48.5" + tail +
           "temperature 2024-05-01T22:00:00 37" + tail +
           "! bad_timestamp /data/warmth/3/date\n! not_a_number /data/warmth/4/value\n"},
      {"night", night(R"("zones":[60,120,180,240])"),
       "zone_1 2024-05-01T22:00:00 60" + tail + "zone_3 2024-05-01T22:00:00 180" + tail},
      {"night", night(R"("zones":[60])"), "zone_1 2024-05-01T22:00:00 60" + tail},
      {"night", night(R"("zones":[null,0,"x"])"), "! not_a_number /data/zones/2\n"},
      {"night", night(R"("zones":60)"), ""},
  });
}

// R11. Before it, each of these but the last two was midnight in the zone beside it, or UTC's.
TEST(NormalizeSummary, ACalendarDayIsNoInstant) {
  const auto steps = [](const std::string& members) {
    return readings("activity", document(members + R"(,"steps":7)"));
  };
  const std::string day = "steps 2024-05-04T00:00:00 7 oura/ring/activity day of d1\n";
  EXPECT_EQ(steps(R"("calendar_date":"2024-05-04","timezone_offset":7200)"), day);
  EXPECT_EQ(steps(R"("calendar_date":"2024-05-04","time_zone":"America/New_York")"), day);
  EXPECT_EQ(steps(R"("date":"2024-05-04")"), day);
  // whatever is written in calendar_date is the date that it shows
  EXPECT_EQ(steps(R"("calendar_date":"2024-05-04T00:00:00+00:00")"), day);
  EXPECT_EQ(steps(R"("calendar_date":"2024-05-04T00:00:00+02:00")"), day);
  EXPECT_EQ(steps(R"("calendar_date":"2024-05-04T21:00:00-05:00")"), day);
  EXPECT_EQ(steps(R"("calendar_date":1714780800)"), day);
  EXPECT_EQ(steps(R"("calendar_date":"1969-12-31T23:00:00Z")"),
            "steps 1969-12-31T00:00:00 7 oura/ring/activity day of d1\n");
  // the older form of it is midnight UTC
  EXPECT_EQ(steps(R"("date":"2024-05-04T00:00:00+00:00")"), day);
  EXPECT_EQ(steps(R"("date":"2024-05-04T01:00:00+00:00")"), "steps 2024-05-04T01:00:00 7 oura/ring/activity of d1\n");
  // an instant on another day than the document's, or written on another clock

  const auto sodium = [](const std::string& members) {
    return readings("meal", document(members + R"(,"micros":{"minerals":{"sodium":1}})"));
  };
  const std::string meal = " 1000 oura/ring/meal";
  EXPECT_EQ(sodium(R"("calendar_date":"2024-05-04","timestamp":"2024-05-04T00:00:00Z")"),
            "sodium 2024-05-04T00:00:00" + meal + " day of d1\n");
  EXPECT_EQ(sodium(R"("calendar_date":"2024-05-03","timestamp":"2024-05-04T00:00:00Z")"),
            "sodium 2024-05-04T00:00:00" + meal + " of d1\n");
  EXPECT_EQ(sodium(R"("calendar_date":"2024-05-04","timestamp":"2024-05-03T20:00:00-04:00")"),
            "sodium 2024-05-04T00:00:00" + meal + " written offset=-240 of d1\n");
  EXPECT_EQ(sodium(R"("calendar_date":"2024-05-04","timestamp":"2024-05-04T12:00:00Z")"),
            "sodium 2024-05-04T12:00:00" + meal + " of d1\n");
}

// The seconds after a date are counted from its beginning where it was recorded.
TEST(NormalizeSummary, SecondsAfterADate) {
  const std::string lists = R"("stages":[1],"starts":[3600],"ends":[7200])";
  EXPECT_EQ(readings("night", document(R"("start":"2024-05-04","timezone_offset":7200,)" + lists)),
            "stage 2024-05-03T23:00:00..2024-05-04T00:00:00 1 oura/ring/night offset=120 of d1\n");
  EXPECT_EQ(readings("night", document(R"("start":"2024-05-04",)" + lists)),
            "stage 2024-05-04T01:00:00..2024-05-04T02:00:00 1 oura/ring/night of d1\n");
}

TEST(NormalizeSummary, FractionsAndPercent) {
  const auto night = [](const std::string& value) {
    return document(R"("start":"2024-05-01T22:00:00Z","efficiency":)" + value);
  };
  const auto stored = [](const std::string& value) {
    return "efficiency 2024-05-01T22:00:00 " + value + " oura/ring/night of d1\n";
  };
  expect_readings({
      {"night", night("0.97"), stored("97")},
      {"night", night("1"), stored("100")},
      {"night", night("1.5"), stored("1.5")},
      {"night", night("91.2"), stored("91.2")},
      {"night", night("0"), stored("0")},
      {"night", night("-0.5"), "! out_of_range /data/efficiency\n"},
      {"night", night("101"), "! out_of_range /data/efficiency\n"},
  });
}

TEST(NormalizeSummary, FieldsInsideObjects) {
  expect_readings({
      {"activity",
       document(
           R"("calendar_date":"2024-05-01","date":"2024-05-01T00:00:00+00:00","time_zone":"Europe/Berlin","steps":9000,"heart_rate":{"avg_bpm":70,"max_bpm":151,"resting_bpm":52})"),
       "resting_heartrate 2024-05-01T00:00:00 52 oura/ring/activity day of "
       "d1\nheartrate_max 2024-05-01T00:00:00 151 oura/ring/activity day of "
       "d1\nsteps 2024-05-01T00:00:00 9000 oura/ring/activity day of d1\n"},
      {"activity", document(R"("calendar_date":"2024-05-01","heart_rate":null,"steps":1)"),
       "steps 2024-05-01T00:00:00 1 oura/ring/activity day of d1\n"},
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

TEST(NormalizeSummary, OfAVeryLongListTheRestIsOneRefusal) {
  std::string stages = "1";
  std::string starts = "0";
  for (std::size_t i = 1; i < kMaxPlaces + 5; ++i) {
    stages += ",1";
    starts += "," + std::to_string(i);
  }
  const auto result =
      normalize(plan(), "night",
                document(R"("start":"2024-05-01T22:00:00Z","stages":[)" + stages + R"(],"starts":[)" + starts + "]"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().samples.size(), kMaxPlaces);
  ASSERT_EQ(result.value().rejected.size(), 1U);
  EXPECT_EQ(shown(result.value().rejected[0]), "! too_many_places /data/stages/100000 \"5\"");
}

}  // namespace
}  // namespace wearables
