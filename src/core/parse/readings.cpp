#include "core/parse/readings.h"

#include "core/base/text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

// What runs for every reading is inline, and what is large of it has one caller: so GCC makes one function of it. A
// second caller of add_one() costs a call for each reading.

namespace wearables {
namespace {

constexpr double kMaxOffsetSeconds = kFarthestOffset * 60.0;

// Of a field with seconds east of UTC; kNoOffset when it does not say.
std::int16_t offset_in_seconds(const Value& value) noexcept {
  const bool says = value.kind == Kind::kNumber && std::fabs(value.number) <= kMaxOffsetSeconds;
  return says ? static_cast<std::int16_t>(value.number / 60) : kNoOffset;
}

}  // namespace

Readings::Readings(const Plan::Impl& plan, const PlanResource& resource, std::size_t body_size, Batch& batch,
                   const ClosedNames* closed, std::span<const Refusal> refused)
    : plan_(plan), resource_(resource), body_size_(body_size), closed_(closed), refused_(refused), batch_(batch) {}

void Readings::begin_series() {
  std::vector<std::uint32_t>& starts = batch_.list_starts;
  if (starts.empty() || starts.back() != batch_.readings) starts.push_back(batch_.readings);
}

void Readings::start(const Record& record, Fields source) {
  WEARABLES_ASSERT(!record.is_object || record.fields.size() == resource_.fields.size());
  WEARABLES_ASSERT(!resource_.reads_source || source.size() == plan_.source_fields.size());
  record_ = &record;
  source_fields_ = source;
  fields_ = record.fields;
  forget_time();
  place_ = {};
  if (record.is_object) read_place();
  if (!resource_.texts.empty() && record.is_object) note_texts(resource_.texts, fields_);
  if (resource_.fields.lists().empty()) return;
  with_row_.assign(record.fields.begin(), record.fields.end());
  fields_ = with_row_;
}

inline int Readings::first_present(const std::vector<std::uint16_t>& slots) const noexcept {
  for (const std::uint16_t slot : slots) {
    WEARABLES_ASSERT(slot < fields_.size());
    if (fields_[slot].present()) return slot;
  }
  return kNoSlot;
}

bool Readings::add(const Mappings& mappings, std::uint16_t source, std::uint32_t document) {
  part_ = document == kNone ? kWholePart : batch_.documents[document].part;
  bool any = false;
  for (const std::uint16_t number : taken(mappings)) {
    WEARABLES_ASSERT(number < resource_.mappings.size());
    any |= add_of(resource_.mappings[number], source, document);
  }
  return any;
}

inline bool Readings::add_of(const PlanMapping& mapping, std::uint16_t source, std::uint32_t document) {
  if (!mapping.channel.empty()) {
    if (mapping.lists.empty() && first_present(mapping.values) == kNoSlot) return false;  // which makes no source
    source = source_in_channel(source, mapping.channel);
    if (!is_source(source)) return reject_source(source), true;
  }
  const bool listed = !mapping.lists.empty();
  const std::size_t rows = listed ? row_count(mapping) : 1;
  bool any = false;
  for (std::size_t row = 0; row < rows; ++row) {
    if (listed) take_row(mapping, row);
    any |= add_one(mapping, source, document);
  }
  if (listed) {
    any |= reject_left_out(mapping);
    row_ = kNoRow;
  }
  return any;
}

// The source that differs by its channel.
std::uint16_t Readings::source_in_channel(std::uint16_t source, std::string_view channel) {
  // by value: a source that is made may move the others
  const std::string provider = batch_.sources[source].provider;
  const std::string type = batch_.sources[source].type;
  return this->source(provider, type, channel);
}

inline bool Readings::add_one(const PlanMapping& mapping, std::uint16_t source, std::uint32_t document) {
  int value = first_present(mapping.values);
  if (value == kNoSlot) {
    if (mapping.sum == kNoSlot || !add_up(mapping)) return false;
    value = mapping.sum;
  }
  if (field(value).kind != Kind::kNumber && means_nothing(mapping, field(value))) [[unlikely]]
    return false;
  if (batch_.samples.size() == batch_.samples.capacity()) make_room();
  // filled in place: a copy right after its members were written would stall on store forwarding
  Sample& sample = batch_.samples.emplace_back();
  if (!choose_metric(mapping) || !measure(mapping, value, sample) || !set_time(mapping, sample) ||
      !is_allowed(mapping) || !name_metric(sample)) {
    batch_.samples.pop_back();
    reject_sample(mapping, value);
    return true;
  }
  sample.ordinal = batch_.readings++;
  sample.document = document;
  sample.source = static_cast<std::uint8_t>(source);
  sample.part = mapping.part.empty() ? part_ : part_in(mapping, document);
  note_offsets(sample);
  return true;
}

// Whether it is not one of those that are refused whatever they say.
inline bool Readings::is_allowed(const PlanMapping& mapping) {
  if (refused_.empty() || refused_.front().ordinal != batch_.readings) return true;
  const Reason reason = refused_.front().reason;
  refused_ = refused_.subspan(1);
  return fail(reason, first_present(mapping.instants));
}

inline void Readings::note_offsets(const Sample& sample) {
  const std::int16_t end = sample.ts_end == kNoInstant ? offsets_.end : instant_.offset;
  if (time_.offset == offsets_.start && end == offsets_.end) return;
  offsets_ = {sample.ordinal, time_.offset, end};
  batch_.written.push_back(offsets_);
}

std::size_t Readings::row_count(const PlanMapping& mapping) const noexcept {
  std::size_t rows = 0;
  for (const std::uint16_t slot : mapping.values) {
    const auto list = static_cast<std::size_t>(resource_.fields.list_of(slot));
    rows = std::max(rows, record_->lists[list].rows.size() / resource_.fields.lists()[list].size());
  }
  return rows;
}

// One refusal tells how many places of a list were too many.
bool Readings::reject_left_out(const PlanMapping& mapping) {
  for (const std::uint16_t slot : mapping.values) {
    const auto list = static_cast<std::size_t>(resource_.fields.list_of(slot));
    const std::size_t left_out = record_->lists[list].left_out;
    if (left_out == 0) continue;
    row_ = kMaxPlaces;
    reject_reading(Reason::kTooManyPlaces, plan_.metrics[mapping.metric].def.metric_id, slot, std::to_string(left_out));
    return true;
  }
  return false;
}

// Puts what stands in a row of the mapping's lists where its paths are looked up.
void Readings::take_row(const PlanMapping& mapping, std::size_t row) {
  row_ = row;
  for (const std::uint16_t list : mapping.lists) {
    const FieldSet::List& columns = resource_.fields.lists()[list];
    const std::vector<Value>& found = record_->lists[list].rows;
    const std::size_t first = row_ * columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      with_row_[columns[i]] = first < found.size() ? found[first + i] : Value{};
    }
  }
  forget_time();
}

