// Whose event it is, and parking for those of nobody known.
#pragma once

#include "pg/event.h"

namespace wearables::pg {

// The user of an event: by the link of its external user id at the endpoint, else by client user id, in
// which case the link is made. 0 when unknown, -1 when the person was erased. Within SPI.
int64 user_of(const Event& event);

// Parks the event unless its user has just been registered. Returns the user then, else 0. Within SPI.
int64 park(const Event& event);

// Takes back what park() did, by the session that did it. Within SPI.
void unpark(int64 event_id);

// IANA name of the user's time zone. Within SPI.
const char* time_zone_of(int64 user_id);

}  // namespace wearables::pg
