// The guarded upsert: a chunk is judged by a query, and written by one INSERT ... ON CONFLICT DO UPDATE whose condition
// is R2 again, since a writer that takes no lock of ours may come between the two.
//
// The keys come in ascending order and stay so: two writers that overlap lock rows in the same order.
#include "core/write/sample.h"

#include <algorithm>

#include "pg/rollup/rollup.h"
#include "pg/server/stop_point.h"
#include "pg/write/sample.h"
#include "pg/write/sample_args.h"

namespace wearables::pg {

namespace {

constexpr auto kSelectStored = static_text([](TextWriter& out) {
  out << R"(
  SELECT k.i::integer, )"
      << ColumnNames{kSetColumns, "s."} << R"(
  FROM unnest()"
      << ArrayParameters{kKeyOfUser, 2} << R"() WITH ORDINALITY
    AS k ()"
      << ColumnNames{kKeyOfUser} << R"(, i)
  CROSS JOIN LATERAL (
    SELECT p.* FROM wearables.sample_points p
    WHERE p.user_id = $1 AND ()"
      << ColumnNames{kKeyOfUser, "p."} << ") = (" << ColumnNames{kKeyOfUser, "k."} << R"()
    OFFSET 0) s)";  // which keeps the planner from beginning with all rows of the user
});
Statement select_stored{kSelectStored.data};

enum SelectStoredColumn { kOrdinality = 1, kFirstSetColumn };

constexpr auto kUpsert = static_text([](TextWriter& out) {
  out << R"(
  INSERT INTO wearables.sample_points AS s (user_id, )"
      << ColumnNames{kColumnsOfUser} << R"()
  SELECT $1, )"
      << ColumnNames{kColumnsOfUser, "n."} << R"(
  FROM unnest()"
      << ArrayParameters{kColumnsOfUser, 2} << R"() AS n ()" << ColumnNames{kColumnsOfUser} << R"()
  ON CONFLICT ()"
      << ColumnNames{kKeyColumns} << R"() DO UPDATE
    SET )"
      << Assignments{kSetColumns, "excluded."} << R"(
    WHERE s.version < excluded.version
       OR (s.version = excluded.version
           AND ()"
      << ColumnNames{kReadingColumns, "s."} << R"()
               IS DISTINCT FROM ()"
      << ColumnNames{kReadingColumns, "excluded."} << R"())
  RETURNING )"
      << ColumnNames{kKeyOfUser, "s."};
});
Statement upsert_statement{kUpsert.data};

constexpr int kFirstKeyColumn = 1;  // of what it returns

// What R2 says about each row, by what is stored now.
void judge_by_query(int64 user_id, const Row* rows, int count, Judged* judged) {
  for (int i = 0; i < count; ++i) judged[i] = {Verdict::kInsert, false, {}};
  ArgList args;
  args.add(arg_int8(user_id));
  add_arrays(&args, arrays_of(kKeyOfUser, rows, count));
  const uint64 found = run(select_stored, args);
  for (uint64 result = 0; result < found; ++result) {
    const int i = get_int4(result, kOrdinality) - 1;
    Row stored = rows[i];
    read_columns(result, kFirstSetColumn, kSetColumns, &stored);
    judged[i] = judge_stored(rows[i], stored, {});
  }
}

uint64 upsert(int64 user_id, const SampleArrays& arrays) {
  ArgList args;
  args.add(arg_int8(user_id));
  add_arrays(&args, arrays);
  begin_own_write(kUpsertEvents);
  const uint64 stored = run(upsert_statement, args);
  end_own_write();
  return stored;
}

// Which of the rows the upsert has stored: those it returned. The guard refuses what is older than what a writer that
// takes no lock of ours has stored since it was judged.
void mark_refused(uint64 stored, const Row* rows, int count, Judged* judged) {
  auto* is_stored = static_cast<bool*>(palloc0(sizeof(bool) * count));
  for (uint64 result = 0; result < stored; ++result) {
    Row key{};
    read_columns(result, kFirstKeyColumn, kKeyOfUser, &key);
    const Row* row = std::lower_bound(rows, rows + count, key, key_less);
    if (row < rows + count && key_equal(*row, key)) is_stored[row - rows] = true;
  }
  for (int i = 0; i < count; ++i) {
    if (writes(judged[i].verdict) && !is_stored[i]) judged[i].verdict = Verdict::kStale;
  }
}

}  // namespace

void upsert_samples(int64 user_id, const Row* rows, int count, Judged* judged) {
  judge_by_query(user_id, rows, count, judged);
  stop_point("judged");
  SampleArrays arrays = make_arrays(kColumnsOfUser, count);
  for (int i = 0; i < count; ++i) {
    if (writes(judged[i].verdict)) append(&arrays, rows[i]);
  }
  if (arrays.count == 0) return;
  const uint64 stored = upsert(user_id, arrays);
  if (stored != static_cast<uint64>(arrays.count)) mark_refused(stored, rows, count, judged);
}

}  // namespace wearables::pg
