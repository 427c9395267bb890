// What a batch holds beside its samples: sources, refusals, texts that no row knows.
#include "core/readings.h"

#include "core/text.h"

#include <algorithm>
#include <string>
#include <utility>

namespace wearables {

void Readings::note_texts(const std::vector<PlanTexts>& known, Fields fields) {
  for (const PlanTexts& list : known) {
    const Value& value = fields[list.slot];
    if (value.kind != Kind::kString || value.text.empty()) continue;
    const auto& texts = list.texts;
    if (std::find(texts.begin(), texts.end(), value.text) != texts.end()) continue;
    Unknown unknown{list.path, printable(value.text, kMaxDetail)};
    std::vector<Unknown>& noted = batch_.unknowns;
    const bool again = std::find(noted.begin(), noted.end(), unknown) != noted.end();
    if (!again && noted.size() < kMaxUnknowns) noted.push_back(std::move(unknown));
  }
}

std::uint16_t Readings::source(std::string_view provider, std::string_view type,
                               std::string_view channel) {
  if (!is_printable(provider, kMaxName)) return Interner::kNoIndex;
  if (!is_printable(type, kMaxName)) type = "unknown";
  const std::size_t next = batch_.sources.size();
  const std::uint16_t index = index_of_source(provider, type);
  if (index != next || index == Interner::kNoIndex) return index;
  SourceRef& made = batch_.sources.emplace_back();
  made.provider = provider;
  made.type = type;
  made.channel = channel;
  return index;
}

// Interner::index_of() for the batch's sources: as long as they are few, no text is made to ask.
std::uint16_t Readings::index_of_source(std::string_view provider, std::string_view type) {
  constexpr std::size_t kFew = 8;
  const std::vector<SourceRef>& known = batch_.sources;
  for (std::size_t i = 0; i < std::min(known.size(), kFew); ++i) {
    if (known[i].provider == provider && known[i].type == type)
      return static_cast<std::uint16_t>(i);
  }
  if (known.size() < kFew) return static_cast<std::uint16_t>(known.size());
  // Usable names hold no NUL, so the joined text is unambiguous.
  std::string joined(provider);
  joined += '\0';
  joined += type;
  return sources_.index_of(joined, known.size());
}

void Readings::refuse(Reason reason, const PlanMapping* mapping) {
  const std::int16_t metric_id =
      mapping != nullptr ? plan_.metrics[mapping->metric].def.metric_id : kNoMetric;
  refuse(reason, metric_id, kNoSlot, {});
}

void Readings::refuse(Reason reason, std::int16_t metric_id, int slot, std::string_view detail) {
  batch_.rejected.push_back(
      {batch_.readings++, reason, metric_id, pointer_to(slot), printable(detail, kMaxDetail)});
}

std::string Readings::pointer_to(int slot) const {
  std::string pointer(record_->list);
  if (record_->index != Record::kNotListed) pointer += '/' + std::to_string(record_->index);
  if (slot == kNoSlot) return pointer;
  std::string below = resource_.fields.pointer(static_cast<std::uint16_t>(slot));
  if (resource_.fields.list_of(static_cast<std::uint16_t>(slot)) >= 0) {
    below.replace((below + '/').find("/*/") + 1, 1, std::to_string(row_));
  }
  return pointer + below;
}

}  // namespace wearables
