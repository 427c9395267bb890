// Private to the room: sessions, such as nights, that a newer session of the same source contains. They are superseded:
// none of their readings stands, until the newer one moves or goes.
#pragma once

#include <string_view>

#include "pg/write/given_up.h"

namespace wearables {
struct Batch;
struct DocumentSet;
}  // namespace wearables

namespace wearables::pg {

// Where sessions have come, moved or gone; the spans live in `context`. left: one that was not superseded is no longer
// there, so that what it superseded may stand again.
struct SessionSpans {
  MemoryContext context;
  Datum *from, *to, *left;
  int count, capacity;
};

void add_session_span(TimestampTz from, TimestampTz to, bool left, SessionSpans* spans);

// Finds out anew which sessions within the spans are superseded, and adds the keys that the others of them claim, or
// that they claimed until now, to `given_up`. The sessions that have come are stored as not superseded. The cost grows
// with the sessions that stand around the spans, and with the superseded ones within those that were left.
void judge_sessions(int64 user_id, std::string_view resource, const SessionSpans& spans, GivenUp* given_up);

// Of the documents that are live, by their places in `documents.order`: those that are superseded are no longer.
void drop_superseded(int64 user_id, std::string_view resource, const Batch& batch, const DocumentSet& documents,
                     bool* live);

}  // namespace wearables::pg
