#include "core/readings.h"

#include "core/text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace wearables {
namespace {

constexpr std::size_t kMaxName = 100;
constexpr std::size_t kMaxZone = 64;
constexpr std::size_t kMaxDetail = 64;
constexpr double kMaxOffsetSeconds = 18 * 3600;

// The shape of an IANA name; whether there is such a zone, only the database knows.
bool usable_zone(std::string_view text) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  };
  return !text.empty() && text.size() <= kMaxZone && std::all_of(text.begin(), text.end(), fits);
}

// Seconds east of UTC; NaN when the field does not say.
double offset_seconds(const Value& value) noexcept {
  const bool says = value.kind == Kind::kNumber && std::fabs(value.number) <= kMaxOffsetSeconds;
  return says ? value.number : std::numeric_limits<double>::quiet_NaN();
}

std::int16_t offset_minutes(const Value& value) noexcept {
  const double seconds = offset_seconds(value);
  return std::isnan(seconds) ? kNoOffset : static_cast<std::int16_t>(seconds / 60);
}

}  // namespace

Readings::Readings(const Plan::Impl& plan, const PlanResource& resource, std::size_t body_size)
    : plan_(plan),
      resource_(resource),
      body_size_(body_size),
      metrics_(resource.mappings.size(), Interner::kNoIndex) {
  batch_.metrics.reserve(std::min<std::size_t>(resource.mappings.size(), 16));
}

void Readings::start(const Record& record) noexcept {
  record_ = &record;
  fields_ = record.fields;
  instant_.slot = kNoSlot;
}

int Readings::first_present(const std::vector<std::uint16_t>& slots) const noexcept {
  for (const std::uint16_t slot : slots) {
    if (fields_[slot].present()) return slot;
  }
  return kNoSlot;
}

std::uint16_t Readings::source(std::string_view provider, std::string_view type,
                               std::string_view channel) {
  if (!is_printable(provider, kMaxName)) return Interner::kNoIndex;
  if (!is_printable(type, kMaxName)) type = "unknown";
  // Usable names hold no NUL, so the joined text is unambiguous.
  std::string joined(provider);
  joined += '\0';
  joined += type;
  const std::size_t next = batch_.sources.size();
  const std::uint16_t index = sources_.index_of(joined, next);
  if (index == next && index != Interner::kNoIndex) {
    batch_.sources.push_back({std::string(provider), std::string(type), std::string(channel)});
  }
  return index;
}

void Readings::add(const PlanMapping& mapping, int value, std::uint16_t source,
                   std::uint32_t document) {
  Sample sample{};
  if (!measure(mapping, value, sample) || !set_metric(mapping, sample) ||
      !set_time(mapping, sample)) {
    refuse(refusal_.reason, &mapping, refusal_.slot, refusal_.detail);
    return;
  }
  sample.ordinal = batch_.readings++;
  sample.document = document;
  sample.source = source;
  sample.tz_offset = offset_minutes(fields_[resource_.timezone_offset]);
  if (batch_.samples.size() == batch_.samples.capacity()) make_room();
  batch_.samples.push_back(sample);
}

void Readings::refuse(Reason reason, const PlanMapping* mapping, int slot,
                      std::string_view detail) {
  std::string pointer(record_->list);
  if (record_->index != Record::kNotListed) pointer += '/' + std::to_string(record_->index);
  if (slot != kNoSlot) pointer += resource_.fields.pointer(static_cast<std::uint16_t>(slot));
  const std::uint16_t metric = mapping != nullptr ? metric_of(*mapping) : Interner::kNoIndex;
  batch_.rejected.push_back(
      {batch_.readings++, reason, metric, std::move(pointer), printable(detail, kMaxDetail)});
}

bool Readings::fail(Reason reason, int slot, std::string_view detail) noexcept {
  refusal_.reason = reason;
  refusal_.slot = slot;
  refusal_.detail = detail;
  return false;
}

bool Readings::measure(const PlanMapping& mapping, int value, Sample& sample) {
  const PlanMetric& metric = plan_.metrics[mapping.metric];
  sample.secondary = std::numeric_limits<double>::quiet_NaN();
  if (field(value).kind != Kind::kNumber) return fail(Reason::kNotANumber, value);
  if (!find_unit(mapping) || !convert(metric, value, &sample.value)) return false;
  if (mapping.secondary == kNoSlot) return true;
  if (!field(mapping.secondary).present()) return fail(Reason::kMissingValue, kNoSlot);
  if (field(mapping.secondary).kind != Kind::kNumber) {
    return fail(Reason::kNotANumber, mapping.secondary);
  }
  return convert(metric, mapping.secondary, &sample.secondary);
}

bool Readings::convert(const PlanMetric& metric, int slot, double* result) {
  *result = field(slot).number * unit_.factor + unit_.offset;
  // Open ranges are infinite, so infinity is asked about by itself. NaN fails every comparison.
  const bool plausible =
      std::isfinite(*result) && *result >= metric.def.lowest && *result <= metric.def.highest;
  return plausible || fail(Reason::kOutOfRange, slot);
}

// Leaves the conversion to the canonical unit in unit_.
bool Readings::find_unit(const PlanMapping& mapping) {
  std::string_view text;
  if (mapping.unit != kNoSlot && field(mapping.unit).kind == Kind::kString) {
    text = field(mapping.unit).text;
  }
  if (unit_.mapping == &mapping && unit_.text == text) return true;

  const PlanMetric& metric = plan_.metrics[mapping.metric];
  const UnitDef* unit = nullptr;
  if (!text.empty() && text != metric.def.unit) {
    unit = metric.find_unit(text);
    if (unit == nullptr) return fail(Reason::kUnknownUnit, mapping.unit, text);
  }
  unit_.mapping = &mapping;
  unit_.text = text;
  unit_.factor = unit != nullptr ? unit->factor : text.empty() ? mapping.factor : 1;
  unit_.offset = unit != nullptr ? unit->offset : text.empty() ? mapping.offset : 0;
  return true;
}

