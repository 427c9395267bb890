// A batch of the core on its way to rows: indexes become ids, wall-clock time becomes an instant.
#pragma once

#include "core/write/sample.h"

#include <vector>

#include "pg/parse/names.h"

namespace wearables::pg {

// A batch for the event at hand, until `context` is reset: with the room of the event before it, or, while
// another handling has that, a new one.
Batch* borrow_batch(MemoryContext context);

// The zones that the documents of a batch name, by index; null is one that the server does not know. In the current
// memory context.
const pg_tz** find_zones(const Batch& batch);

// The zones that the server does not know join the batch's unknown texts.
void note_unknown_zones(const pg_tz* const* zones, Batch* batch);

// The rows of a batch, in its order: row i comes from sample i. `version` is given to every row, `zones` is of
// find_zones(). Wall-clock time of floating sources becomes instants in the batch, too. What cannot stand, for it is
// ambiguous or later than an event of that version can tell of, is added to `refused`, in order: its rows mean nothing,
// and normalize() must be told. Returns the user's zone, in the current context, where something was wall-clock time in
// it, so that another one would give other rows or refusals; else null. Within SPI.
const char* make_rows(Batch* batch, const pg_tz* const* zones, const Names& names, int64 user_id, int64 version,
                      std::vector<Row>* rows, std::vector<Refusal>* refused);

// Takes the rows of the refused samples out.
void drop_refused(const std::vector<Refusal>& refused, std::vector<Row>* rows);

// Gives back the room of the samples where it is large: their rows are there.
void release_samples(Batch* batch);

// The offset that a sample is stored with: that of its document's zone at that instant where the server knows it, else
// the one that the sample has. kCalendarDay stays.
int16 offset_of(const Sample& sample, const pg_tz* const* zones);

}  // namespace wearables::pg
