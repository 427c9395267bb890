// The one room that changes sample_points and summaries, and the only header of it that other rooms include. Each
// operation adds to a Touched what it did, so that whoever depends on samples knows what to look at again.
//
// All of it runs within SPI, as the owner, in a transaction that holds the lock of the user (lock_user()): nobody else
// changes rows of that user meanwhile, except SQL that writes to the tables past this room.
#pragma once

#include "core/write/touched.h"

#include <string_view>
#include <vector>

#include "pg/parse/names.h"
#include "pg/store/event.h"

namespace wearables::pg {

// Writes rows of one user by R2, each at its own version. They are settled: ascending by key, one per key. One below
// the floor of its metric (floor.h) is stale, and no operation of this room but an erasure changes a sample there.
// Returns how many stood at their own version already: what a former handling of the event left of them.
int64 write_samples(int64 user_id, const Row* rows, size_t count, Touched* touched);

// Removes what a former handling of the event wrote (the rows at exactly its version in the span that it remembers,
// which is not null) and what the settled `rows` do not yield any more. Returns where it removed something.
InstantRange retract_samples(const Event& event, int64 user_id, const Row* rows, size_t count, Touched* touched);

// Under which resources the documents of a body are stored.
struct DocumentResources {
  std::string_view own;     // that the event is about
  std::string_view stream;  // of the streams within them (Document::is_stream); empty: there are none
};

// Stores the documents of a batch, each whole in the place of its former self (R4), and writes the samples of those
// that are the newest of their identity. `rows` are those of the batch, in its order; what they hold afterwards means
// nothing. A former handling under other mappings may have stored documents of the event under other identities: they
// go. Returns how many rows were overtaken within the batch or by a newer document that is stored: they are stale.
int64 write_documents(const Event& event, const DocumentResources& resources, int64 user_id, const Batch& batch,
                      const Names& names, bool under_other_mappings, std::vector<Row>* rows, Touched* touched);

// Removes the current documents that came with the event, and the samples that no other document claims.
void retract_documents(const Event& event, const DocumentResources& resources, int64 user_id, Touched* touched);

// INSERTs into the view `samples` that were under way in an aborted (sub)transaction are gone.
void forget_pending_inserts(SubTransactionId aborted) noexcept;

}  // namespace wearables::pg