std::uint16_t Readings::metric_of(const PlanMapping& mapping) {
  std::uint16_t& index = metrics_[mapping.twin];
  if (index != Interner::kNoIndex || batch_.metrics.size() >= Interner::kNoIndex) return index;
  index = static_cast<std::uint16_t>(batch_.metrics.size());
  batch_.metrics.push_back({plan_.metrics[mapping.metric].def.metric_id, {}});
  return index;
}

bool Readings::set_metric(const PlanMapping& mapping, Sample& sample) {
  if (!mapping.type_extends) {
    sample.metric = metric_of(mapping);
    return true;
  }
  const Value& type = fields_[resource_.type];
  if (type.kind != Kind::kString || !is_printable(type.text, kMaxName)) {
    const bool text = type.kind == Kind::kString;
    return fail(Reason::kMissingType, type.present() ? resource_.type : kNoSlot,
                text ? type.text : std::string_view());
  }
  if (type_.mapping != &mapping || type_.text != type.text) {
    const MetricDef& parent = plan_.metrics[mapping.metric].def;
    std::string name = parent.name + '/';
    if (!type.text.starts_with(name) || type.text.size() == name.size()) {
      name += type.text;
    } else {
      name = type.text;
    }
    const std::size_t next = batch_.metrics.size();
    const std::uint16_t index = extended_metrics_.index_of(name, next);
    if (index == Interner::kNoIndex) return fail(Reason::kMissingType, resource_.type, type.text);
    if (index == next) batch_.metrics.push_back({parent.metric_id, std::move(name)});
    type_.mapping = &mapping;
    type_.text = type.text;
    type_.metric = index;
  }
  sample.metric = type_.metric;
  return true;
}

bool Readings::set_time(const PlanMapping& mapping, Sample& sample) {
  const int slot = first_present(mapping.instants);
  if (slot == kNoSlot) return fail(Reason::kMissingTimestamp, kNoSlot);
  if (!read_instant(slot)) return false;
  sample.ts = instant_.at;
  sample.zone = instant_.zone;
  sample.ts_end = kNoInstant;
  return mapping.end == kNoSlot || !field(mapping.end).present() || set_end(mapping, sample);
}

bool Readings::set_end(const PlanMapping& mapping, Sample& sample) {
  if (!read_instant(mapping.end)) return false;
  // Wall-clock time and true time cannot be compared before the zone is known.
  if (instant_.zone != sample.zone) return fail(Reason::kBadTimestamp, mapping.end);
  if (instant_.at < sample.ts) return fail(Reason::kEndBeforeStart, mapping.end);
  sample.ts_end = instant_.at;
  return true;
}

// Leaves the instant in instant_.
bool Readings::read_instant(int slot) {
  if (instant_.slot == slot) return true;
  const Value& value = field(slot);
  std::optional<ParsedInstant> parsed;
  if (value.kind == Kind::kString) {
    parsed = parse_instant(value.text);
  } else if (value.kind == Kind::kNumber) {
    if (const auto at = instant_from_epoch(value.number)) parsed = ParsedInstant{*at, false, true};
  }
  return parsed ? place_instant(*parsed, slot) : fail(Reason::kBadTimestamp, slot);
}

bool Readings::place_instant(const ParsedInstant& parsed, int slot) {
  Micros at = parsed.at;
  std::uint16_t zone = 0;
  const Value& name = fields_[resource_.time_zone];
  if (!parsed.has_zone && name.kind == Kind::kString && usable_zone(name.text)) {
    const std::size_t next = batch_.zones.size();
    const std::uint16_t index = zones_.index_of(name.text, next);
    if (index >= Interner::kNoIndex - 1) return fail(Reason::kBadTimestamp, slot);
    if (index == next) batch_.zones.emplace_back(name.text);
    zone = static_cast<std::uint16_t>(index + 1);
  } else if (parsed.date_only) {
    const double east = offset_seconds(fields_[resource_.timezone_offset]);
    if (!std::isnan(east)) at -= static_cast<Micros>(east) * kMicrosPerSecond;
  }
  if (at < kEarliestInstant || at > kLatestInstant) return fail(Reason::kTimestampOutOfRange, slot);
  instant_.slot = slot;
  instant_.at = at;
  instant_.zone = zone;
  return true;
}

// Grows to what the rest of the body promises by what there was so far: doubling would leave up to
// half of the memory unused, and hold both copies for a while.
void Readings::make_room() {
  constexpr std::size_t kFirst = 1024;
  const std::size_t size = batch_.samples.size();
  const std::size_t most = body_size_ / 64 + 1;  // a sample is hardly ever shorter
  if (size == 0) return batch_.samples.reserve(std::min(kFirst, most));
  const double used = static_cast<double>(std::max<std::size_t>(record_->offset, 1));
  const double promised = static_cast<double>(size) * static_cast<double>(body_size_) / used * 1.05;
  const auto wanted = static_cast<std::size_t>(std::min(promised, static_cast<double>(most)));
  batch_.samples.reserve(std::max(size + size / 8 + 1, wanted));
}

}  // namespace wearables
