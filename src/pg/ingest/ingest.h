// The road from a stored event to samples: what a job, CALL drain() and a replay all do.
#pragma once

#include "pg/store/event.h"
#include "pg/parse/names.h"

namespace wearables::pg {

// How an event is handled. kHeld: the caller has parked what is unknown and holds the locks of all users it is about
// to write. What the event names and has no number goes to `missing`, and ends the handling (names.h); `closed`, which
// may be null, is what there is no room for.
enum class Locks { kTake, kHeld };
struct Handling {
  Locks locks;
  MissingNames* missing;
  const ClosedNames* closed;
};

// Handles the event in the current transaction: reads its body by the mappings in force, writes samples,
// summaries, connections and quarantine, and marks it. Idempotent. Raises what makes it fail. Within SPI.
Outcome ingest(const Event& event, const Handling& handling);

// The event's data is bad, and no attempt will find it otherwise: takes back what a former handling wrote, so
// that the state does not hang on there having been one, and marks it failed. The head of the event suffices,
// and is read anew once its user's lock is taken. Another status, and nothing done, when a replay has had it meanwhile.
Outcome fail_event(Event* event, const FailedAttempt& failed, Locks locks);

}  // namespace wearables::pg
