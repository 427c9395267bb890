// Who holds a key that a document has given up: of the other documents that claim it, and are not superseded, the one
// of the newest version. Version and identity decide, so that the outcome does not depend on the order in which they
// came.
//
// Runs under the user's lock. Rows are touched in the order of the key: two writers that overlap touch them in the same
// order. What is asked for one key is freed before the next.
#include "core/write/touched.h"

#include "pg/write/floor.h"
#include "pg/write/given_up.h"
#include "pg/write/sample.h"
#include "pg/write/sample_args.h"

namespace wearables::pg {

namespace {

// The documents of the span are unfolded once, whatever number of keys there is.
constexpr auto kSelectClaims = static_text([](TextWriter& out) {
  out << R"(
  WITH given_up AS (
    SELECT DISTINCT )"
      << ColumnNames{kKeyOfUser, "k."} << R"(
    FROM unnest()"
      << ArrayParameters{kKeyOfUser, 2} << R"() AS k ()" << ColumnNames{kKeyOfUser} << R"()),
  claims AS (
    SELECT c.*, d.version, d.identity, d.resource
    FROM wearables.summaries d CROSS JOIN LATERAL unnest(d.samples) c
    WHERE d.user_id = $1 AND d.last_ts >= $6 AND d.first_ts <= $7 AND NOT d.superseded)
  SELECT DISTINCT ON ()"
      << ColumnNames{kKeyOfUser, "g."} << R"() c.version, )" << ColumnNames{kKeyOfUser, "g."} << ", "
      << ColumnNames{kReadingColumns, "c."} << R"(
  FROM given_up g
  LEFT JOIN claims c ON ()"
      << ColumnNames{kKeyOfUser, "c."} << ") = (" << ColumnNames{kKeyOfUser, "g."} << R"()
  ORDER BY )"
      << ColumnNames{kKeyOfUser, "g."} << R"(, c.version DESC NULLS LAST, c.identity DESC, c.resource DESC)";
});
Statement select_claims{kSelectClaims.data, Planning::kManyToMany};

enum ClaimResult { kClaimVersion = 1, kFirstClaimColumn };  // the version is null where nobody claims the key

void reserve(GivenUp* keys, int more) {
  if (keys->count + more <= keys->capacity) return;
  keys->capacity = 2 * keys->capacity + more;
  const Size size = sizeof(Datum) * keys->capacity;
  for (Datum*& column : keys->key) {
    column = static_cast<Datum*>(column == nullptr ? MemoryContextAllocHuge(keys->context, size)
                                                   : repalloc_huge(column, size));
  }
}

struct Claim {
  Row row;
  bool any;  // some document claims the key
};

Claim claim_of(uint64 result) {
  bool null;
  Claim claim{};
  (void)get(result, kClaimVersion, &null);
  claim.any = !null;
  claim.row.version = get_int8(result, kClaimVersion);
  read_columns(result, kFirstClaimColumn, kClaimColumns, &claim.row);
  return claim;
}

Claim* find_claims(int64 user_id, const GivenUp& given_up, int* count) {
  TimestampTz from = PG_INT64_MAX, to = PG_INT64_MIN;
  constexpr int kTsOfKey = 1;
  static_assert(kKeyOfUser[kTsOfKey] == kTsColumn);
  for (int i = 0; i < given_up.count; ++i) {
    from = Min(from, DatumGetTimestampTz(given_up.key[kTsOfKey][i]));
    to = Max(to, DatumGetTimestampTz(given_up.key[kTsOfKey][i]));
  }
  ArgList args;
  args.add(arg_int8(user_id));
  for (size_t i = 0; i < kKeyOfUser.size(); ++i) {
    args.add(arg_array(kColumnInfo[kKeyOfUser[i]].type, given_up.key[i], nullptr, given_up.count));
  }
  args.add(arg_instant(from));
  args.add(arg_instant(to));
  const uint64 rows = run(select_claims, args);
  Assert(rows <= static_cast<uint64>(given_up.count));
  auto* claims = static_cast<Claim*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Claim) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) claims[row] = claim_of(row);
  *count = static_cast<int>(rows);
  return claims;
}

}  // namespace

void add_given_up(uint64 rows, int first, GivenUp* keys) {
  reserve(keys, static_cast<int>(rows));
  for (uint64 row = 0; row < rows; ++row) {
    bool null;
    (void)get(row, first, &null);
    if (null) continue;
    int column = first;
    for (Datum* values : keys->key) values[keys->count] = get(row, column++, &null);
    ++keys->count;
  }
}

void settle_given_up(int64 user_id, const GivenUp& given_up, Touched* touched) {
  if (given_up.count == 0) return;
  int count;
  const Claim* claims = find_claims(user_id, given_up, &count);
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables given up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  for (int i = 0; i < count; ++i) {
    CHECK_FOR_INTERRUPTS();
    Assert(i == 0 || key_less(claims[i - 1].row, claims[i].row));
    // what lies below a floor is dropped as it was when the floor moved
    if (claims[i].row.ts < current_floor(claims[i].row.metric_id)) continue;
    if (claims[i].any) {
      reassign_sample(user_id, claims[i].row, touched);
    } else {
      remove_sample(user_id, claims[i].row, touched);
    }
    MemoryContextReset(scratch);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
}

}  // namespace wearables::pg
