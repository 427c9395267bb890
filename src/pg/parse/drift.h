// What an event holds and no row knows: fields, texts, units, its resource. It is kept with the event, in bounds per
// body, and counted by the view drift: there is no table of names that a sender could fill.
#pragma once

#include "core/write/sample.h"

#include <string_view>

#include "pg/store/event.h"

namespace wearables::pg {

// Notes in the outcome what of the batch is not known. Within SPI.
void note_drift(std::string_view resource, const Batch& batch, Outcome* outcome);

// The same for an event whose resource, or kind, has no row.
void note_unknown_resource(std::string_view resource, Outcome* outcome);

// Of wearables_internal.drift_term: kind, resource, path, value.
inline constexpr int kDriftColumns = 4;

}  // namespace wearables::pg
