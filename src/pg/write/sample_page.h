// Rows that lie one behind the other on the pages of sample_points, as one event left them, read
// without the index.
#pragma once

#include "core/write/sample.h"

#include "pg/write/sample_table.h"

namespace wearables::pg {

// Judges as many of the rows (ascending by key) as lie right behind `tid` in their order; returns
// how many. The key is unique, so a visible row that has it is the row that the index would lead
// to. Only for a table that open_sample_table() has opened.
int follow_rows(const SampleTable& table, int64 user_id, ItemPointerData tid, const Row* rows,
                int count, Found* found);

}  // namespace wearables::pg