inline bool Readings::measure(const PlanMapping& mapping, int value, Sample& sample) {
  sample.secondary = std::numeric_limits<double>::quiet_NaN();
  if (!convert(mapping, value, &sample.value)) return false;
  if (mapping.secondary == kNoSlot) return true;
  if (!field(mapping.secondary).present()) return fail(Reason::kMissingValue, kNoSlot);
  return convert(mapping, mapping.secondary, &sample.secondary);
}

inline bool Readings::convert(const PlanMapping& mapping, int slot, double* result) {
  if (field(slot).kind != Kind::kNumber) [[unlikely]]
    return mapping.codes.empty() ? fail(Reason::kNotANumber, slot) : decode(mapping, slot, result);
  *result = field(slot).number;
  if (!mapping.canonical) {
    if (!mapping.codes.empty()) [[unlikely]]
      return decode(mapping, slot, result);
    if (!find_unit(mapping, *result)) return false;
    *result = *result * unit_.factor + unit_.offset;
  }
  // The range of a plan is finite (kLargestValue). NaN fails every comparison.
  const MetricDef& metric = choice_.metric->def;
  const bool plausible = *result >= metric.lowest && *result <= metric.highest;
  return plausible || fail(Reason::kOutOfRange, slot);
}

// Leaves the conversion to the canonical unit in unit_.
inline bool Readings::find_unit(const PlanMapping& mapping, double number) {
  unit_.factor = 1;
  unit_.offset = 0;
  int slot = mapping.unit;
  std::string_view text;
  if (slot != kNoSlot && field(slot).kind == Kind::kString) text = field(slot).text;
  if (text.empty()) {
    text = std::fabs(number) <= 1 ? mapping.unit_up_to_one : mapping.constant_unit;
    // a guess would make 120 mmol/L of 120 mg/dL
    if (text.empty() && slot != kNoSlot) {
      return fail(Reason::kMissingUnit, field(slot).present() ? slot : kNoSlot);
    }
    slot = kNoSlot;  // if the mapping's own is not known, the mapping is at fault
  }
  return text.empty() || text == choice_.metric->def.unit || convert_unit(text, slot);
}

