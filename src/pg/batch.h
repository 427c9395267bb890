// A batch of the core on its way to rows: indexes become ids, wall-clock time becomes an instant.
#pragma once

#include "core/sample.h"

#include <vector>

#include "pg/server.h"

namespace wearables::pg {

// A batch for the event at hand, until `context` is reset: with the room of the event before it, or, while
// another handling has that, a new one.
Batch* borrow_batch(MemoryContext context);

// The rows of a batch, in its order: row i comes from sample i. Makes sources and metrics that are new, so
// under the user's lock. `version` is given to every row. Returns whether some of them were wall-clock time,
// so that another zone would give other rows. Within SPI.
bool rows_of(const Batch& batch, int64 user_id, int64 version, std::vector<Row>* rows);

// source_id of each of the batch's sources, in the current context. Within SPI, under the user's lock.
int16* source_ids_of(const Batch& batch);

// Wall-clock time in a zone to the instant; in standard time when the clock shows it twice or not at all.
Micros from_wall_clock(Micros wall_clock, const char* zone);

}  // namespace wearables::pg
