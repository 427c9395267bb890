// Which row of several reads a record, and what tells readings of one instant and source apart: fields that extend the
// metric's name, and fields that go into the part of the key.
#include "core/parse/readings.h"

#include "core/base/text.h"
#include "core/write/version.h"

#include <algorithm>
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
  if (!read_extension(mapping)) return false;
  if (extension_.empty()) return true;
  const bool same = last_extended_.mapping == &mapping && last_extended_.extension == extension_;
  if (!same && !extend_metric(mapping)) return false;
  choice_ = {extended_[last_extended_.index].metric, last_extended_.index};
  return !extended_[last_extended_.index].closed || fail(Reason::kNoMoreNames, slot_of(mapping), extension_);
}

// Leaves what is added to the metric's name in extension_.
bool Readings::read_extension(const PlanMapping& mapping) {
  extension_.clear();
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
    if (!extension_.empty()) extension_ += '/';
    extension_.append(part.prefix).append(text);
  }
  // the table bounds all that is behind the first slash of a name
  const std::size_t behind_slash = name.size() - std::min(name.find('/'), name.size());
  return extension_.size() + behind_slash <= kMaxName || fail(Reason::kMissingType, slot_of(mapping), extension_);
}

// Where to look at when a metric is not to be had; of several fields the record says which.
int Readings::slot_of(const PlanMapping& mapping) noexcept {
  const bool one = mapping.extends.size() == 1 && !mapping.extends.front().field.of_source;
  return one ? mapping.extends.front().field.slot : kNoSlot;
}

// Leaves the metric that is named metric/extension_ in last_extended_.
bool Readings::extend_metric(const PlanMapping& mapping) {
  std::string name = choice_.metric->def.name + '/' + extension_;
  const std::uint16_t index = extended_names_.index_of(name, extended_.size(), kMaxMetricNames);
  if (index == Interner::kNoIndex) return fail(Reason::kTooManyNames, slot_of(mapping), extension_);
  if (index == extended_.size()) {
    const auto known = plan_.metric_names.find(name);
    if (known != plan_.metric_names.end()) {
      const PlanMetric* metric = &plan_.metrics[known->second];
      extended_.push_back({{}, metric, false, metric->def.metric_id});
    } else {
      const bool closed = is_closed(name);
      extended_.push_back({std::move(name), choice_.metric, closed});
    }
  }
  last_extended_ = {&mapping, extension_, index};
  return true;
}

// Of the document and what the fields of the mapping hold beside it.
std::int16_t Readings::part_in(const PlanMapping& mapping, std::uint32_t document) {
  const std::int16_t whole = document == kNone ? kWholePart : batch_.documents[document].part;
  identity_.clear();
  for (std::size_t i = 0; i < mapping.part.size(); ++i) {
    const Value& value = field(mapping.part[i]);
    if ((value.kind != Kind::kString && value.kind != Kind::kNumber) || value.text.empty()) continue;
    // which field, and how long, so that no two lists of texts read the same
    identity_.append(std::to_string(i)).append(1, ':').append(std::to_string(value.text.size())).append(1, ':');
    identity_.append(value.text);
  }
  if (identity_.empty()) return whole;
  if (whole != kWholePart) identity_.append(batch_.documents[document].identity());
  if (identity_ != last_part_.identity) last_part_ = {identity_, part_of(identity_)};
  return last_part_.part;
}

}  // namespace wearables
