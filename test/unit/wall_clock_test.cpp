#include "core/parse/wall_clock.h"

#include "normalize_case.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace wearables::testing {
namespace {

constexpr Micros kMinute = 60 * kMicrosPerSecond;

Micros instant(std::string_view text) { return parse_instant(text)->at; }

struct Period {
  const char* from;
  int minutes;
};

// The clocks of a zone from its first period on, which counts as ever.
class Clock {
 public:
  Clock(int first, std::initializer_list<Period> changes) {
    periods_.push_back({kNoInstant, first * kMinute});
    for (const Period& change : changes) periods_.push_back({instant(change.from), change.minutes * kMinute});
  }

  ZoneClock zone() const { return ZoneClock(periods_); }

  // What becomes of times of one day: "02:00 02:30" gives the instants as UTC, '-' for one that is refused.
  std::string place(const std::string& date, const std::string& times) const {
    std::vector<Micros> wall;
    std::istringstream words(times);
    for (std::string time; words >> time;) wall.push_back(instant(date + "T" + time));
    std::vector<Micros> at(wall.size());
    place_series(zone(), wall, at);
    std::string text;
    for (const Micros found : at) {
      text += text.empty() ? "" : " ";
      text += found == kNoInstant ? "-" : shown(found).substr(11, 5);
    }
    return text;
  }

