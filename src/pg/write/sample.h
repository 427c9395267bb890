// The writer: samples by one idempotent, order-independent rule (R2), chunked (R7).
#pragma once

#include "core/write/sample.h"

#include <vector>

#include "pg/server/instant.h"
#include "pg/store/event.h"

namespace wearables::pg {

struct Written {
  Counts counts;
  int64 own;  // rows whose key stood at their own version before: of a former handling of the event
};

// Writes rows of one user: ascending by key, one per key, each at its own version. Adds to `written`.
// The caller holds the user's lock. Within SPI.
void write_samples(int64 user_id, const Row* rows, size_t count, Written* written);

// Whatever stands at the row's key becomes the row, if anything does. Within SPI, under the user's lock.
void put_in_place(int64 user_id, const Row& row);

// Removes what stands at the key of the row; whether there was something. Within SPI, under the user's lock.
bool remove_sample(int64 user_id, const Row& key);

// Removes what an earlier handling of the event wrote (rows at exactly `version` in the span) and `rows`, ascending by
// key, do not yield any more: by one merge of both. Within SPI, under the user's lock.
Freed remove_orphans(int64 user_id, int64 version, ArrayType* metrics, TimestampTz from, TimestampTz to,
                     const Row* rows, size_t count);

}  // namespace wearables::pg
