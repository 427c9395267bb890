// The compiled form of the mapping rows: names resolved to slots and indexes. Only mapping.cpp
// makes it, only normalize.cpp reads it.
#pragma once

#include "core/json/field_set.h"
#include "core/parse/mapping.h"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace wearables {

struct PlanMetric {
  MetricDef def;
  std::vector<UnitDef> units;

  const UnitDef* find_unit(std::string_view text) const noexcept;
};

struct PlanMapping {
  static constexpr int kNoField = -1;

  std::string provider;  // empty: any
  std::uint16_t metric;  // index into Plan::Impl::metrics
  std::vector<std::uint16_t> values;
  std::vector<std::uint16_t> instants;
  int secondary = kNoField;
  int end = kNoField;
  int unit = kNoField;
  int base = kNoField;
  std::vector<std::uint16_t> lists;  // that its fields read by "*"; none: one reading a record
  std::string constant_unit;         // of the row, or the default where it has a unit field
  std::string unit_up_to_one;
  bool canonical = false;  // whatever its numbers are, they need no conversion
  bool type_extends = false;
  std::uint16_t time_of = 0;  // the first mapping of its resource that reads the same instant
  bool enabled = true;
};

// A field that knows its texts.
struct PlanTexts {
  std::uint16_t slot;
  std::string path;
  std::vector<std::string> texts;
};

struct PlanResource {
  ResourceDef def;
  FieldSet fields;
  std::uint16_t id, type, updated_at, time_zone, timezone_offset, zone_offset;  // slots
  std::uint16_t provider, slug, source_type, flat_provider, flat_type;
  int session_start = PlanMapping::kNoField;
  int session_end = PlanMapping::kNoField;
  int calendar_date = PlanMapping::kNoField, date = PlanMapping::kNoField;  // of documents; samples have none
  std::vector<PlanMapping> mappings;
  std::vector<PlanTexts> texts;

  // What applies to a provider: its own rows, and the general ones of metrics it has no row for.
  struct ProviderMappings {
    std::string provider;
    std::vector<std::uint16_t> mappings;
  };
  std::vector<ProviderMappings> provider_mappings;  // the first is that of providers without a row of their own

  const std::vector<std::uint16_t>& mappings_for(std::string_view provider_name) const noexcept;
  void make_provider_mappings();
};

struct Plan::Impl {
  std::vector<PlanMetric> metrics;
  std::unordered_map<std::int16_t, std::uint16_t> metric_indexes;  // by metric_id
  std::unordered_map<std::string, std::uint16_t> metric_names;
  std::vector<PlanResource> resources;
  FieldSet source_fields;  // provider, slug, type: in this order
  std::vector<PlanTexts> source_texts;

  const PlanResource* find(std::string_view resource) const noexcept;
};

inline constexpr std::uint16_t kSourceProvider = 0;
inline constexpr std::uint16_t kSourceSlug = 1;
inline constexpr std::uint16_t kSourceType = 2;

}  // namespace wearables
