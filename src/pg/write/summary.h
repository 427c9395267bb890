// R4: a document replaces its former self whole. The samples of a summary channel are a function of the
// current rows of `summaries`: of those that claim a key, the one of the newest version holds it.
#pragma once

#include "core/write/sample.h"

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

struct DocumentRow {
  std::string_view summary_id;
  std::string_view doc;  // JSON text that jsonb takes
  int64 version;
  int64 event_id;        // the event it came from
  int64 event_version;
  int16 source_id;
  const Row* rows;       // what it claims, ascending by key
  int row_count;
};

// Keys that documents have claimed and do not any more; they live in `context`.
struct GivenUp {
  MemoryContext context;
  Datum *metric, *ts, *source;
  int count, capacity;
};

// Stores a document of one resource of one user unless a newer one is stored, and adds the keys that its former self
// claimed and it does not to `given_up`. Returns whether it is the current one: only then may its rows be written. The
// caller holds the user's lock, settles what was given up, and writes the rows afterwards. Within SPI.
bool store_document(int64 user_id, std::string_view resource, const DocumentRow& document, GivenUp* given_up);

// What was given up falls to another document that claims it, or goes. Returns how many samples went. Within SPI.
int64 settle_given_up(int64 user_id, const GivenUp& given_up);

// Takes back the current documents that came with this event, with the samples that nobody else claims; returns how
// many went. Within SPI, under the user's lock.
int64 withdraw_documents(int64 user_id, std::string_view resource, int64 event_id);

}  // namespace wearables::pg
