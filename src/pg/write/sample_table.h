// Private to the room: sample_points through its access methods, without the executor. For a plain heap table that
// nothing else has a say in. Any other relation takes the guarded upsert of sample_upsert.cpp; both give the same
// state.
#pragma once

#include "core/write/sample.h"

#include "pg/server/compat.h"
#include "pg/write/sample.h"

namespace wearables::pg {

struct SampleTable {
  Relation heap;
  Relation key;  // index of the primary key: user_id, metric_id, ts, source_id, part
  Snapshot snapshot;
  BlockNumber blocks;  // of the heap, when it was opened
};

// Opens the table for reading and writing. False, and nothing open, when it is not plain: triggers, rules,
// row security, partitions, another access method, checks, or columns that are not ours.
bool open_sample_table(SampleTable* table);
void close_sample_table(SampleTable* table);

// Reads the stored range of the settled rows once and fills `judged`, one for each.
void judge_rows(const SampleTable& table, int64 user_id, const Row* rows, int count, Judged* judged);

// Judges as many of the settled rows as lie right behind `tid` on the pages of the table, in their order and without
// the index, as an event that wrote them together left them; returns how many. The key is unique, so a visible row that
// has it is the row that the index would lead to.
int judge_following(const SampleTable& table, int64 user_id, ItemPointerData tid, const Row* rows, int count,
                    Judged* judged);

// Inserts and updates what `judged` says. Raises unique_violation when a writer that takes no lock of ours has taken a
// key meanwhile, and returns false when one has changed a row: the caller undoes both and falls back.
bool store_rows(const SampleTable& table, int64 user_id, const Row* rows, int count, const Judged* judged);

}  // namespace wearables::pg
