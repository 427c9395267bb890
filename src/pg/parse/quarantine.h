// Readings that were refused: a pointer and a reason each, never the reading.
#pragma once

#include "core/write/sample.h"

#include "pg/server/server.h"

namespace wearables::pg {

// Puts the batch's rejected readings of the user in the place of what an earlier handling of the event (`again`) left.
// Returns how many readings were refused, told one by one or not. Within SPI.
int64 quarantine(int64 event_id, int64 user_id, bool again, const Batch& batch);

}  // namespace wearables::pg
