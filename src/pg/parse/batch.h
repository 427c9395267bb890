// A batch of the core on its way to rows: indexes become ids, wall-clock time becomes an instant.
#pragma once

#include "core/write/sample.h"

#include <vector>

#include "pg/parse/names.h"

namespace wearables::pg {

// A batch for the event at hand, until `context` is reset: with the room of the event before it, or, while
// another handling has that, a new one.
Batch* borrow_batch(MemoryContext context);

// The rows of a batch, in its order: row i comes from sample i. `version` is given to every row. Returns whether
// some of them were wall-clock time in the user's zone, so that another zone would give other rows. Within SPI.
bool make_rows(const Batch& batch, const Names& names, int64 user_id, int64 version, std::vector<Row>* rows);

// Gives back the room of the samples where it is large: their rows are there.
void release_samples(Batch* batch);

// Wall-clock time in a zone to the instant; in standard time when the clock shows it twice or not at all.
Micros from_wall_clock(Micros wall_clock, const char* zone);

}  // namespace wearables::pg
