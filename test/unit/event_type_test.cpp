#include "core/vendor/event_type.h"
#include "core/vendor/junction.h"

#include <gtest/gtest.h>

#include <string>

namespace wearables {
namespace {

using enum EventFamily;

struct Case {
  const char* text;
  EventFamily family;
  const char* resource = "";
  const char* action = "";
};

const Case kCases[] = {
    {"daily.data.heartrate.created", kData, "heartrate", "created"},
    {"daily.data.heartrate.updated", kData, "heartrate", "updated"},
    {"daily.data.sleep.created", kData, "sleep", "created"},
    {"daily.data.sleep_cycle.updated", kData, "sleep_cycle", "updated"},
    {"daily.data.workout_stream.created", kData, "workout_stream", "created"},
    {"daily.data.heart_rate_recovery_one_minute.updated", kData, "heart_rate_recovery_one_minute", "updated"},
    {"daily.data.tomorrows_resource.created", kData, "tomorrows_resource", "created"},
    {"daily.timeseries.glucose.created", kData, "glucose", "created"},
    {"historical.data.heartrate.created", kBackfillDone, "heartrate", "created"},
    {"historical.data.sleep.updated", kBackfillDone, "sleep", "updated"},
    {"historical.timeseries.glucose.created", kBackfillDone, "glucose", "created"},
    {"pulled.data.heartrate", kPage, "heartrate"},
    {"pulled.data.sleep", kPage, "sleep"},

    // The 14 types of the catalogue that are about no resource.
    {"provider.connection.created", kConnection, "", "created"},
    {"provider.connection.error", kConnection, "", "error"},
    {"provider.device.created", kOther},
    {"provider.device.updated", kOther},
    {"continuous_query.result_table.changed", kOther},
    {"labtest.order.created", kOther},
    {"labtest.order.updated", kOther},
    {"labtest.appointment.created", kOther},
    {"labtest.appointment.updated", kOther},
    {"labtest.result.critical", kOther},
    {"labtest.match_review.created", kOther},
    {"labtest.match_review.updated", kOther},
    {"lab_report.parsing_job.created", kOther},
    {"lab_report.parsing_job.updated", kOther},

    // Of older catalogues, of the ETL pipelines, of Svix itself, of nobody.
    {"provider.connection.deregistered", kConnection, "", "deregistered"},
    {"raw.fitbit.daily_activity_summary", kOther},
    {"message.attempt.exhausted", kOther},
    {"daily.data.heartrate.deleted", kOther},
    {"daily.data.heartrate", kOther},
    {"daily.data.heartrate.", kOther},
    {"daily.data..created", kOther},
    {"daily..heartrate.created", kOther},
    {".daily.data.heartrate.created", kOther},
    {"daily.data.heartrate.created.", kOther},
    {"daily.data.heart.rate.created", kOther},
    {"Daily.data.heartrate.created", kOther},
    {"daily.data.heartrate.Created", kOther},
    {"daily.data.heartrate.created ", kOther},
    {"weekly.data.heartrate.created", kOther},
    {"daily.raw.heartrate.created", kOther},
    {"provider.connection", kOther},
    {"provider.connection.", kOther},
    {"provider.connection.error.again", kOther},
    {"pull", kOther},
    {"pulled.data.", kOther},
    {"pulled.data.heart.rate", kOther},
    {"pulls.heartrate", kOther},
    {"", kOther},
    {".", kOther},
    {"....", kOther},
};

TEST(Classify, Table) {
  for (const Case& c : kCases) {
    const EventType type = classify(kJunction, c.text);
    EXPECT_EQ(type.family, c.family) << c.text;
    EXPECT_EQ(type.resource, c.resource) << c.text;
    EXPECT_EQ(type.action, c.action) << c.text;
  }
}

// A verb that can mean several things stays unknown; of the errors one is the end of a registration (once kError).
TEST(Classify, SaysWhatALifecycleEventMeans) {
  const struct {
    const char* text;
    Lifecycle lifecycle;
  } cases[] = {
      {"provider.connection.created", Lifecycle::kConnected},
      {"provider.connection.error", Lifecycle::kError},
      {"provider.connection.deleted", Lifecycle::kDisconnected},
      {"provider.connection.disconnected", Lifecycle::kDisconnected},
      {"provider.connection.deregistered", Lifecycle::kDeregistered},
      {"provider.connection.updated", Lifecycle::kNothing},
      {"provider.connection.paused", Lifecycle::kNothing},
      {"provider.device.created", Lifecycle::kNothing},
  };
  for (const auto& c : cases) EXPECT_EQ(classify(kJunction, c.text).lifecycle, c.lifecycle) << c.text;
  EXPECT_EQ(lifecycle_of_error(kJunction, "deregistered_per_provider"), Lifecycle::kDeregistered);
  EXPECT_EQ(lifecycle_of_error(kJunction, "token_refresh_failed"), Lifecycle::kError);
  EXPECT_EQ(lifecycle_of_error(kJunction, ""), Lifecycle::kError);
}

// What has a full stop is an event type's, what has none a resource's.
TEST(NameOfType, HasAFullStop) {
  const struct {
    const char* type;
    const char* name;
  } cases[] = {
      {"labtest.order.created", "labtest.order"},
      {"continuous_query.result_table.changed", "continuous_query.result_table"},
      {"daily.data.heartrate.deleted", "daily.data.heartrate"},
      {"a.b.c.d.e.f.g.h.i.j.k", "a.b.c.d.e.f.g.h.i.j"},
      {"sleep.created", "sleep.created"},
      {"pull.", "pull."},
      {"sleep", "sleep."},
      {"two words", "two words."},
      {".created", ".created"},
      {".", "."},
      {"..", "."},
      {"a..", "a."},
      {"....", "..."},
  };
  for (const auto& one : cases) EXPECT_EQ(name_of_type(one.type), one.name) << one.type;
}

TEST(Classify, TheViewsLieInTheText) {
  const std::string text = "daily.data.heartrate.created";
  const EventType type = classify(kJunction, text);
  EXPECT_EQ(type.resource.data(), text.data() + 11);
  EXPECT_EQ(type.action.data(), text.data() + 21);
}

}  // namespace
}  // namespace wearables
