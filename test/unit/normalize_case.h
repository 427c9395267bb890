// A body against the normalizer, as a row of a table.
#pragma once

#include "core/parse/normalize.h"

#include "sample_plan.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace wearables::testing {

inline const Plan& plan() {
  static const Plan* const made = sample_plan().release();
  return *made;
}

inline std::string shown(Micros at) {
  const auto days = std::chrono::floor<std::chrono::days>(std::chrono::microseconds(at));
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const auto rest = at - std::chrono::microseconds(days).count();
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(rest / 3'600'000'000), static_cast<int>(rest / 60'000'000 % 60),
                static_cast<int>(rest / 1'000'000 % 60));
  const auto micros = rest % 1'000'000;
  return micros == 0 ? text : text + ("." + std::to_string(micros));
}

inline std::string shown(const Batch& batch, std::int16_t metric) {
  static const auto metrics = sample_metrics();
  return metric > kNoMetric ? metrics[static_cast<std::size_t>(metric) - 1].name
                            : batch.new_metrics[static_cast<std::size_t>(~metric)].name;
}

inline std::string shown(const Batch& batch, const Sample& sample) {
  std::ostringstream text;
  text << shown(batch, sample.metric) << ' ' << shown(sample.ts);
  if (sample.ts_end != kNoInstant) text << ".." << shown(sample.ts_end);
  text << ' ' << sample.value;
  if (!std::isnan(sample.secondary)) text << '/' << sample.secondary;
  const SourceRef& source = batch.sources[sample.source];
  text << ' ' << source.provider << '/' << source.type << '/' << source.channel;
  if (sample.zone == kOffsetWritten) {
    text << " written";
  } else if (sample.zone != 0) {
    text << " zone=" << batch.zones[sample.zone - 1U];
  }
  if (sample.tz_offset == kCalendarDay) {
    text << " day";
  } else if (sample.tz_offset != kNoOffset) {
    text << " offset=" << sample.tz_offset;
  }
  if (sample.document != kNone) text << " of " << batch.documents[sample.document].id;
  return text.str();
}

inline std::string shown(const Rejected& rejected) {
  std::string text = std::string("! ") + reason_name(rejected.reason) + ' ' + rejected.pointer;
  return rejected.detail.empty() ? text : text + " \"" + rejected.detail + '"';
}

// One line for every reading, in order of appearance; an error is its message.
inline std::string readings(std::string_view resource, std::string_view body) {
  const auto result = normalize(plan(), resource, body);
  if (!result.ok()) return "error: " + result.error().message;
  const Batch& batch = result.value();
  std::map<std::uint32_t, std::string> lines;
  for (const Sample& sample : batch.samples) lines[sample.ordinal] = shown(batch, sample);
  for (const Rejected& rejected : batch.rejected) lines[rejected.ordinal] = shown(rejected);
  EXPECT_EQ(batch.readings, batch.samples.size() + batch.refused) << body;
  EXPECT_EQ(batch.readings, lines.size()) << "an ordinal twice: " << body;
  std::string text;
  for (const auto& [ordinal, line] : lines) text += line + '\n';
  return text;
}

// A timeseries event with one source and these samples.
inline std::string event(const std::string& samples) {
  return R"({"user_id":"u","data":{"source":{"provider":"oura","type":"ring"},"data":[)" + samples + "]}}";
}

inline std::string document(const std::string& members) {
  return R"({"user_id":"u","data":{"id":"d1","source":{"provider":"oura","type":"ring"},)" + members + "}}";
}

struct BodyCase {
  const char* resource;
  std::string body;
  std::string expected;
};

inline void expect_readings(const std::vector<BodyCase>& cases) {
  for (const BodyCase& one : cases) {
    EXPECT_EQ(readings(one.resource, one.body), one.expected) << one.resource << ' ' << one.body;
  }
}

}  // namespace wearables::testing
