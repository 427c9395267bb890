// Memory is of the current context; nothing is locked.
#include "pg/write/sample_args.h"

namespace wearables::pg {

void ArgList::add(const Arg& arg) {
  Assert(count < kMaxArgs);
  args[count++] = arg;
}

void ArgList::add(ColumnList columns, int64 user_id, const Row& row) {
  for (const int column : columns) {
    bool null;
    const Datum value = kColumnInfo[column].encode(user_id, row, &null);
    add(arg_datum(kColumnInfo[column].type, value, null));
  }
}

uint64 run(Statement& statement, const ArgList& list) {
  return run(statement, std::span<const Arg>(list.args, static_cast<size_t>(list.count)));
}

SampleArrays make_arrays(ColumnList columns, int capacity) {
  SampleArrays arrays{columns, {}, {}, 0, capacity};
  for (const int column : columns) {
    Assert(column != kUserColumn);  // a statement is about one user
    arrays.values[column] = static_cast<Datum*>(palloc(sizeof(Datum) * (capacity + 1)));
    if (!kColumnInfo[column].nullable) continue;
    arrays.nulls[column] = static_cast<bool*>(palloc(sizeof(bool) * (capacity + 1)));
  }
  return arrays;
}

void append(SampleArrays* arrays, const Row& row) {
  Assert(arrays->count < arrays->capacity);
  const int i = arrays->count++;
  for (const int column : arrays->columns) {
    bool null;
    arrays->values[column][i] = kColumnInfo[column].encode(0, row, &null);
    if (arrays->nulls[column] != nullptr) arrays->nulls[column][i] = null;
  }
}

SampleArrays arrays_of(ColumnList columns, const Row* rows, int count) {
  SampleArrays arrays = make_arrays(columns, count);
  for (int i = 0; i < count; ++i) append(&arrays, rows[i]);
  return arrays;
}

void add_arrays(ArgList* list, const SampleArrays& arrays) {
  for (const int column : arrays.columns) {
    list->add(arg_array(kColumnInfo[column].type, arrays.values[column], arrays.nulls[column], arrays.count));
  }
}

void read_columns(uint64 result, int first, ColumnList columns, Row* row) {
  StoredRow stored{0, *row};
  for (size_t i = 0; i < columns.size(); ++i) {
    bool null;
    const Datum value = get(result, first + static_cast<int>(i), &null);
    kColumnInfo[columns[i]].decode(value, null, &stored);
  }
  *row = stored.row;
}

}  // namespace wearables::pg
