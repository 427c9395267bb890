// A plan with every feature of a mapping row, for the tests of the normalizer and its fuzz target.
#pragma once

#include "core/parse/mapping.h"

#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace wearables::testing {

inline constexpr double kOpen = std::numeric_limits<double>::infinity();

inline MetricDef metric(std::int16_t id, std::string name, std::string unit, double lowest = -kOpen,
                        double highest = kOpen) {
  return {id, std::move(name), std::move(unit), false, lowest, highest};
}

inline MappingDef mapping(std::int32_t id, std::string resource, std::int16_t metric_id,
                          std::vector<std::string> values, std::vector<std::string> instants) {
  MappingDef row{};
  row.mapping_id = id;
  row.resource = std::move(resource);
  row.metric_id = metric_id;
  row.value_fields = std::move(values);
  row.instant_fields = std::move(instants);
  return row;
}

// The usual row of a timeseries resource: one value, its unit beside it.
inline MappingDef series(std::int32_t id, std::string resource, std::int16_t metric_id) {
  MappingDef row = mapping(id, std::move(resource), metric_id, {"value"}, {"timestamp", "start"});
  row.unit_field = "unit";
  return row;
}

inline std::vector<MetricDef> sample_metrics() {
  std::vector<MetricDef> metrics = {
      metric(1, "heartrate", "bpm", 10, 400),
      metric(2, "hrv", "ms", 0, 1000),
      metric(3, "hrv_sdnn", "ms", 0, 1000),
      metric(4, "blood_oxygen", "%", 20, 100),
      metric(5, "respiratory_rate", "bpm", 0, 120),
      metric(6, "blood_pressure", "mmHg", 10, 400),
      metric(7, "steps", "count", 0),
      metric(8, "cholesterol", "mmol/L", 0),
      metric(9, "body_temperature", "°C", 20, 50),
      metric(10, "resting_heartrate", "bpm", 10, 400),
      metric(11, "sodium", "mg", 0),
      metric(12, "temperature_delta", "°C"),
      metric(13, "heartrate_max", "bpm", 10, 400),
      metric(14, "cholesterol/triglycerides", "mmol/L", 0, 3),
      metric(15, "stage", "stage", -1, 5),
      metric(16, "zone_1", "s", 0),
      metric(17, "zone_3", "s", 0),
      metric(18, "efficiency", "%", 0, 100),
      metric(19, "temperature", "°C", 20, 50),
      metric(20, "dose", "mg", 0, 100),
      metric(21, "dose/pen", "mg", 0, 100),
  };
  metrics[20].parent = "dose";
  metrics[6].interval = true;
  return metrics;
}

inline std::vector<UnitDef> sample_units() {
  return {{1, "Hz", 60, 0},       {2, "rmssd", 1, 0}, {2, "s", 1000, 0},
          {3, "rmssd", 1, 0},     {6, "kPa", 7.5, 0}, {9, "°F", 5.0 / 9.0, -160.0 / 9.0},
          {9, "K", 1, -273.15},   {11, "g", 1000, 0}, {8, "mg/dL", 0.5, 0},
          {14, "mg/dL", 0.01, 0}, {16, "min", 60, 0}, {18, "1", 100, 0},
          {19, "°F", 0.5, 0}};
}

inline std::vector<ResourceDef> sample_resources() {
  std::vector<ResourceDef> resources;
  for (const char* name : {"heartrate", "hrv", "blood_oxygen", "respiratory_rate", "blood_pressure", "steps",
                           "cholesterol", "body_temperature", "stress", "empty"}) {
    resources.push_back({name, ResourceKind::kTimeseries, ""});
  }
  resources.push_back({"sleep", ResourceKind::kSummary, "sleep"});
  resources.push_back({"activity", ResourceKind::kSummary, "activity"});
  resources.push_back({"meal", ResourceKind::kSummary, "meals"});
  resources.push_back({"profile", ResourceKind::kSummary, "profile"});
  resources.push_back({"workout_stream", ResourceKind::kSkipped, ""});
  resources.push_back({"night", ResourceKind::kSummary, "nights"});
  resources.push_back({"dose", ResourceKind::kTimeseries, ""});
  resources.push_back({"trip", ResourceKind::kSummary, "trips"});
  // the stream of a trip, which the trip itself may hold
  resources.push_back({"ride", ResourceKind::kSummary, ""});
  resources.back().stream_of = "trip";
  resources.back().stream_field = "ride";
  return resources;
}

