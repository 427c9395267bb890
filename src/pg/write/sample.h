// Private to the room: how single rows, and chunks of rows of one user, get into sample_points and out of it.
#pragma once

#include "core/write/touched.h"

#include "pg/server/server.h"

namespace wearables::pg {

// What R2 says about a row, given what is stored under its key.
struct Judged {
  Verdict verdict;
  bool at_own_version;  // the stored row has the row's own version
  ItemPointerData tid;  // of the stored row, where sample_table.cpp read it; else invalid
};

Judged judge_stored(const Row& row, const Row& stored, ItemPointerData tid);

// The guarded upsert: R2 in plain SQL, for any relation that sample_points may be (partitions, a hypertable, a
// distributed table, one with triggers), and for keys that another writer takes meanwhile. Writes the settled rows and
// fills `judged`, one for each.
void upsert_samples(int64 user_id, const Row* rows, int count, Judged* judged);

// The row stands under its key now, whatever stood there.
void reassign_sample(int64 user_id, const Row& row, Touched* touched);

// Removes the row under the key, if there is one.
void remove_sample(int64 user_id, const Row& key, Touched* touched);

}  // namespace wearables::pg
