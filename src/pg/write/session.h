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

// Where sessions have come, moved or gone; the spans live in `context`.
struct SessionSpans {
  MemoryContext context;
  Datum *from, *to;
  int count, capacity;
};

void add_session_span(TimestampTz from, TimestampTz to, SessionSpans* spans);

// Finds out anew which sessions within the spans are superseded, and adds the keys that the others of them claim, or
// that they claimed until now, to `given_up`.
void judge_sessions(int64 user_id, std::string_view resource, const SessionSpans& spans, GivenUp* given_up);

// Of the documents that are live, by their places in `documents.order`: those that are superseded are no longer.
void drop_superseded(int64 user_id, std::string_view resource, const Batch& batch, const DocumentSet& documents,
                     bool* live);

}  // namespace wearables::pg