bool Readings::convert_unit(std::string_view text, int slot) {
  const UnitDef* unit = choice_.metric->find_unit(text);
  if (unit == nullptr) return fail(Reason::kUnknownUnit, slot, text);
  unit_.factor = unit->factor;
  unit_.offset = unit->offset;
  return true;
}

// Leaves the metric in choice_.
inline bool Readings::choose_metric(const PlanMapping& mapping) {
  choice_ = {&plan_.metrics[mapping.metric], kNotExtended};
  return mapping.extends.empty() || choose_extended(mapping);
}

// Last of all: a refused reading makes no metric.
inline bool Readings::name_metric(Sample& sample) {
  if (choice_.extended == kNotExtended) {
    sample.metric = choice_.metric->def.metric_id;
    return true;
  }
  Extended& extended = apart_->extended[choice_.extended];
  if (extended.named == kNoMetric) {
    const std::size_t next = batch_.new_metrics.size();
    static_assert(kMaxMetricNames <= std::numeric_limits<std::int16_t>::max());
    extended.named = static_cast<std::int16_t>(~next);
    batch_.new_metrics.push_back({extended.name, extended.metric->def.metric_id});
  }
  sample.metric = extended.named;
  return true;
}

inline bool Readings::set_time(const PlanMapping& mapping, Sample& sample) {
  if (time_.of != mapping.time_of && !find_time(mapping)) return false;
  sample.ts = time_.at;
  sample.zone = time_.zone;
  sample.tz_offset = time_.tz_offset;
  sample.ts_end = kNoInstant;
  return mapping.end == kNoSlot || !field(mapping.end).present() || set_end(mapping, sample);
}

// Leaves the instant of a reading in time_.
inline bool Readings::find_time(const PlanMapping& mapping) {
  const int slot = first_present(mapping.instants);
  if (slot == kNoSlot) return fail(Reason::kMissingTimestamp, kNoSlot);
  if (!read_time(mapping, slot)) return false;
  time_.at = instant_.at;
  if (instant_.is_day) {
    time_.zone = 0;
    time_.tz_offset = kCalendarDay;
  } else if (instant_.written_offset != kNoOffset) {
    time_.zone = kOffsetWritten;
    time_.tz_offset = instant_.written_offset;
  } else {
    if (place_.zone == kTooManyZones) {
      return fail(Reason::kTooManyNames, resource_.time_zone, field(resource_.time_zone).text);
    }
    time_.zone = place_.zone;
    time_.tz_offset = place_.tz_offset;
  }
  time_.of = mapping.time_of;
  time_.offset = instant_.offset;
  return true;
}

RefusedAt Readings::time_of_refused(const PlanMapping& mapping) {
  if (batch_.rejected.size() >= kMaxRejected) return {};
  if (time_.of != mapping.time_of && !find_time(mapping)) return {};
  return {time_.at, time_.tz_offset == kCalendarDay};
}

bool Readings::set_end(const PlanMapping& mapping, Sample& sample) {
  if (!read_time(mapping, mapping.end)) return false;
  // A span that ends on a date ends with it. A midnight is the end that it is, whatever the document's date.
  const Micros end = instant_.is_date ? instant_.at + kMicrosPerDay : instant_.at;
  if (end < sample.ts) return fail(Reason::kEndBeforeStart, mapping.end);
  if (end > kLatestInstant) return fail(Reason::kTimestampOutOfRange, mapping.end);
  sample.ts_end = end;
  return true;
}

