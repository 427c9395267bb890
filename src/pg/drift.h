// What an event holds and no row knows: fields, values, units, its resource. Counted by the view drift.
#pragma once

#include "core/sample.h"

#include <string_view>

#include "pg/event.h"

namespace wearables::pg {

// Notes in the outcome what of the batch is not known; makes terms that are new. Within SPI, before rows
// that others may wait for are touched (see lock.h).
void note_drift(std::string_view resource, const Batch& batch, Outcome* outcome);

// The same for an event whose resource has no row.
void note_unknown_resource(std::string_view resource, Outcome* outcome);

}  // namespace wearables::pg
