// Whose event it is, and parking for those of nobody known.
#pragma once

#include "pg/people/zone.h"
#include "pg/store/event.h"

namespace wearables::pg {

// The user of an event: by the link of its external user id at the endpoint, else by client user id. 0 when unknown,
// -1 when the person was erased. `lacks_link`: found by client user id, although the event has an external one. Within
// SPI.
int64 user_of(const Event& event);
int64 user_of(const Event& event, bool* lacks_link);

// The same, and makes the link that is lacking. Only before any lock of a user and the parking lock are held.
int64 identify(const Event& event);

// Links to be made at once, in the context in which the first was added.
struct NewLinks {
  Datum *endpoints, *external_ids, *users;
  int count, capacity;
};

void add_link(const Event& event, int64 user_id, NewLinks* links);

// Makes those that nobody has made meanwhile; see identify() for the locks. Within SPI.
void make_links(const NewLinks& links);

// Another number whenever this session has been told that a link was changed or deleted: while it is the same,
// user_of() gives what it gave. Within SPI, as owner.
uint64 links_told();

// Whether the event says whose it is: no registration would find one that does not.
inline bool names_somebody(const Event& event) {
  return !event.external_user_id.empty() || !event.client_user_id.empty();
}

// Parks the event, which names somebody, unless its user has just been registered. Returns the user then, else 0.
// Within SPI.
int64 park(const Event& event);

// Takes back what park() did, by the session that did it. Within SPI.
void unpark(int64 event_id);

// The same of one that was parked while another session handled it, if it does not say that it is parked.
void unpark_unless_marked(const Event& event);

// Whether there is such a user who was not erased. Within SPI.
bool is_user(int64 user_id);

// The user's time zone. Within SPI.
void find_zone_of(int64 user_id, Zone* zone);

}  // namespace wearables::pg
