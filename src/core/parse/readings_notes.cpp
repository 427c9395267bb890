// What a batch holds beside its samples: sources, refusals, texts that no row knows.
#include "core/parse/readings.h"

#include "core/base/text.h"

#include <algorithm>
#include <string>
#include <utility>

namespace wearables {

void note_unknown_text(Batch& batch, std::string_view path, std::string_view text) {
  constexpr std::size_t kMaxText = 64;
  Unknown unknown{std::string(path), printable(text, kMaxText)};
  std::vector<Unknown>& noted = batch.unknowns;
  const bool again = std::find(noted.begin(), noted.end(), unknown) != noted.end();
  if (!again && noted.size() < kMaxUnknowns) noted.push_back(std::move(unknown));
}

void Readings::note_texts(const std::vector<PlanTexts>& known, Fields fields) {
  for (const PlanTexts& list : known) {
    const Value& value = fields[list.slot];
    if (value.kind != Kind::kString || value.text.empty()) continue;
    const auto& texts = list.texts;
    if (std::find(texts.begin(), texts.end(), value.text) != texts.end()) continue;
    note_unknown_text(batch_, list.path, value.text);
  }
}

std::uint16_t Readings::source(std::string_view provider, std::string_view type, std::string_view channel) {
  if (!is_printable(provider, kMaxName)) return kNoSource;
  if (!is_printable(type, kMaxName)) type = "unknown";
  const std::size_t next = batch_.sources.size();
  const std::uint16_t index = index_of_source(provider, type, channel);
  if (index == Interner::kNoIndex) return kTooManySources;
  if (index == next) {
    SourceRef& made = batch_.sources.emplace_back();
    made.provider = provider;
    made.type = type;
    made.channel = channel;
    if (closed_ != nullptr) source_closed_.push_back(is_closed(made));
  }
  WEARABLES_ASSERT(index < batch_.sources.size());
  WEARABLES_ASSERT(closed_ == nullptr || source_closed_.size() == batch_.sources.size());
  return index;
}

bool Readings::is_closed(const SourceRef& source) const {
  WEARABLES_ASSERT(closed_ != nullptr);
  return std::find(closed_->sources.begin(), closed_->sources.end(), source) != closed_->sources.end();
}

bool Readings::is_closed(const std::string& metric) const {
  return closed_ != nullptr &&
         std::find(closed_->metrics.begin(), closed_->metrics.end(), metric) != closed_->metrics.end();
}

// Interner::index_of() for the batch's sources: as long as they are few, no text is made to ask.
std::uint16_t Readings::index_of_source(std::string_view provider, std::string_view type, std::string_view channel) {
  constexpr std::size_t kFew = 8;
  const std::vector<SourceRef>& known = batch_.sources;
  for (std::size_t i = 0; i < std::min(known.size(), kFew); ++i) {
    const bool same = known[i].provider == provider && known[i].type == type && known[i].channel == channel;
    if (same) return static_cast<std::uint16_t>(i);
  }
  static_assert(kFew <= kMaxSources);
  if (known.size() < kFew) return static_cast<std::uint16_t>(known.size());
  // Usable names hold no NUL, so the joined text is unambiguous.
  std::string joined(provider);
  joined += '\0';
  joined += type;
  joined += '\0';
  joined += channel;
  return sources_.index_of(joined, known.size(), kMaxSources);
}

void Readings::reject_source(std::uint16_t index) {
  if (index == kNoSource) return reject_reading(Reason::kMissingSource);
  if (index == kTooManySources) return reject_reading(Reason::kTooManyNames);
  const SourceRef& named = batch_.sources[index];
  reject_reading(Reason::kNoMoreNames, kNoMetric, kNoSlot, named.provider + '/' + named.type + '/' + named.channel);
}

void Readings::reject_missing_value(const Mappings& mappings) {
  const std::vector<std::uint16_t>& tried = taken(mappings);
  if (tried.empty()) return;
  reject_reading(Reason::kMissingValue, tried.size() == 1 ? &resource_.mappings[tried.front()] : nullptr);
}

void Readings::reject_reading(Reason reason, const PlanMapping* mapping) {
  if (mapping == nullptr) return reject_reading(reason, kNoMetric, kNoSlot, {});
  reject_reading(reason, plan_.metrics[mapping->metric].def.metric_id, kNoSlot, {}, time_of_refused(*mapping));
}

void Readings::reject_sample(const PlanMapping& mapping, int value) {
  const auto why = rejection_;  // finding the time may fail, too
  // what is at fault in a list is at fault in one place of it
  const int slot = why.slot == kNoSlot && row_ != kNoRow ? value : why.slot;
  reject_reading(why.reason, choice_.metric->def.metric_id, slot, why.detail, time_of_refused(mapping));
}

void Readings::reject_reading(Reason reason, std::int16_t metric_id, int slot, std::string_view detail, RefusedAt at) {
  const std::uint32_t ordinal = batch_.readings++;
  ++batch_.refused;
  if (reason == Reason::kUnknownUnit) note_unit(metric_id, printable(detail, kMaxDetail));
  if (batch_.rejected.size() < kMaxRejected) {
    batch_.rejected.push_back({ordinal, reason, metric_id, pointer_to(slot),
                               printable(detail, reason == Reason::kNoMoreNames ? kMaxNames : kMaxDetail), at.at,
                               at.is_day});
  } else {
    if (batch_.refused == kMaxRejected + 1) first_untold_ = ordinal;
    if (reason == Reason::kNoMoreNames) {
      (metric_id == kNoMetric ? untold_for_sources_ : untold_for_metrics_) = true;
    }
  }
}

void Readings::note_unit(std::int16_t metric_id, std::string text) {
  std::vector<UnknownUnit>& noted = batch_.unknown_units;
  UnknownUnit unit{metric_id, std::move(text)};
  const bool again = std::find(noted.begin(), noted.end(), unit) != noted.end();
  if (!again && noted.size() < kMaxUnknowns) noted.push_back(std::move(unit));
}

void Readings::finish() {
  WEARABLES_ASSERT(batch_.rejected.size() == std::min<std::size_t>(batch_.refused, kMaxRejected));
  if (batch_.refused <= kMaxRejected) return;
  std::string many = std::to_string(batch_.refused - kMaxRejected);
  // these are read again once there is room, so it must be seen that there are some
  if (untold_for_sources_) many += ", no_more_names of sources";
  if (untold_for_metrics_) many += ", no_more_names of metrics";
  batch_.rejected.push_back({first_untold_, Reason::kMoreRefused, kNoMetric, {}, std::move(many)});
}

std::string Readings::pointer_to(int slot) const {
  std::string pointer = record_->pointer();
  if (slot == kNoSlot) return pointer;
  std::string below = resource_.fields.pointer(static_cast<std::uint16_t>(slot));
  if (resource_.fields.list_of(static_cast<std::uint16_t>(slot)) >= 0) {
    const std::size_t at = (below + '/').find("/*/");
    // of what is summed up no place is at fault
    if (row_ == kNoRow) return pointer + below.substr(0, at);
    below.replace(at + 1, 1, std::to_string(row_));
  }
  return pointer + below;
}

}  // namespace wearables
