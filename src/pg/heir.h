// A key that an event gives up because the mappings changed falls to an older event that claims it. Where that
// one was handled under the new mappings first, it found the key taken: it has to be handled again.
#pragma once

#include "pg/event.h"

namespace wearables::pg {

struct Heir {
  int64 event_id;
  TimestampTz received_at;
};

// Events of these users that were handled under the mappings in force, may have claimed an instant in the
// span, and are not among `apart`; newest first. Sets *count. Within SPI, under the users' locks.
Heir* find_heirs(Datum* users, int user_count, TimestampTz from, TimestampTz to, Datum* apart, int apart_count,
                 int* count);

}  // namespace wearables::pg
