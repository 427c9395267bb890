// The parser is data: rows of `mappings`, `metrics`, `units`, `resources`, compiled into a Plan.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

// The field of every record that names a zone. What is no shape of a zone is noted as an unknown text of it; whether
// there is such a zone only the database knows (Batch::zones).
inline constexpr std::string_view kTimeZoneField = "time_zone";

struct MetricDef {
  std::int16_t metric_id;  // above 0
  std::string name;
  std::string unit;         // canonical
  bool interval;            // a reading spans ts..ts_end
  double lowest, highest;   // plausible range, inclusive; infinities when open
  std::string parent = {};  // name of the metric that it is a kind of (glucose of glucose/blood); empty: none
};

// canonical = value * factor + offset
struct UnitDef {
  std::int16_t metric_id;
  std::string text;
  double factor, offset;
};

enum class ResourceKind { kTimeseries, kSummary, kSkipped };

// How many documents of a resource there are: any number, each known by its id; or one a source and calendar day, or
// one a source, whatever id it is sent under.
enum class OnePer { kId, kDay, kSource };

struct ResourceDef {
  std::string name;
  ResourceKind kind;
  std::string list_key;  // member that holds the documents in a REST page ("sleep", "meals")
  OnePer one_per = OnePer::kId;
  std::string session_start = {};  // fields between whose instants a document lies, such as a night; empty: it is
  std::string session_end = {};    // no session
  // Of a stream: its body holds neither id nor source, but is one object about a document of resource `stream_of`,
  // whose they are. Such a document may hold it itself, in the member `stream_field` (empty: none does).
  std::string stream_of = {};  // empty: it is no stream
  std::string stream_field = {};
  bool pull_stream = false;  // it is to be pulled after the document it is about
};

// The number that stands for a text ("true" and "false" too); NaN: there is no reading where it stands.
struct CodeDef {
  std::string text;  // "*": any other
  double number;
};

// Paths are member names relative to the sample or the summary object: "heart_rate.resting_bpm".
// "hr_zones.0" is the first of a list, "stages.*.type" every one: the row yields a reading for each
// place of the longest list among its value fields, and all its "*" mean that place.
//
// Which row reads: of a metric and channel the rows of a provider take the place of the general ones. Of what is left
// for a provider, the rows with a condition are tried one after the other, by ordinal, then mapping_id, those of a
// metric and of the metrics whose parent it is together. The first whose condition holds reads the record; neither the
// others nor the rows without a condition of its metric and of the parent of its metric do. A metric has one row
// without a condition at most: of several the provider's own, then the first by ordinal and mapping_id. A row that is
// off takes the place of general ones all the same, and is not tried.
struct MappingDef {
  std::int32_t mapping_id;
  std::string resource;
  std::string provider;  // empty: any provider without a row of its own for metric and channel
  std::int16_t metric_id;
  std::vector<std::string> value_fields;    // the first that is present and not null counts
  std::string secondary_field;              // empty: none
  std::vector<std::string> instant_fields;  // the first that is present and not null counts
  std::string end_field;                    // empty: none
  std::string unit_field;                   // empty: none
  std::string unit;                         // constant, without unit_field; both empty: canonical
  // Fields of closed vocabularies whose texts extend the metric's name, joined by "/" in this order: "type" by its text
  // (less "metric/" where it begins with that), every other one by "field=text"; what is absent, null or empty is left
  // out. The metric of that name is made where no row is. No "*"; of a timeseries "source.x" as in only_where_field.
  std::vector<std::string> extends;
  bool enabled = true;              // false: yields nothing; with a provider, the general row is off for it too
  std::string base_field = {};      // numbers in instant_fields and end_field are seconds since this
  std::string unit_up_to_one = {};  // instead of the unit where the value lies within -1..1
  std::string unit_default = {};    // where unit_field is absent, null or empty; empty: kMissingUnit
  std::string sum_field = {};       // read by "*": the sum of its places where no value field is present
  std::vector<CodeDef> codes = {};  // the value is a text: another than these is kUnknownCode
  // The condition: the field holds one of the texts, a number as it is written. No "*". Of a timeseries "source.x" is a
  // member of the source beside the samples.
  std::string only_where_field = {};  // empty: none
  std::vector<std::string> only_where_texts = {};
  std::string channel = {};  // of its readings; empty: the resource's own. Of a timeseries it means nothing
  std::int32_t ordinal = 0;
  // Fields of open vocabularies that tell readings of one instant apart: what they hold goes into Row::part, texts and
  // numbers as they are written; what is absent, null or empty is left out. Paths as of extends.
  std::vector<std::string> part_fields = {};
};

// A field that is known and needs no mapping, with all below it. With texts: those it may hold.
struct KnownFieldDef {
  std::string resource;  // empty: every one
  std::string path;      // without "*"; "source.type" is also that beside a list of samples
  std::vector<std::string> texts;
};

struct MappingSet {
  std::vector<MetricDef> metrics;
  std::vector<UnitDef> units;
  std::vector<ResourceDef> resources;
  std::vector<MappingDef> mappings;
  std::vector<KnownFieldDef> known_fields = {};
};

// Immutable, and independent of the rows it was made from. Made once per revision and backend.
class Plan {
 public:
  // kInvalidMapping names the row: an unknown metric or resource, an empty or malformed path.
  static Result<std::unique_ptr<Plan>> compile(const MappingSet& set);

  struct Impl;  // plan.h
  explicit Plan(std::unique_ptr<Impl> impl);
  ~Plan();
  const Impl& impl() const noexcept { return *impl_; }

  // The kind of a resource; kSkipped for one that no row knows (`known` tells which).
  ResourceKind kind(std::string_view resource, bool* known) const noexcept;

  // What a resource has to do with streams.
  struct Streams {
    bool is_stream = false;
    bool is_pulled = false;        // it is a stream that is to be pulled
    bool follow = false;           // streams of its documents are to be pulled
    std::string_view within = {};  // the resource of the streams within its documents; empty: there are none
  };
  Streams streams(std::string_view resource) const noexcept;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace wearables
