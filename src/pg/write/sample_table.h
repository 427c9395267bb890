// sample_points through its access methods, without the executor: for a plain heap table that nothing else
// has a say in. Any other relation takes the guarded upsert of sample_upsert.cpp; both give the same state.
#pragma once

#include "core/write/sample.h"

#include "pg/server/compat.h"

namespace wearables::pg {

struct SampleTable {
  Relation heap;
  Relation key;    // index of the primary key: user_id, metric_id, ts, source_id
  Snapshot snapshot;
  BlockNumber blocks;  // of the heap, when it was opened
};

// What is stored under a row's key.
struct Found {
  Verdict verdict;
  bool own;             // it stands there at the row's own version already
  ItemPointerData tid;  // of the stored row, for kChange and kConfirm
};

// Opens the table for reading and writing. False, and nothing open, when it is not plain: triggers, rules,
// row security, partitions, another access method, checks, or columns that are not ours.
bool open_sample_table(SampleTable* table);
void close_sample_table(SampleTable* table);

// What the stored row makes of `row`.
void judge_found(const Row& row, const Row& stored, ItemPointerData tid, Found* found);

// Reads the stored range of the rows (ascending by key) once and judges each row against it.
void look_up(const SampleTable& table, int64 user_id, const Row* rows, int count, Found* found);

// Inserts and updates what `found` says. Raises unique_violation when a writer that takes no lock of ours
// has taken a key meanwhile, and returns false when one has changed a row: the caller undoes and falls back.
bool store_rows(const SampleTable& table, int64 user_id, const Row* rows, int count, const Found* found);

}  // namespace wearables::pg
