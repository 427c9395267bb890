// Private to the room: rows as arguments of a statement, one by one or as arrays for unnest(), and rows of its result.
#pragma once

#include "core/write/sample.h"

#include "pg/server/spi.h"
#include "pg/write/sample_columns.h"

namespace wearables::pg {

// Arguments that are put together from pieces.
struct ArgList {
  Arg args[kMaxArgs];
  int count = 0;

  void add(const Arg& arg);
  // The columns of one row.
  void add(ColumnList columns, int64 user_id, const Row& row);
};

// Runs the statement with the list.
uint64 run(Statement& statement, const ArgList& list);

// Rows by column.
struct SampleArrays {
  ColumnList columns;
  Datum* values[kSampleColumnCount];
  bool* nulls[kSampleColumnCount];  // null pointers where the column cannot be null
  int count, capacity;
};

// Room for `capacity` rows in the current context.
SampleArrays make_arrays(ColumnList columns, int capacity);
void append(SampleArrays* arrays, const Row& row);

// The same for rows that lie together.
SampleArrays arrays_of(ColumnList columns, const Row* rows, int count);

// One argument of type type[] for each column.
void add_arrays(ArgList* list, const SampleArrays& arrays);

// Reads columns of a result row that stand side by side from number `first` on.
void read_columns(uint64 result, int first, ColumnList columns, Row* row);

}  // namespace wearables::pg
