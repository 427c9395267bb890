// Which events are of a person who was erased, and must not be stored or handled.
#pragma once

#include "pg/store/event.h"

#include <string_view>

namespace wearables::pg {

// The ids that an event names; empty where it names none.
struct NamedIds {
  std::string_view endpoint;
  std::string_view external_user_id;
  std::string_view client_user_id;
};

// Whether one of the ids is that of a person who was erased, and not registered again before the event was created:
// `origin_ms` in milliseconds since 1970. Costs nothing as long as nobody was ever erased. Within SPI, as owner. Sees
// an erasure from its commit on, whatever this session has looked up before.
bool is_erased(const NamedIds& ids, int64 origin_ms);
bool is_erased(const Event& event);

// Another number whenever this session has been told of an erasure: while it is the same, is_erased() need not be asked
// again. Within SPI, as owner.
uint64 erasures_told();

// Deletes the event and its rows in other tables; leaves it alone where another session works on its job. Within SPI,
// as owner.
void erase_event(const Event& event);

}  // namespace wearables::pg
