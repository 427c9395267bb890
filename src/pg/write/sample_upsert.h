// The guarded upsert: R2 in plain SQL, for any relation that sample_points may be (partitions, a hypertable,
// a distributed table, one with triggers), and for keys that another writer takes under our eyes.
#pragma once

#include "core/write/sample.h"

#include "pg/write/sample.h"

namespace wearables::pg {

// Writes rows ascending by key and adds to `written`. Within SPI, under the user's lock.
void upsert_samples(int64 user_id, const Row* rows, int count, Written* written);

void count_verdict(Verdict verdict, Counts* counts);

// Whether the verdict changes the table.
bool writes(Verdict verdict);

}  // namespace wearables::pg
