// What no row knows, as texts of the outcome that marks the event. It is kept with the event alone, so that no lock is
// taken and nothing outlives it; the texts live in the context of whoever handles the event.
#include "core/json/field_set.h"
#include "core/parse/mapping.h"
#include "core/write/sample.h"
#include "core/base/text.h"

#include <algorithm>
#include <string>

#include "pg/server/boundary.h"
#include "pg/parse/drift.h"
#include "pg/parse/names.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

struct Term {
  std::string_view kind, resource, path, value;
};

Datum text_datum(std::string_view text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

void make_room(Outcome* outcome, size_t terms) {
  outcome->drift = static_cast<Datum*>(palloc(sizeof(Datum) * (kDriftColumns * terms + 1)));
  outcome->drift_count = 0;
}

void add(const Term& term, Outcome* outcome) {
  for (const std::string_view text : {term.kind, term.resource, term.path, term.value}) {
    outcome->drift[outcome->drift_count++] = text_datum(text);
  }
}

// Empty where there is no such metric.
std::string_view metric_name(int16 metric_id) {
  const char* name = metric_label(metric_id, SnapshotMode::kNew).name;
  return name == nullptr ? std::string_view{} : std::string_view{name};
}

std::string_view kind_of(const Unknown& unknown) {
  if (unknown.text.empty()) return "field";
  return unknown.path == kTimeZoneField ? "zone" : "value";
}

}  // namespace

void note_drift(std::string_view resource, const Batch& batch, Outcome* outcome) {
  make_room(outcome, batch.unknowns.size() + batch.unknown_units.size());
  for (const Unknown& unknown : batch.unknowns) {
    add({kind_of(unknown), resource, unknown.path, unknown.text}, outcome);
  }
  for (const UnknownUnit& unit : batch.unknown_units) {
    add({"unit", resource, metric_name(unit.metric_id), unit.text}, outcome);
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
