// Rows as arrays for unnest(): what every statement over a chunk of samples takes.
#pragma once

#include "core/write/sample.h"

#include "pg/server/spi.h"

namespace wearables::pg {

struct Columns {
  Datum *metric, *ts, *source, *value, *secondary, *end, *offset, *version;
  bool *no_secondary, *no_end, *no_offset;
  int count;
};

// Room for `capacity` rows in the current context.
Columns make_columns(int capacity);
void append(Columns* columns, const Row& row);

// The same for rows that lie together.
Columns columns_of(const Row* rows, int count);

// Each as an argument of type type[].
Arg metrics_of(const Columns& columns);
Arg instants_of(const Columns& columns);
Arg sources_of(const Columns& columns);
Arg values_of(const Columns& columns);
Arg secondaries_of(const Columns& columns);
Arg ends_of(const Columns& columns);
Arg offsets_of(const Columns& columns);
Arg versions_of(const Columns& columns);

}  // namespace wearables::pg
