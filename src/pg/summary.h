// R4: a document replaces its former self whole. The samples of a summary channel are a function of the
// current rows of `summaries`: of those that claim a key, the one of the newest version holds it.
#pragma once

#include "core/sample.h"

#include <string_view>

#include "pg/server.h"

namespace wearables::pg {

struct DocumentRow {
  std::string_view summary_id;
  std::string_view doc;  // JSON text that jsonb takes
  int64 version;
  int16 source_id;
  const Row* rows;       // what it claims, ascending by key
  int row_count;
};

// Stores documents of one resource of one user that are not older than what is stored, and gives up the keys
// that their former selves claimed and they do not: those fall to another document that claims them, or go.
// live[i] tells whether document i is the current one: only then may its rows be written. Returns how many
// samples went. The caller holds the user's lock and writes the rows afterwards. Within SPI.
int64 store_documents(int64 user_id, std::string_view resource, const DocumentRow* documents, int count,
                      bool* live);

// Takes back the current documents that came with the event of this version, with the samples that nobody else
// claims; returns how many went. Within SPI, under the user's lock.
int64 withdraw_documents(int64 user_id, std::string_view resource, int64 event_version);

}  // namespace wearables::pg