// Leaves the instant in instant_: what the field says, or the base and so many seconds.
inline bool Readings::read_time(const PlanMapping& mapping, int slot) {
  if (mapping.base == kNoSlot || field(slot).kind != Kind::kNumber) return read_instant(slot);
  if (!field(mapping.base).present()) return fail(Reason::kMissingTimestamp, kNoSlot);
  if (!read_instant(mapping.base)) return false;
  Micros base = instant_.at;
  if (instant_.is_date && place_.tz_offset != kNoOffset) base -= place_.tz_offset * kMicrosPerMinute;
  const double at = static_cast<double>(base) + field(slot).number * kMicrosPerSecond;
  instant_.slot = kNoSlot;
  // an infinite number too
  if (!(at >= kEarliestInstant && at <= kLatestInstant)) {
    return fail(Reason::kTimestampOutOfRange, slot);
  }
  instant_.at = static_cast<Micros>(at);
  instant_.is_date = false;
  instant_.is_day = false;
  return true;
}

// Leaves the instant in instant_.
inline bool Readings::read_instant(int slot) {
  if (instant_.slot == slot) return true;
  const auto parsed = parsed_instant(field(slot));
  return parsed ? place_instant(*parsed, slot) : fail(Reason::kBadTimestamp, slot);
}

// A text, or a number of seconds, milliseconds or microseconds since 1970.
inline std::optional<ParsedInstant> Readings::parsed_instant(const Value& value) noexcept {
  if (value.kind == Kind::kString) return instants_.read(value.text);
  if (value.kind != Kind::kNumber) return std::nullopt;
  const auto at = instant_from_epoch(value.number);
  return at ? std::optional(ParsedInstant{*at, false, true}) : std::nullopt;
}

Micros Readings::plausible_instant(int slot) noexcept {
  const auto parsed = parsed_instant(field(slot));
  const bool plausible = parsed && parsed->at >= kEarliestInstant && parsed->at <= kLatestInstant;
  return plausible ? parsed->at : kNoInstant;
}

inline bool Readings::place_instant(const ParsedInstant& parsed, int slot) {
  const bool is_date = parsed.date_only || slot == resource_.calendar_date;
  const Micros at = is_date ? date_of(parsed) : parsed.at;
  if (at < earliest_ || at > latest_) return fail(Reason::kTimestampOutOfRange, slot);
  // The vendor writes most instants as UTC, so +00:00 does not tell where the wearer was.
  const std::int16_t offset = parsed.offset_minutes;
  const bool tells = offset != 0 && offset >= -kFarthestOffset && offset <= kFarthestOffset;
  instant_.slot = slot;
  instant_.at = at;
  instant_.offset = is_date ? std::int16_t{0} : offset;
  instant_.written_offset = tells ? offset : kNoOffset;
  instant_.is_date = is_date;
  instant_.is_day = is_date || is_midnight_of_document(parsed);
  return true;
}

inline void Readings::read_place() {
  place_.tz_offset = offset_in_seconds(field(resource_.timezone_offset));
  if (place_.tz_offset == kNoOffset && field(resource_.zone_offset).kind == Kind::kString) {
    place_.tz_offset = parse_offset(field(resource_.zone_offset).text).value_or(kNoOffset);
  }
  const Value& zone = field(resource_.time_zone);
  if (zone.kind == Kind::kString && !zone.text.empty()) place_.zone = zone_named(zone.text);
}

// Grows to what the rest of the body promises by what there was so far: doubling would leave up to
// half of the memory unused, and hold both copies for a while.
void Readings::make_room() {
  constexpr std::size_t kFirstSamples = 1024;
  constexpr std::size_t kShortestSample = 64;  // bytes: hardly any is shorter
  constexpr double kMargin = 1.05;             // the rest may have longer samples
  constexpr std::size_t kLeastGrowth = 8;      // by an eighth, whatever was promised
  const bool documents = resource_.def.kind == ResourceKind::kSummary;
  const std::size_t first = documents ? resource_.mappings.size() : kFirstSamples;
  const std::size_t size = batch_.samples.size();
  const std::size_t most = body_size_ / kShortestSample + 1;
  if (size == 0) return batch_.samples.reserve(std::min(first, most));
  const double used = static_cast<double>(std::max<std::size_t>(record_->offset, 1));
  const double promised = static_cast<double>(size) * static_cast<double>(body_size_) / used * kMargin;
  const auto wanted = static_cast<std::size_t>(std::min(promised, static_cast<double>(most)));
  batch_.samples.reserve(std::max(size + size / kLeastGrowth + 1, wanted));
}

}  // namespace wearables
