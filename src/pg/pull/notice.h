// Events that say that there is history to pull: a range that the vendor has looked through, a provider that somebody
// has connected. Each asks once, when it is handled for the first time: a replay asks for nothing.
#pragma once

#include "pg/store/event.h"

namespace wearables::pg {

// Whether the event is handled for the first time.
bool is_first_handling(const Event& event) noexcept;

// A notice of history. Gives why its range cannot be pulled, null where it can. Within SPI.
const char* ask_for_announced(const Event& event, std::string_view resource, int64 user_id);

// What the event asked for and has not begun is not wanted any more: no row knows its resource. Within SPI.
void withdraw_requests(int64 event_id);

// A connection was made: asks for what resources.connection_days says, now and once more a little later. Within SPI.
void ask_for_connected(const Event& event, int64 user_id, std::string_view provider);

}  // namespace wearables::pg
