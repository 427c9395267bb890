// The compiled form of the mapping rows: names resolved to slots and indexes. Only mapping.cpp and
// provider_mappings.cpp make it, only the normalizer reads it.
#pragma once

#include "core/json/field_set.h"
#include "core/parse/mapping.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace wearables {

struct PlanMetric {
  MetricDef def;
  std::vector<UnitDef> units;

  const UnitDef* find_unit(std::string_view text) const noexcept;
};

// A field of the record; of a timeseries also one of the source beside the samples.
struct PlanField {
  std::uint16_t slot;
  bool of_source;
};

// Holds where the field holds one of the texts.
struct PlanCondition {
  PlanField field;
  std::vector<std::string> texts;
};

// What its text adds to a metric's name.
struct PlanExtension {
  PlanField field;
  std::string prefix;  // "intensity="; empty: of "type"
};

struct PlanMapping {
  static constexpr int kNoField = -1;

  std::int32_t mapping_id;
  std::int32_t ordinal;
  std::string provider;  // empty: any
  std::uint16_t metric;  // index into Plan::Impl::metrics
  std::vector<std::uint16_t> values;
  std::vector<std::uint16_t> instants;
  int secondary = kNoField;
  int end = kNoField;
  int unit = kNoField;
  int base = kNoField;
  int sum = kNoField;
  std::vector<std::uint16_t> lists;  // that its fields read by "*"; none: one reading a record
  std::string constant_unit;         // of the row, or the default where it has a unit field
  std::string unit_up_to_one;
  std::vector<CodeDef> codes;
  bool canonical = false;  // whatever its numbers are, they need no conversion
  std::vector<PlanExtension> extends;
  std::uint16_t time_of = 0;  // the first mapping of its resource that reads the same instant
  bool enabled = true;
  std::optional<PlanCondition> condition;
  std::string channel;  // empty: the resource's own
  std::vector<PlanField> part;
  bool of_stream = false;  // of the stream within the documents of the resource
};

// Rows of which a condition decides: those with one, and the rows without one that read where none of theirs holds.
struct PlanChoice {
  std::uint16_t root;                      // index of the metric that is the parent of the others
  std::vector<std::uint16_t> conditional;  // in the order in which they are tried
  std::vector<std::uint16_t> rest;
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
  std::uint16_t provider, slug, source_type, flat_provider, bare_provider, flat_type;
  int session_start = PlanMapping::kNoField;
  int session_end = PlanMapping::kNoField;
  int calendar_date = PlanMapping::kNoField, date = PlanMapping::kNoField;  // of documents; samples have none
  std::vector<PlanMapping> mappings;
  std::vector<PlanTexts> texts;
  bool reads_source = false;  // a mapping looks at a field of the source beside the samples

  // What applies to a provider, see MappingDef.
  struct ProviderMappings {
    std::string provider;
    std::vector<std::uint16_t> mappings;  // of metrics whose rows have no condition
    std::vector<PlanChoice> choices;      // of the others

    bool empty() const noexcept { return mappings.empty() && choices.empty(); }
  };
  std::vector<ProviderMappings> provider_mappings;  // the first is that of providers without a row of their own
  // Of the streams within its documents: the slot of the member that holds one (kNoField: it is not read), the resource
  // that it is of, and the mappings of that resource, whose paths begin with the member here.
  int stream_field = PlanMapping::kNoField;
  std::string stream;
  std::vector<ProviderMappings> stream_mappings;  // as provider_mappings
  bool has_pulled_stream = false;

  const ProviderMappings& mappings_for(std::string_view provider_name) const noexcept;
  const ProviderMappings& stream_mappings_for(std::string_view provider_name) const noexcept;
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

// Fills provider_mappings and stream_mappings from mappings.
void make_provider_mappings(const Plan::Impl& plan, PlanResource& resource);

inline constexpr std::uint16_t kSourceProvider = 0;
inline constexpr std::uint16_t kSourceSlug = 1;
inline constexpr std::uint16_t kSourceType = 2;

}  // namespace wearables
