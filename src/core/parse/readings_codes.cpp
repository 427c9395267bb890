// Values that are no plain numbers: texts and truths that have a code, and sums of what stands in a list.
#include "core/parse/readings.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace wearables {

// A code has no unit.
bool Readings::decode(const PlanMapping& mapping, int slot, double* result) {
  const Value& value = field(slot);
  const CodeDef* code = code_of(mapping, value);
  if (code == nullptr) {
    return fail(Reason::kUnknownCode, slot, value.kind == Kind::kString ? value.text : std::string_view());
  }
  *result = code->number;
  const MetricDef& metric = choice_.metric->def;
  return (*result >= metric.lowest && *result <= metric.highest) || fail(Reason::kOutOfRange, slot);
}

const CodeDef* Readings::code_of(const PlanMapping& mapping, const Value& value) noexcept {
  std::string_view text;
  if (value.kind == Kind::kString) text = value.text;
  if (value.kind == Kind::kBool) text = value.number != 0 ? "true" : "false";
  if (text.empty()) return nullptr;
  const CodeDef* other = nullptr;
  for (const CodeDef& code : mapping.codes) {
    if (code.text == text) return &code;
    if (code.text == "*") other = &code;
  }
  return other;
}

bool Readings::means_nothing(const PlanMapping& mapping, const Value& value) noexcept {
  const CodeDef* code = code_of(mapping, value);
  return code != nullptr && std::isnan(code->number);
}

// Leaves the sum, or the first that is none to be summed up, where the path of what is summed up is looked up.
bool Readings::add_up(const PlanMapping& mapping) {
  const auto slot = static_cast<std::size_t>(mapping.sum);
  const auto list = static_cast<std::size_t>(resource_.fields.list_of(static_cast<std::uint16_t>(slot)));
  const FieldSet::List& columns = resource_.fields.lists()[list];
  const Places& places = record_->lists[list];
  const auto column = static_cast<std::size_t>(std::find(columns.begin(), columns.end(), slot) - columns.begin());
  WEARABLES_ASSERT(column < columns.size());
  Value sum;
  for (std::size_t i = column; i < places.rows.size(); i += columns.size()) {
    const Value& place = places.rows[i];
    if (!place.present()) continue;
    sum.number += place.number;
    sum.kind = place.kind;
    if (place.kind != Kind::kNumber) break;
  }
  // a sum that leaves something out is none
  if (places.left_out > 0) sum.kind = Kind::kArray;
  with_row_[slot] = sum;
  return sum.present();
}

}  // namespace wearables
