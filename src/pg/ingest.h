// The road from a stored event to samples: what a job, CALL drain() and a replay all do.
#pragma once

#include "pg/event.h"

namespace wearables::pg {

// Handles the event in the current transaction: reads its body by the mappings in force, writes samples,
// summaries, connections and quarantine, and marks it. Idempotent. Raises what makes it fail.
// kHeld: the caller has parked what is unknown and holds the locks of all users it is about to write.
// Within SPI.
enum class Locks { kTake, kHeld };
Outcome ingest(const Event& event, Locks locks);

}  // namespace wearables::pg