inline std::vector<MappingDef> sample_mappings() {
  const std::vector<std::string> night = {"bedtime_stop", "date"};
  std::vector<MappingDef> rows = {
      series(1, "heartrate", 1),
      series(2, "hrv", 2),
      series(3, "hrv", 3),  // Apple's is SDNN: this one instead of that one
      series(4, "hrv", 2),
      series(5, "blood_oxygen", 4),
      series(6, "respiratory_rate", 5),
      mapping(7, "blood_pressure", 6, {"systolic"}, {"timestamp", "start"}),
      mapping(8, "steps", 7, {"value"}, {"start", "timestamp"}),
      series(9, "cholesterol", 8),
      series(10, "body_temperature", 9),
      mapping(11, "sleep", 1, {"hr_lowest", "hr_resting", "hr_average"}, night),
      mapping(12, "sleep", 2, {"average_hrv"}, night),
      mapping(13, "sleep", 5, {"respiratory_rate"}, night),
      mapping(14, "sleep", 12, {"temperature_delta"}, night),
      mapping(15, "sleep", 1, {"hr_resting"}, night),  // of WHOOP only
      mapping(16, "activity", 10, {"heart_rate.resting_bpm"}, {"calendar_date", "date"}),
      mapping(17, "activity", 13, {"heart_rate.max_bpm"}, {"calendar_date", "date"}),
      mapping(18, "activity", 7, {"steps"}, {"calendar_date", "date"}),
      mapping(19, "meal", 11, {"micros.minerals.sodium"}, {"timestamp"}),
      mapping(20, "stress", 1, {"low"}, {"timestamp"}),
      mapping(21, "stress", 13, {"high"}, {"timestamp"}),
      mapping(22, "night", 15, {"stages.*", "kinds.*"}, {"starts.*"}),
      mapping(23, "night", 16, {"zones.0"}, {"start"}),
      mapping(24, "night", 17, {"zones.2"}, {"start"}),
      mapping(25, "night", 18, {"efficiency"}, {"start"}),
      mapping(26, "night", 19, {"warmth.*.now.value", "warmth.*.value"}, {"warmth.*.date", "start"}),
      mapping(27, "dose", 20, {"value"}, {"start"}),
      mapping(28, "dose", 21, {"value"}, {"start"}),
      mapping(29, "trip", 20, {"value"}, {"start"}),
      mapping(30, "trip", 20, {"values.*"}, {"start"}),
      mapping(31, "ride", 1, {"heartrate.*"}, {"time.*"}),
      mapping(32, "ride", 19, {"warmth.*"}, {"time.*"}),
      mapping(33, "ride", 15, {"stages.*.value"}, {"stages.*.start"}),
  };
  rows[2].provider = "apple_health_kit";
  rows[3].provider = "apple_health_kit";
  rows[3].enabled = false;
  rows[6].secondary_field = "diastolic";
  rows[6].unit_field = "unit";
  rows[7].end_field = "end";
  rows[7].unit_field = "unit";
  rows[8].extends = {"type"};
  rows[14].provider = "whoop_v2";
  rows[18].unit = "g";
  rows[21].end_field = "ends.*";
  rows[21].base_field = "start";
  rows[24].unit_up_to_one = "1";
  rows[25].unit_field = "warmth.*.unit";
  rows[26].extends = {"type", "mode", "source.sport"};
  rows[26].part_fields = {"grouping", "grouping.1", "source.workout_id"};
  rows[27].only_where_field = "source.type";
  rows[27].only_where_texts = {"pen", "pump"};
  rows[28].part_fields = {"leg"};
  rows[29].only_where_field = "type";
  rows[29].only_where_texts = {"walk"};
  rows[29].channel = "walk";
  rows[32].end_field = "stages.*.end";
  rows[32].unit_field = "stages.*.unit";
  // body_temperature alone has no default
  const std::vector<MetricDef> metrics = sample_metrics();
  for (MappingDef& row : rows) {
    if (row.unit_field.empty() || row.resource == "body_temperature") continue;
    row.unit_default = metrics[static_cast<std::size_t>(row.metric_id) - 1].unit;
  }
  return rows;
}

inline std::unique_ptr<Plan> sample_plan() {
  auto plan = Plan::compile({sample_metrics(), sample_units(), sample_resources(), sample_mappings()});
  if (!plan.ok()) std::abort();
  return std::move(plan).value();
}

}  // namespace wearables::testing
