#include "core/json/field_set.h"
#include "core/write/sample.h"
#include "core/base/text.h"

#include <algorithm>
#include <string>

#include "pg/server/boundary.h"
#include "pg/parse/drift.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

Statement select_metric{"SELECT m.name FROM wearables.metrics m WHERE m.metric_id = $1"};

struct Term {
  std::string_view kind, resource, path, value;
};

Datum text_of(std::string_view text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

void make_room(Outcome* outcome, size_t terms) {
  outcome->drift = static_cast<Datum*>(palloc(sizeof(Datum) * (kDriftColumns * terms + 1)));
  outcome->drift_count = 0;
}

void add(const Term& term, Outcome* outcome) {
  for (const std::string_view text : {term.kind, term.resource, term.path, term.value}) {
    outcome->drift[outcome->drift_count++] = text_of(text);
  }
}

// The name of a unit's metric.
std::string_view metric_named(int16 metric_id) {
  if (run(select_metric, {arg_int2(metric_id)}) == 0) return {};
  const char* name = copy_text(0, 1, CurrentMemoryContext);
  return name == nullptr ? std::string_view{} : std::string_view{name};
}

}  // namespace

void note_drift(std::string_view resource, const Batch& batch, Outcome* outcome) {
  make_room(outcome, batch.unknowns.size() + batch.unknown_units.size());
  for (const Unknown& unknown : batch.unknowns) {
    add({unknown.text.empty() ? "field" : "value", resource, unknown.path, unknown.text}, outcome);
  }
  for (const UnknownUnit& unit : batch.unknown_units) {
    add({"unit", resource, metric_named(unit.metric_id), unit.text}, outcome);
  }
}

void note_unknown_resource(std::string_view resource, Outcome* outcome) {
  constexpr size_t kMaxResource = 200;
  make_room(outcome, 1);
  auto* shown = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *shown = printable(resource, kMaxResource);
    return Done{};
  });
  add({"resource", *shown, "", ""}, outcome);
}

}  // namespace wearables::pg
