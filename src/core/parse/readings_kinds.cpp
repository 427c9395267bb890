// Which row of several reads a record, and what tells readings of one instant and source apart: fields that extend the
// metric's name, and fields that go into the part of the key.
#include "core/parse/readings.h"

#include "core/base/text.h"
#include "core/write/version.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace wearables {

// The first whose condition holds; null: none.
const PlanMapping* Readings::chosen(const PlanChoice& choice) const noexcept {
  for (const std::uint16_t number : choice.conditional) {
    const PlanMapping& mapping = resource_.mappings[number];
    if (holds(*mapping.condition)) return &mapping;
  }
  return nullptr;
}

const std::vector<std::uint16_t>& Readings::taken_by_choice(const Mappings& mappings) {
  taken_ = mappings.mappings;
  for (const PlanChoice& choice : mappings.choices) {
    const PlanMapping* taken = chosen(choice);
    if (taken != nullptr) taken_.push_back(static_cast<std::uint16_t>(taken - resource_.mappings.data()));
    for (const std::uint16_t number : choice.rest) {
      if (is_left_for(choice, taken, resource_.mappings[number])) taken_.push_back(number);
    }
  }
  return taken_;
}

std::string_view Readings::channel_of(const Mappings& mappings) const noexcept {
  for (const PlanChoice& choice : mappings.choices) {
    const PlanMapping* taken = chosen(choice);
    if (taken != nullptr && !taken->channel.empty()) return taken->channel;
  }
  return {};
}

bool Readings::is_left_for(const PlanChoice& choice, const PlanMapping* taken,
                           const PlanMapping& mapping) const noexcept {
  return taken == nullptr || (mapping.metric != taken->metric && mapping.metric != choice.root);
}

bool Readings::holds(const PlanCondition& condition) const noexcept {
  const Value& value = field(condition.field);
  if (value.kind != Kind::kString && value.kind != Kind::kNumber) return false;
  return std::find(condition.texts.begin(), condition.texts.end(), value.text) != condition.texts.end();
}

bool Readings::choose_extended(const PlanMapping& mapping) {
  if (apart_ == nullptr) apart_ = std::make_unique<Apart>();
  if (!read_extension(mapping)) return false;
  const std::string& extension = apart_->extension;
  if (extension.empty()) return true;
  const LastExtended& last = apart_->last_extended;
  const bool same = last.mapping == &mapping && last.extension == extension;
  if (!same && !extend_metric(mapping)) return false;
  const Extended& extended = apart_->extended[last.index];
  choice_ = {extended.metric, last.index};
  return !extended.closed || fail(Reason::kNoMoreNames, slot_of(mapping), extension);
}

// Leaves what is added to the metric's name in Apart::extension.
bool Readings::read_extension(const PlanMapping& mapping) {
  std::string& extension = apart_->extension;
  extension.clear();
  const std::string& name = choice_.metric->def.name;
  for (const PlanExtension& part : mapping.extends) {
    const Value& value = field(part.field);
    const bool is_text = value.kind == Kind::kString;
    if (!value.present() || (is_text && value.text.empty())) continue;
    if (!is_text || !is_printable(value.text, kMaxName)) {
      const int slot = part.field.of_source ? kNoSlot : part.field.slot;
      return fail(Reason::kMissingType, slot, is_text ? value.text : std::string_view());
    }
    std::string_view text = value.text;
    if (part.prefix.empty() && text.size() > name.size() + 1 && text.starts_with(name) && text[name.size()] == '/') {
      text.remove_prefix(name.size() + 1);
    }
    if (!extension.empty()) extension += '/';
    extension.append(part.prefix).append(text);
  }
  // the table bounds all that is behind the first slash of a name
  const std::size_t behind_slash = name.size() - std::min(name.find('/'), name.size());
  return extension.size() + behind_slash <= kMaxName || fail(Reason::kMissingType, slot_of(mapping), extension);
}

// Where to look at when a metric is not to be had; of several fields the record says which.
int Readings::slot_of(const PlanMapping& mapping) noexcept {
  const bool one = mapping.extends.size() == 1 && !mapping.extends.front().field.of_source;
  return one ? mapping.extends.front().field.slot : kNoSlot;
}

// Leaves the metric that is named metric/extension in Apart::last_extended.
bool Readings::extend_metric(const PlanMapping& mapping) {
  std::vector<Extended>& extended = apart_->extended;
  std::string name = choice_.metric->def.name + '/' + apart_->extension;
  const std::uint16_t index = apart_->names.index_of(name, extended.size(), kMaxMetricNames);
  if (index == Interner::kNoIndex) return fail(Reason::kTooManyNames, slot_of(mapping), apart_->extension);
  if (index == extended.size()) {
    const auto known = plan_.metric_names.find(name);
    if (known != plan_.metric_names.end()) {
      const PlanMetric* metric = &plan_.metrics[known->second];
      extended.push_back({{}, metric, false, metric->def.metric_id});
    } else {
      const bool closed = is_closed(name);
      extended.push_back({std::move(name), choice_.metric, closed});
    }
  }
  apart_->last_extended = {&mapping, apart_->extension, index};
  return true;
}

// Of the document and what the fields of the mapping hold beside it.
std::int16_t Readings::part_in(const PlanMapping& mapping, std::uint32_t document) {
  if (apart_ == nullptr) apart_ = std::make_unique<Apart>();
  std::string& identity = apart_->identity;
  identity.clear();
  for (std::size_t i = 0; i < mapping.part.size(); ++i) {
    const Value& value = field(mapping.part[i]);
    if ((value.kind != Kind::kString && value.kind != Kind::kNumber) || value.text.empty()) continue;
    // which field, and how long, so that no two lists of texts read the same
    identity.append(std::to_string(i)).append(1, ':').append(std::to_string(value.text.size())).append(1, ':');
    identity.append(value.text);
  }
  if (identity.empty()) return part_;
  if (part_ != kWholePart) identity.append(batch_.documents[document].identity());
  HashedPart& last = apart_->last_part;
  if (identity != last.identity) last = {identity, part_of(identity)};
  return last.part;
}

}  // namespace wearables
