// Streams: bodies that hold neither id nor source, by themselves and within their documents.
#include "core/vendor/envelope.h"
#include "core/vendor/junction.h"
#include "core/vendor/pull_api.h"
#include "core/write/document.h"

#include "normalize_case.h"

#include <map>
#include <string>

namespace wearables {
namespace {

using testing::plan;
using testing::shown;

constexpr Micros kSecond = kMicrosPerSecond;
constexpr Micros kStart = 1'700'000'000 * kSecond;
constexpr StreamSubject kRide{"t1", "oura", "ring", kStart, kStart + 3600 * kSecond};

Batch batch_of(std::string_view resource, std::string_view body, const StreamSubject* subject) {
  Batch batch;
  const auto done = normalize(plan(), resource, body, batch, nullptr, nullptr, {}, subject);
  EXPECT_TRUE(done.ok()) << body << (done.ok() ? "" : done.error().message);
  return batch;
}

std::string lines_of(const Batch& batch) {
  std::map<std::uint32_t, std::string> lines;
  for (const Sample& sample : batch.samples) lines[sample.ordinal] = shown(batch, sample);
  for (const Rejected& rejected : batch.rejected) lines[rejected.ordinal] = shown(rejected);
  std::string text;
  for (const auto& [ordinal, line] : lines) text += line + '\n';
  return text;
}

std::string ride(std::string_view body) { return lines_of(batch_of("ride", body, &kRide)); }

TEST(Stream, IsOfItsDocument) {
  constexpr std::string_view kBody = R"( {"time":[1700000000,1700000010],"heartrate":[110,112],"warmth":[null,21]} )";
  const Batch batch = batch_of("ride", kBody, &kRide);
  EXPECT_EQ(lines_of(batch),
            "heartrate 2023-11-14T22:13:20 110 oura/ring/ride of t1\n"
            "heartrate 2023-11-14T22:13:30 112 oura/ring/ride of t1\n"
            "temperature 2023-11-14T22:13:30 21 oura/ring/ride of t1\n");
  ASSERT_EQ(batch.documents.size(), 1U);
  EXPECT_EQ(batch.documents[0].id, "t1");
  EXPECT_EQ(batch.documents[0].identity(), "t1");
  EXPECT_FALSE(batch.documents[0].is_stream);
  EXPECT_EQ(batch.documents[0].offset, 1U);
  EXPECT_EQ(batch.documents[0].length, kBody.size() - 2);
  EXPECT_TRUE(batch.unknowns.empty());
}

TEST(Stream, ListsThatAreNoLists) {
  for (const char* body : {R"({})", R"({"time":null,"heartrate":null})", R"({"time":[1700000000],"heartrate":[]})",
                           R"({"time":[],"heartrate":[null]})", R"({"heartrate":7,"time":"x"})"}) {
    const Batch batch = batch_of("ride", body, &kRide);
    EXPECT_EQ(batch.readings, 0U) << body;
    EXPECT_EQ(batch.documents.size(), 1U) << body;  // which replaces the former stream whole
  }
  EXPECT_EQ(batch_of("ride", "null", &kRide).documents.size(), 0U);
}

TEST(Stream, WhatHasNoTimeIsRefusedAndTheOthersStand) {
  // shorter times; a time of nine digits, that is 1975; null; a word; a date far away
  EXPECT_EQ(ride(R"({"heartrate":[110,111,112,113,114,115],"time":[1700000000,170000001,null,"x",1900000000]})"),
            "heartrate 2023-11-14T22:13:20 110 oura/ring/ride of t1\n"
            "! timestamp_out_of_range /time/1\n"
            "! missing_timestamp /heartrate/2\n"
            "! bad_timestamp /time/3\n"
            "! timestamp_out_of_range /time/4\n"
            "! missing_timestamp /heartrate/5\n");
  // where nothing is known of the document, 1975 is a time like any other
  StreamSubject unbounded = kRide;
  unbounded.from = unbounded.to = kNoInstant;
  EXPECT_EQ(lines_of(batch_of("ride", R"({"heartrate":[60],"time":[170000001]})", &unbounded)),
            "heartrate 1975-05-22T14:13:21 60 oura/ring/ride of t1\n");
}

TEST(Stream, WithoutSubjectHasNoId) {
  EXPECT_EQ(lines_of(batch_of("ride", R"({"time":[1700000000],"heartrate":[110]})", nullptr)), "! missing_id \n");
}

constexpr std::string_view kTrip = R"({"data":{"id":"t1","source":{"provider":"oura","type":"ring"},)"
                                   R"("start":"2023-11-14T22:13:20Z","value":3,"ride":)";

Batch trip(std::string_view ride) { return batch_of("trip", std::string(kTrip) + std::string(ride) + "}}", nullptr); }

TEST(Stream, WithinADocumentIsADocumentOfItsOwn) {
  constexpr std::string_view kInside = R"({"time":[1700000000],"heartrate":[110],"stages":[)"
                                       R"({"start":"2023-11-14T22:15:00Z","end":"2023-11-14T22:20:00Z",)"
                                       R"("value":2,"unit":"stage"},{"value":1}]})";
  const Batch batch = trip(kInside);
  EXPECT_EQ(lines_of(batch),
            "dose 2023-11-14T22:13:20 3 oura/ring/trip of t1\n"
            "heartrate 2023-11-14T22:13:20 110 oura/ring/ride of t1\n"
            "stage 2023-11-14T22:15:00..2023-11-14T22:20:00 2 oura/ring/ride of t1\n"
            "! missing_timestamp /data/ride/stages/1/value\n");
  ASSERT_EQ(batch.documents.size(), 2U);
  EXPECT_FALSE(batch.documents[0].is_stream);
  EXPECT_TRUE(batch.documents[1].is_stream);
  EXPECT_EQ(batch.documents[1].identity(), "t1");
  EXPECT_EQ(batch.documents[1].offset, kTrip.size());
  EXPECT_EQ(batch.documents[1].length, kInside.size());
  EXPECT_FALSE(batch.documents[1].session.exists());

  // Both stand, though their identity is the same.
  std::vector<Row> rows;
  for (const Sample& sample : batch.samples) {
    rows.push_back({1, sample.ts, sample.ts_end, sample.value, sample.secondary, sample.document, sample.ordinal,
                    sample.metric, static_cast<std::int16_t>(1 + sample.source), sample.part, sample.tz_offset});
  }
  DocumentSet documents;
  const auto overtaken = order_documents(batch, std::int64_t{1} << 40, rows, documents);
  ASSERT_TRUE(overtaken.ok());
  EXPECT_EQ(overtaken.value(), 0U);
  EXPECT_EQ(documents.order.size(), 2U);
}

TEST(Stream, ThatIsNoneWithinADocumentSaysNothing) {
  for (const char* ride : {"null", "{}", R"({"time":null,"heartrate":null})", R"({"heartrate":[]})", "[]", "7"}) {
    const Batch batch = trip(ride);
    EXPECT_EQ(lines_of(batch), "dose 2023-11-14T22:13:20 3 oura/ring/trip of t1\n") << ride;
    EXPECT_EQ(batch.documents.size(), 1U) << ride;
    EXPECT_EQ(batch.sources.size(), 1U) << ride;
  }
}

TEST(Stream, UnknownMembersAreNoted) {
  const Batch batch = trip(R"({"time":[1700000000],"heartrate":[110],"strange":[1]})");
  ASSERT_EQ(batch.unknowns.size(), 1U);
  EXPECT_EQ(batch.unknowns[0].path, "ride.strange");
}

TEST(StreamUrl, NamesTheDocument) {
  const auto url = stream_url({"https://api.eu.junction.com", "/v2/timeseries/workouts/{document_id}/stream", "a/b c"});
  ASSERT_TRUE(url.ok());
  // the digits of percent codes are of either case, by libcurl's version
  EXPECT_EQ(url.value().substr(0, 52), "https://api.eu.junction.com/v2/timeseries/workouts/a");
  EXPECT_TRUE(url.value().ends_with("b%20c/stream")) << url.value();
  EXPECT_FALSE(stream_url({"https://api.eu.junction.com", "/v2/stream", "a"}).ok());
  EXPECT_FALSE(stream_url({"https://api.eu.junction.com", "v2/{document_id}", "a"}).ok());
}

TEST(StreamBody, IsAnObjectOrNull) {
  for (const char* body : {"{}", " {\"time\":[1]}", "null", "\xEF\xBB\xBF{}"}) {
    EXPECT_TRUE(check_stream(body).ok()) << body;
  }
  for (const char* body : {"", "[]", "7", "\"x\"", "{\"time\":[1}", "<html>"}) {
    EXPECT_FALSE(check_stream(body).ok()) << body;
  }
}

TEST(StreamNotice, NamesItsDocumentAndSource) {
  const auto notice = read_stream_notice(kJunction, R"({"event_type":"daily.data.workout_stream.created","user_id":"u",
    "data":{"user_id":"u","workout_id":"w1","provider_id":"17","message":"fetch it",
            "source":{"provider":"strava","type":"app"},"sport":{"id":1,"name":"Run","slug":"run"}}})");
  ASSERT_TRUE(notice.ok());
  EXPECT_EQ(notice.value().document_id, "w1");
  EXPECT_EQ(notice.value().provider, "strava");
  EXPECT_EQ(notice.value().source_type, "app");
  EXPECT_EQ(read_stream_notice(kJunction, R"({"data":{"message":"fetch it"}})").value().document_id, "");
  EXPECT_FALSE(read_stream_notice(kJunction, "{").ok());
}

}  // namespace
}  // namespace wearables
