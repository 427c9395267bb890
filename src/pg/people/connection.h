// A user's links to providers: status by version (R4), freshness that never goes back.
#pragma once

#include "pg/store/event.h"

namespace wearables::pg {

// A lifecycle event: one ledger row per event, and the status if no newer event set it. Within SPI, under the
// user's lock.
void apply_connection(const Event& event, Lifecycle lifecycle, int64 user_id);

// A notice of history: records the range the vendor says is ready. Within SPI.
void apply_backfill_notice(const Event& event, std::string_view resource, int64 user_id);

// Takes back what the event announced, when no row knows its resource any more. Within SPI.
void withdraw_backfill_notice(int64 event_id);

// Moves last_data_at of every provider in the batch forward to its newest reading. Within SPI, under the
// user's lock.
void note_freshness(const Batch& batch, const Row* rows, int64 user_id);

}  // namespace wearables::pg
