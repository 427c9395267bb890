// A user's links to providers: status by version (R4), freshness that never goes back.
#pragma once

#include "pg/store/event.h"

namespace wearables::pg {

// A lifecycle event: one row of the ledger per event, and what the ledger makes of the connection. Within SPI, under
// the user's lock.
void apply_connection(const Event& event, Lifecycle lifecycle, int64 user_id);

// Takes back what the event said of the user's connections. Within SPI, under the user's lock.
void retract_connection(const Event& event, int64 user_id);

// Moves last_data_at of every provider in the batch forward to its newest reading. Within SPI, under the
// user's lock.
void note_freshness(const Batch& batch, const Row* rows, int64 user_id);

}  // namespace wearables::pg
