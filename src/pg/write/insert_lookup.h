// What the rows of one INSERT into the view samples name: users, metrics, channels and sources, each looked up once a
// statement. What exists when its first row comes is taken to exist for the others.
#pragma once

#include "core/write/sample.h"

#include <string_view>
#include <vector>

#include "pg/parse/names.h"

namespace wearables::pg {

// Lives as long as the context that it was made in, and keeps its texts there.
struct InsertLookup;
InsertLookup* make_insert_lookup(MemoryContext context);

// Raises foreign_key_violation unless there is such a user, who was not erased.
void require_user(InsertLookup* lookup, int64 user_id);
// The same as of this moment, whatever was found before. Within SPI.
void check_user(int64 user_id);

// The metric of this name, which no maintenance takes away until the transaction ends. Raises undefined_object.
const Metric& require_metric(InsertLookup* lookup, std::string_view name);

// Raises object_not_in_prerequisite_state for a channel whose samples follow from documents (R4).
void require_open_channel(InsertLookup* lookup, std::string_view channel);

// The index of a source in sources_of(). Nothing is looked up: sources get their numbers under the users' locks.
uint32 index_of_source(InsertLookup* lookup, std::string_view provider, std::string_view type,
                       std::string_view channel);
const std::vector<SourceRef>& sources_of(const InsertLookup& lookup);

}  // namespace wearables::pg
