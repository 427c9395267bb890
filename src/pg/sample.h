// The writer: samples by one idempotent, order-independent rule (R2), chunked (R7).
#pragma once

#include "core/sample.h"

#include <vector>

#include "pg/event.h"

namespace wearables::pg {

// Writes rows of one user: ascending by key, one per key, each at its own version. Adds to `counts`.
// The caller holds the user's lock. Within SPI.
void write_samples(int64 user_id, const Row* rows, size_t count, Counts* counts);

// Removes what an earlier handling of the event wrote (rows at exactly `version` in the span) and `rows`, ascending by
// key, do not yield any more: by one merge of both. Within SPI, under the user's lock.
Freed remove_orphans(int64 user_id, int64 version, ArrayType* metrics, TimestampTz from, TimestampTz to,
                     const Row* rows, size_t count);

// Postgres counts from 2000, the core from 1970.
TimestampTz to_server(Micros at) noexcept;
Micros to_core(TimestampTz at) noexcept;

}  // namespace wearables::pg
