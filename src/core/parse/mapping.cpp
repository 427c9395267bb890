#include "core/parse/mapping.h"

#include "core/base/assert.h"
#include "core/parse/plan.h"
#include "core/write/sample.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace wearables {
namespace {

constexpr std::size_t kMaxFields = 4096;  // of one resource, over all its mappings
constexpr std::size_t kMaxMappings = 4096;
constexpr std::string_view kOfSource = "source.";

Error invalid(std::string row, std::string_view what) {
  return {Code::kInvalidMapping, std::move(row) + ": " + std::string(what)};
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string metric_row(std::int16_t metric_id) { return "metric " + std::to_string(metric_id); }

PlanMetric* find_metric(Plan::Impl& plan, std::int16_t metric_id) {
  const auto found = plan.metric_indexes.find(metric_id);
  return found == plan.metric_indexes.end() ? nullptr : &plan.metrics[found->second];
}

Result<Done> add_metric(Plan::Impl& plan, const MetricDef& def) {
  const std::string row = metric_row(def.metric_id);
  if (def.metric_id <= kNoMetric) return invalid(row, "its number is not positive");
  if (find_metric(plan, def.metric_id) != nullptr) return invalid(row, "stands twice");
  if (def.name.empty()) return invalid(row, "has no name");
  if (!(def.lowest <= def.highest)) return invalid(row, "its lowest value is above its highest");
  const auto index = static_cast<std::uint16_t>(plan.metrics.size());
  plan.metric_indexes.emplace(def.metric_id, index);
  plan.metric_names.emplace(def.name, index);
  plan.metrics.push_back({def, {}});
  MetricDef& added = plan.metrics.back().def;
  added.lowest = std::max(added.lowest, -kLargestValue);
  added.highest = std::min(added.highest, kLargestValue);
  return Done{};
}

Result<Done> add_unit(Plan::Impl& plan, const UnitDef& def) {
  const std::string row = "unit " + quoted(def.text) + " of metric " + std::to_string(def.metric_id);
  PlanMetric* metric = find_metric(plan, def.metric_id);
  if (metric == nullptr) return invalid(row, "there is no such metric");
  if (def.text.empty()) return invalid(row, "has no text");
  if (!std::isfinite(def.factor) || def.factor == 0 || !std::isfinite(def.offset)) {
    return invalid(row, "factor and offset must be finite, and the factor not zero");
  }
  metric->units.push_back(def);
  return Done{};
}

Result<Done> add_resource(Plan::Impl& plan, const ResourceDef& def) {
  const std::string row = "resource " + quoted(def.name);
  if (def.name.empty()) return invalid(row, "has no name");
  if (plan.find(def.name) != nullptr) return invalid(row, "stands twice");
  PlanResource& resource = plan.resources.emplace_back();
  resource.def = def;
  FieldSet& fields = resource.fields;
  resource.time_zone = fields.add(kTimeZoneField);
  resource.timezone_offset = fields.add("timezone_offset");
  resource.zone_offset = fields.add("zone_offset");
  resource.type = fields.add("type");
  if (def.kind != ResourceKind::kSummary) {
    fields.know("source");  // of a single sample: not looked at
    return Done{};
  }
  resource.id = fields.add("id");
  resource.updated_at = fields.add("updated_at");
  resource.calendar_date = fields.add("calendar_date");
  resource.date = fields.add("date");
  for (const auto& [path, slot] :
       {std::pair{&def.session_start, &resource.session_start}, std::pair{&def.session_end, &resource.session_end}}) {
    if (path->empty()) continue;
    if (!FieldSet::valid(*path)) return invalid(row, "has a session field that is not a path: " + quoted(*path));
    *slot = fields.add(*path);
  }
  resource.provider = fields.add("source.provider");
  resource.slug = fields.add("source.slug");
  resource.source_type = fields.add("source.type");
  resource.flat_provider = fields.add("source_provider");
  resource.bare_provider = fields.add("provider");
  resource.flat_type = fields.add("source_type");
  return Done{};
}

PlanResource* find_resource(Plan::Impl& plan, std::string_view name) {
  for (PlanResource& resource : plan.resources) {
    if (resource.def.name == name) return &resource;
  }
  return nullptr;
}

// Tells resources of the streams of their documents, which may stand behind them. What either of the two was when it
// was of kind summary may still be stored, so the one knows the other whatever they are now.
Result<Done> add_streams(Plan::Impl& plan) {
  for (const PlanResource& stream : plan.resources) {
    PlanResource* of = stream.def.stream_of.empty() ? nullptr : find_resource(plan, stream.def.stream_of);
    if (of == nullptr) continue;
    const bool is_read = of->def.kind == ResourceKind::kSummary && stream.def.kind == ResourceKind::kSummary;
    of->has_pulled_stream = of->has_pulled_stream || (is_read && stream.def.pull_stream);
    const std::string& field = stream.def.stream_field;
    if (field.empty()) continue;
    const std::string row = "resource " + quoted(stream.def.name);
    if (!FieldSet::valid(field)) return invalid(row, "has a stream field that is not a path: " + quoted(field));
    if (!of->stream.empty()) return invalid(row, "documents of " + quoted(of->def.name) + " hold another stream");
    of->stream = stream.def.name;
    if (is_read) of->stream_field = of->fields.add(field);
  }
  return Done{};
}

// Slots for paths; remembers the first that is malformed.
class Paths {
 public:
  explicit Paths(FieldSet& fields) : fields_(fields) {}

  std::vector<std::uint16_t> all(const std::vector<std::string>& paths) {
    std::vector<std::uint16_t> slots;
    slots.reserve(paths.size());
    for (const std::string& path : paths) slots.push_back(one(path));
    return slots;
  }

  int optional(const std::string& path) { return path.empty() ? PlanMapping::kNoField : one(path); }

  const std::string* malformed() const noexcept { return malformed_; }

 private:
  std::uint16_t one(const std::string& path) {
    if (FieldSet::valid(path)) return fields_.add(path);
    if (malformed_ == nullptr) malformed_ = &path;
    return 0;
  }

  FieldSet& fields_;
  const std::string* malformed_ = nullptr;
};

// What stands in a list is measured in a list: without values there would be no reading.
Result<Done> set_lists(const FieldSet& fields, const std::string& row, PlanMapping& mapping) {
  std::set<std::uint16_t> lists;
  const auto count = [&](int slot) {
    const int list = slot < 0 ? -1 : fields.list_of(static_cast<std::uint16_t>(slot));
    if (list >= 0) lists.insert(static_cast<std::uint16_t>(list));
    return list >= 0 ? 1U : 0U;
  };
  std::size_t values = 0;
  for (const std::uint16_t slot : mapping.values) values += count(slot);
  for (const std::uint16_t slot : mapping.instants) count(slot);
  for (const int slot : {mapping.secondary, mapping.end, mapping.unit, mapping.base}) count(slot);
  mapping.lists.assign(lists.begin(), lists.end());
  if (!lists.empty() && mapping.sum != PlanMapping::kNoField) {
    return invalid(row, "sum_field cannot be combined with * in value_fields");
  }
  if (lists.empty() || values == mapping.values.size()) return Done{};
  return invalid(row, "either all value fields contain a *, or none does");
}

Result<Done> set_fields(FieldSet& fields, const MappingDef& def, const std::string& row, PlanMapping& mapping) {
  if (def.value_fields.empty()) return invalid(row, "it has no value field");
  if (def.instant_fields.empty()) return invalid(row, "it has no instant field");
  Paths paths(fields);
  mapping.values = paths.all(def.value_fields);
  mapping.instants = paths.all(def.instant_fields);
  mapping.secondary = paths.optional(def.secondary_field);
  mapping.end = paths.optional(def.end_field);
  mapping.unit = paths.optional(def.unit_field);
  mapping.base = paths.optional(def.base_field);
  mapping.sum = paths.optional(def.sum_field);
  if (paths.malformed() != nullptr) {
    return invalid(row, quoted(*paths.malformed()) + " is not a path of member names");
  }
  if (fields.size() > kMaxFields) return invalid(row, "too many fields for one resource");
  if (mapping.sum != PlanMapping::kNoField && fields.list_of(static_cast<std::uint16_t>(mapping.sum)) < 0) {
    return invalid(row, "sum_field must contain a *");
  }
  return set_lists(fields, row, mapping);
}

// Where the path is looked up: of a timeseries "source.x" is beside the samples.
PlanField field_of(Plan::Impl& plan, PlanResource& resource, std::string_view path) {
  if (resource.def.kind == ResourceKind::kSummary || !path.starts_with(kOfSource)) {
    return {resource.fields.add(path), false};
  }
  resource.reads_source = true;
  return {plan.source_fields.add(path.substr(kOfSource.size())), true};
}

Result<Done> check_whole_field(const std::string& path, const std::string& row) {
  if (FieldSet::valid(path) && path.find('*') == std::string::npos) return Done{};
  return invalid(row, quoted(path) + " is not a path of member names without *");
}

Result<Done> set_condition(Plan::Impl& plan, PlanResource& resource, const MappingDef& def, const std::string& row,
                           PlanMapping& mapping) {
  if (def.only_where_field.empty()) return Done{};
  if (auto checked = check_whole_field(def.only_where_field, row); !checked.ok()) return checked;
  mapping.condition = {field_of(plan, resource, def.only_where_field), def.only_where_texts};
  return Done{};
}

// `within`: what the paths begin with, which is no part of a name.
Result<Done> set_extends(Plan::Impl& plan, PlanResource& resource, const MappingDef& def, std::string_view within,
                         const std::string& row, PlanMapping& mapping) {
  for (const std::string& path : def.extends) {
    if (auto checked = check_whole_field(path, row); !checked.ok()) return checked;
    const std::string name = path.substr(within.size());
    mapping.extends.push_back({field_of(plan, resource, path), name == "type" ? "" : name + '='});
  }
  return Done{};
}

Result<Done> set_part(Plan::Impl& plan, PlanResource& resource, const MappingDef& def, const std::string& row,
                      PlanMapping& mapping) {
  for (const std::string& path : def.part_fields) {
    if (auto checked = check_whole_field(path, row); !checked.ok()) return checked;
    mapping.part.push_back(field_of(plan, resource, path));
  }
  return Done{};
}

// The row of a stream as its paths are in a document that holds the stream: `within` is that member and a full stop.
MappingDef within_document(MappingDef def, std::string_view within) {
  const auto begin = [within](std::string& path) {
    if (!path.empty()) path.insert(0, within);
  };
  for (std::vector<std::string>* paths : {&def.value_fields, &def.instant_fields, &def.extends, &def.part_fields}) {
    for (std::string& path : *paths) begin(path);
  }
  for (std::string* path : {&def.secondary_field, &def.end_field, &def.unit_field, &def.base_field, &def.sum_field,
                            &def.only_where_field}) {
    begin(*path);
  }
  return def;
}

std::uint16_t same_time(const std::vector<PlanMapping>& mappings, const PlanMapping& mapping) {
  const auto same = std::find_if(mappings.begin(), mappings.end(), [&](const PlanMapping& other) {
    return other.enabled && other.base == mapping.base && other.instants == mapping.instants;
  });
  return static_cast<std::uint16_t>(same - mappings.begin());
}

bool is_canonical(const PlanMapping& mapping, const PlanMetric& metric) {
  const auto none = [&](const std::string& unit) { return unit.empty() || unit == metric.def.unit; };
  return mapping.unit == PlanMapping::kNoField && mapping.codes.empty() && mapping.extends.empty() &&
         none(mapping.constant_unit) && none(mapping.unit_up_to_one);
}

// `within`: as of within_document(), if the row is of the stream within the documents of the resource; else empty.
Result<Done> add_mapping_to(Plan::Impl& plan, PlanResource* resource, const MappingDef& def, std::string_view within) {
  const std::string row = "mapping " + std::to_string(def.mapping_id);
  const PlanMetric* metric = find_metric(plan, def.metric_id);
  if (metric == nullptr) {
    return invalid(row, "there is no metric " + std::to_string(def.metric_id));
  }
  if (resource->mappings.size() == kMaxMappings) return invalid(row, "too many mappings for one resource");

  PlanMapping mapping;
  mapping.mapping_id = def.mapping_id;
  mapping.ordinal = def.ordinal;
  mapping.provider = def.provider;
  if (resource->def.kind == ResourceKind::kSummary && def.channel != def.resource) mapping.channel = def.channel;
  mapping.metric = static_cast<std::uint16_t>(metric - plan.metrics.data());
  mapping.enabled = def.enabled;
  mapping.of_stream = !within.empty();
  if (def.enabled) {
    if (auto set = set_fields(resource->fields, def, row, mapping); !set.ok()) return set;
    if (auto set = set_condition(plan, *resource, def, row, mapping); !set.ok()) return set;
    if (auto set = set_extends(plan, *resource, def, within, row, mapping); !set.ok()) return set;
    if (auto set = set_part(plan, *resource, def, row, mapping); !set.ok()) return set;
    // one that the metric does not know is the fault of this row alone: its readings say so
    mapping.constant_unit = def.unit_field.empty() ? def.unit : def.unit_default;
    mapping.unit_up_to_one = def.unit_up_to_one.empty() ? mapping.constant_unit : def.unit_up_to_one;
    mapping.codes = def.codes;
    mapping.canonical = is_canonical(mapping, *metric);
    mapping.time_of = same_time(resource->mappings, mapping);
  }
  resource->mappings.push_back(std::move(mapping));
  return Done{};
}

Result<Done> add_mapping(Plan::Impl& plan, const MappingDef& def) {
  PlanResource* resource = find_resource(plan, def.resource);
  if (resource == nullptr) {
    return invalid("mapping " + std::to_string(def.mapping_id), "there is no resource " + quoted(def.resource));
  }
  if (auto added = add_mapping_to(plan, resource, def, ""); !added.ok()) return added;
  for (PlanResource& of : plan.resources) {
    if (of.stream != def.resource || of.stream_field == PlanMapping::kNoField) continue;
    const std::string within = resource->def.stream_field + '.';
    return add_mapping_to(plan, &of, within_document(def, within), within);
  }
  return Done{};
}

void know(FieldSet& fields, std::vector<PlanTexts>& texts, std::string_view path, const KnownFieldDef& def) {
  // which zones are known the database says; texts of this field only silence what is told of it
  if (def.texts.empty() || path == kTimeZoneField) return fields.know(path);
  const std::uint16_t slot = fields.add(path);
  const auto known =
      std::find_if(texts.begin(), texts.end(), [&](const PlanTexts& other) { return other.slot == slot; });
  PlanTexts& list = known != texts.end() ? *known : texts.emplace_back(PlanTexts{slot, def.path, {}});
  list.texts.insert(list.texts.end(), def.texts.begin(), def.texts.end());
}

Result<Done> add_known_field(Plan::Impl& plan, const KnownFieldDef& def) {
  const bool of_source = def.path.starts_with(kOfSource);
  if (!FieldSet::valid(def.path) || def.path.find('*') != std::string::npos) {
    return invalid("known field " + quoted(def.path), "it is not a path of member names");
  }
  if (of_source && def.resource.empty()) {
    const std::string_view beside = std::string_view(def.path).substr(kOfSource.size());
    know(plan.source_fields, plan.source_texts, beside, def);
  }
  for (PlanResource& resource : plan.resources) {
    const bool named = def.resource.empty() || def.resource == resource.def.name;
    const bool beside = of_source && resource.def.kind != ResourceKind::kSummary;
    if (named && !beside) know(resource.fields, resource.texts, def.path, def);
    if (!def.resource.empty() && def.resource == resource.stream) {
      know(resource.fields, resource.texts, find_resource(plan, resource.stream)->def.stream_field + '.' + def.path,
           def);
    }
  }
  return Done{};
}

template <class Def>
Result<Done> add_all(Plan::Impl& plan, const std::vector<Def>& rows, Result<Done> (*add)(Plan::Impl&, const Def&)) {
  for (const Def& row : rows) {
    if (auto added = add(plan, row); !added.ok()) return added;
  }
  return Done{};
}

}  // namespace

const UnitDef* PlanMetric::find_unit(std::string_view text) const noexcept {
  const auto found = std::find_if(units.begin(), units.end(), [&](const UnitDef& unit) { return unit.text == text; });
  return found == units.end() ? nullptr : &*found;
}

const PlanResource* Plan::Impl::find(std::string_view resource) const noexcept {
  const auto found = std::find_if(resources.begin(), resources.end(),
                                  [&](const PlanResource& known) { return known.def.name == resource; });
  return found == resources.end() ? nullptr : &*found;
}

Plan::Plan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Plan::~Plan() = default;

Result<std::unique_ptr<Plan>> Plan::compile(const MappingSet& set) {
  auto plan = std::make_unique<Impl>();
  for (const char* field : {"provider", "slug", "type"}) plan->source_fields.add(field);
  if (auto done = add_all(*plan, set.metrics, add_metric); !done.ok()) return done.error();
  if (auto done = add_all(*plan, set.units, add_unit); !done.ok()) return done.error();
  if (auto done = add_all(*plan, set.resources, add_resource); !done.ok()) return done.error();
  if (auto done = add_streams(*plan); !done.ok()) return done.error();
  if (auto done = add_all(*plan, set.mappings, add_mapping); !done.ok()) return done.error();
  if (auto done = add_all(*plan, set.known_fields, add_known_field); !done.ok()) {
    return done.error();
  }
  WEARABLES_ASSERT(plan->source_fields.is_consistent());
  for (PlanResource& resource : plan->resources) {
    make_provider_mappings(*plan, resource);
    WEARABLES_ASSERT(resource.fields.is_consistent() && !resource.provider_mappings.empty());
  }
  return std::make_unique<Plan>(std::move(plan));
}

Plan::Streams Plan::streams(std::string_view resource) const noexcept {
  const PlanResource* found = impl_->find(resource);
  if (found == nullptr) return {};
  const bool is_stream = found->def.kind == ResourceKind::kSummary && !found->def.stream_of.empty();
  return {is_stream, is_stream && found->def.pull_stream, found->has_pulled_stream, found->stream};
}

ResourceKind Plan::kind(std::string_view resource, bool* known) const noexcept {
  const PlanResource* found = impl_->find(resource);
  if (known != nullptr) *known = found != nullptr;
  return found == nullptr ? ResourceKind::kSkipped : found->def.kind;
}

}  // namespace wearables
