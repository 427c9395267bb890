// Announced pulls of history: what the vendor says is ready.
#pragma once

#include "pg/store/event.h"

namespace wearables::pg {

// A notice of history: records the range the vendor says is ready. Within SPI.
void apply_backfill_notice(const Event& event, std::string_view resource, int64 user_id);

// Takes back what the event announced, when no row knows its resource any more. Within SPI.
void withdraw_backfill_notice(int64 event_id);

}  // namespace wearables::pg