 private:
  std::vector<ClockPeriod> periods_;
};

const Clock kBerlin(60, {{"2026-03-29T01:00Z", 120}, {"2026-10-25T01:00Z", 60}});
const Clock kAdelaide(630, {{"2026-04-04T16:30Z", 570}, {"2026-10-03T16:30Z", 630}});
const Clock kLordHowe(660, {{"2026-04-04T15:00Z", 630}, {"2026-10-03T15:30Z", 660}});

struct Case {
  const char* what;
  const Clock& clock;
  const char* date;
  const char* times;
  const char* wanted;
};

TEST(WallClock, PlacesASeries) {
  const Case cases[] = {
      {"an ordinary day", kBerlin, "2026-05-01", "09:00 08:00 09:30", "07:00 06:00 07:30"},
      // the second pass took the places of the first: 4 of 8 were kept
      {"both passes", kBerlin, "2026-10-25", "01:45 02:00 02:15 02:30 02:45 02:00 02:15 02:30 02:45 03:00",
       "23:45 00:00 00:15 00:30 00:45 01:00 01:15 01:30 01:45 02:00"},
      {"both passes, nothing around them", kBerlin, "2026-10-25", "02:00 02:30 02:00 02:30", "00:00 00:30 01:00 01:30"},
      {"both passes, descending", kBerlin, "2026-10-25", "03:00 02:30 02:00 02:30 02:00 01:30",
       "02:00 01:30 01:00 00:30 00:00 23:30"},
      {"a time twice in a pass", kBerlin, "2026-10-25", "01:00 02:10 02:40 02:40 02:10 02:10",
       "23:00 00:10 00:40 00:40 01:10 01:10"},
      // was in standard time: a guess
      {"only the first pass", kBerlin, "2026-10-25", "01:30 02:00 02:30", "23:30 - -"},
      {"only the second pass", kBerlin, "2026-10-25", "02:00 02:30 03:00", "- - 02:00"},
      {"cut in the first pass", kBerlin, "2026-10-25", "02:30 02:45 02:00 02:15 02:30",
       "00:30 00:45 01:00 01:15 01:30"},
      {"cut at the change", kBerlin, "2026-10-25", "02:00 02:15 02:30 02:45 03:00", "- - - - 02:00"},
      {"one reading", kBerlin, "2026-10-25", "02:30", "-"},
      {"one an hour", kBerlin, "2026-10-25", "01:30 02:30 02:30 03:30", "23:30 - - 02:30"},
      {"steps back twice", kBerlin, "2026-10-25", "02:30 02:00 02:20 02:00 02:10", "- - - - -"},
      {"unsorted around it", kBerlin, "2026-10-25", "01:30 01:00 02:00 02:30 02:00", "23:30 23:00 - - -"},
      {"back from after the change", kBerlin, "2026-10-25", "02:30 03:15 02:45", "- 02:15 -"},
      // ascending, or the latter two descending
      {"of no direction", kBerlin, "2026-10-25", "02:30 02:00", "- -"},
      {"there and back: the first pass in the middle, whatever the direction", kBerlin, "2026-10-25",
       "02:00 02:30 02:00", "- 00:30 -"},
      {"the edges", kBerlin, "2026-10-25", "01:59:59 03:00", "23:59 02:00"},
      // was at 01:30: a guess
      {"a time that is never shown", kBerlin, "2026-03-29", "01:30 02:00 02:30 03:00", "00:30 - - 01:00"},
      {"half an hour off", kAdelaide, "2026-04-05", "01:45 02:00 02:45 02:15 03:00", "15:15 15:30 16:15 16:45 17:30"},
      {"half an hour off, never shown", kAdelaide, "2026-10-04", "01:59 02:00 02:59 03:00", "16:29 - - 16:30"},
      {"by half an hour", kLordHowe, "2026-04-05", "01:15 01:30 01:45 01:30 01:45 02:00",
       "14:15 14:30 14:45 15:00 15:15 15:30"},
      {"by half an hour, once", kLordHowe, "2026-04-05", "01:29 01:30 01:45 02:00", "14:29 - - 15:30"},
      {"by half an hour, never shown", kLordHowe, "2026-10-04", "01:59 02:00 02:29 02:30", "15:29 - - 15:30"},
  };
  for (const Case& c : cases) EXPECT_EQ(c.clock.place(c.date, c.times), c.wanted) << c.what;
}

// Where one list is cut changes what is refused, never where a reading is placed.
TEST(WallClock, PlacesNothingOtherwiseWhenCut) {
  std::vector<Micros> wall;
  for (int pass = 0; pass < 2; ++pass) {
    for (int minute = 0; minute < 60; minute += 5) wall.push_back(instant("2026-10-25T02:00Z") + minute * kMinute);
  }
  std::vector<Micros> whole(wall.size());
  place_series(kBerlin.zone(), wall, whole);
  for (std::size_t i = 0; i < wall.size(); ++i)
    EXPECT_EQ(whole[i], instant("2026-10-25T00:00Z") + Micros(i) * 5 * kMinute);
  for (std::size_t from = 0; from < wall.size(); ++from) {
    for (std::size_t to = from + 1; to <= wall.size(); ++to) {
      std::vector<Micros> cut(to - from);
      place_series(kBerlin.zone(), std::span(wall).subspan(from, to - from), cut);
      for (std::size_t i = from; i < to; ++i) {
        EXPECT_TRUE(cut[i - from] == kNoInstant || cut[i - from] == whole[i]) << from << ' ' << to << ' ' << i;
      }
    }
  }
}

// Of a body whose sources are all floating: the instants, or the refusals.
std::string placed(const char* resource, const std::string& body, const Clock& clock) {
  Batch batch = normalize(plan(), resource, body).value();
  const std::vector<std::uint8_t> clocks(batch.samples.size() + 1, 1);
  const ClockOfSample all{clocks.data(), 1};
  std::vector<Refusal> refused;
  WallClockSpan span;
  if (find_wall_clock(batch, all, &span)) {
    EXPECT_TRUE(place_wall_clock(batch, all, clock.zone()).ok());
    EXPECT_TRUE(refuse_unplaced(batch, refused).ok());
  }
  std::string text;
  for (const Sample& sample : batch.samples) {
    text += text.empty() ? "" : " ";
    text += sample.ts == kNoInstant ? "-" : shown(sample.ts).substr(11, 5);
    if (sample.ts != kNoInstant && sample.ts_end != kNoInstant) text += ".." + shown(sample.ts_end).substr(11, 5);
  }
  Batch again;
  EXPECT_TRUE(normalize(plan(), resource, body, again, nullptr, nullptr, refused).ok());
  EXPECT_EQ(again.samples.size() + refused.size(), batch.samples.size());
  EXPECT_EQ(again.refused, batch.refused + refused.size());
  for (const Rejected& rejected : again.rejected) text += '\n' + shown(rejected);
  return text;
}

std::string at(const char* time, const char* more = "") {
  return std::string(R"({"timestamp":")") + time + R"(","value":60)" + more + "}";
}

TEST(WallClock, TakesOffsetsLiterally) {
  // was 07:00 UTC less the user's two hours: 05:00
  EXPECT_EQ(placed("heartrate", event(at("2026-05-01T09:00:00+02:00")), kBerlin), "07:00");
  EXPECT_EQ(placed("heartrate",
                   event(at("2026-05-01T09:00:00+02:00") + "," + at("2026-05-01T09:00:00Z") + "," +
                         at("2026-05-01T09:30:00-05:00") + "," + at("2026-05-01T09:45:00")),
                   kBerlin),
            "07:00 07:00 07:30 07:45");
  // an offset tells no pass: it is not the clock's own
  EXPECT_EQ(placed("heartrate", event(at("2026-10-25T02:30:00+02:00")), kBerlin),
            "-\n! ambiguous_time /data/data/0/timestamp");
}

TEST(WallClock, TakesEachListByItself) {
  const std::string first = at("2026-10-25T02:00:00Z") + "," + at("2026-10-25T02:30:00Z");
  EXPECT_EQ(placed("heartrate", event(first + "," + first), kBerlin), "00:00 00:30 01:00 01:30");
  const std::string source = R"({"source":{"provider":"freestyle_libre"},"data":[)";
  EXPECT_EQ(
      placed("heartrate", R"({"groups":{"freestyle_libre":[)" + source + first + "]}," + source + first + "]}]}}",
             kBerlin),
      "- - - -\n! ambiguous_time /groups/freestyle_libre/0/data/0/timestamp\n! ambiguous_time "
      "/groups/freestyle_libre/0/data/1/timestamp\n! ambiguous_time /groups/freestyle_libre/1/data/0/timestamp\n! "
      "ambiguous_time /groups/freestyle_libre/1/data/1/timestamp");
}

TEST(WallClock, TellsARefusalInItsPlace) {
  EXPECT_EQ(placed("heartrate",
                   event(at("2026-03-29T01:30:00Z") + "," + at("2026-03-29T02:30:00Z") + R"(,{"value":60},)" +
                         at("2026-03-29T03:30:00Z")),
                   kBerlin),
            "00:30 - 01:30\n! ambiguous_time /data/data/1/timestamp\n! missing_timestamp /data/data/2");
}

TEST(WallClock, PlacesEnds) {
  const auto span = [](const char* start, const char* end) {
    return std::string(R"({"start":"2026-10-25T)") + start + R"(:00Z","end":"2026-10-25T)" + end +
           R"(:00Z","value":60})";
  };
  EXPECT_EQ(placed("steps", event(span("01:00", "01:30") + "," + span("03:00", "03:30")), kBerlin),
            "23:00..23:30 02:00..02:30");
  // of a span without length the end is the start
  EXPECT_EQ(placed("steps", event(span("01:00", "01:00") + "," + span("02:30", "02:30") + "," + span("02:00", "02:00")),
                   kBerlin),
            "23:00..23:00 00:30..00:30 01:00..01:00");
  // what begins in the second pass ends in it; what begins in the first may end in both, but for the series of ends
  EXPECT_EQ(placed("steps", event(span("01:45", "01:50") + "," + span("02:30", "02:40") + "," + span("02:15", "02:20")),
                   kBerlin),
            "23:45..23:50 00:30..00:40 01:15..01:20");
  EXPECT_EQ(placed("steps", event(span("01:30", "02:30")), kBerlin), "-\n! ambiguous_time /data/data/0/start");
}

}  // namespace
}  // namespace wearables::testing
