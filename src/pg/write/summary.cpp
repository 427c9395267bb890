// Documents and their samples (R4): a document replaces its former self whole, and the samples of a summary channel are
// a function of the current rows of `summaries`. Of those that claim a key, the one of the newest version holds it.
//
// All of it runs under the user's lock, which is what makes the two steps one: a key that a document gives up is looked
// for among the other documents after all documents of the body are stored. Rows are touched in the order of the key.
// The list of keys that were given up lives in the caller's context; what one document needs is freed after it.
#include "core/json/storable_json.h"
#include "core/write/document.h"
#include "core/write/touched.h"

#include <array>
#include <string>

#include "pg/server/boundary.h"
#include "pg/server/lock.h"
#include "pg/server/stop_point.h"
#include "pg/write/sample.h"
#include "pg/write/sample_args.h"
#include "pg/write/write.h"

namespace wearables::pg {

namespace {

// What a document claims of a sample, in the order of wearables.summary_sample: all but the user and the version.
constexpr auto kClaimColumns = joined(kKeyOfUser, kReadingColumns);

// $1 to $10 of upsert_document: user, resource, identity, id, version, source, part, doc, event, version of the event.
constexpr int kFirstClaimParameter = 11;

// Which of two states of a document stands is decided by version, event_version and id (R3, core/write/document.h).
// Nothing is written for an equal document of an equal version: a replay leaves no trace.
constexpr auto kUpsertDocument = static_text([](TextWriter& out) {
  out << R"(
  WITH claims AS (
    SELECT coalesce(array_agg(ROW()"
      << ColumnNames{kClaimColumns, "c."} << R"()::wearables.summary_sample ORDER BY )" << ColumnNames{kKeyOfUser, "c."}
      << R"(), '{}') AS samples,
           min(c.ts) AS first_ts, max(c.ts) AS last_ts
    FROM unnest()"
      << ArrayParameters{kClaimColumns, kFirstClaimParameter} << R"() AS c ()" << ColumnNames{kClaimColumns} << R"()),
  former AS (
    SELECT s.*, (s.version, s.event_version, s.summary_id) > ($5, $10, $4) AS newer FROM wearables.summaries s
    WHERE s.user_id = $1 AND s.resource = $2 AND s.identity = $3),
  stored AS (
    INSERT INTO wearables.summaries AS s
      (user_id, resource, identity, summary_id, version, source_id, part, doc, samples, first_ts, last_ts, event_id,
       event_version)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8::jsonb, n.samples, n.first_ts, n.last_ts, $9, $10 FROM claims n
    WHERE NOT EXISTS (
      SELECT FROM former f
      WHERE f.newer
         OR (f.version, f.event_version, f.summary_id, f.source_id, f.part, f.doc, f.samples, f.event_id)
            IS NOT DISTINCT FROM ($5, $10, $4, $6, $7, $8::jsonb, n.samples, $9))
    ON CONFLICT (user_id, resource, identity) DO UPDATE
      SET summary_id = excluded.summary_id, version = excluded.version, source_id = excluded.source_id,
          part = excluded.part, doc = excluded.doc, samples = excluded.samples, first_ts = excluded.first_ts,
          last_ts = excluded.last_ts, event_id = excluded.event_id, event_version = excluded.event_version
      WHERE (s.version, s.event_version, s.summary_id)
            <= (excluded.version, excluded.event_version, excluded.summary_id)
    RETURNING 1)
  SELECT NOT coalesce((SELECT f.newer FROM former f), false) AS live, )"
      << ColumnNames{kKeyOfUser, "g."} << R"(
  FROM (SELECT 1) one
  LEFT JOIN LATERAL (
    SELECT )"
      << ColumnNames{kKeyOfUser, "o."} << R"( FROM former f, unnest(f.samples) o
    WHERE NOT f.newer AND EXISTS (SELECT FROM stored)
    EXCEPT
    SELECT )"
      << ColumnNames{kKeyOfUser, "c."} << R"( FROM claims n, unnest(n.samples) c) g ON true
  ORDER BY )"
      << ColumnNames{kKeyOfUser, "g."};
});
Statement upsert_document{kUpsertDocument.data};

// $4: the identities that stay.
constexpr auto kDeleteDocuments = static_text([](TextWriter& out) {
  out << R"(
  WITH gone AS (
    DELETE FROM wearables.summaries s
    WHERE s.user_id = $1 AND s.resource = $2 AND s.event_id = $3 AND s.identity <> ALL ($4)
    RETURNING s.samples)
  SELECT true, )"
      << ColumnNames{kKeyOfUser, "o."} << R"( FROM gone g CROSS JOIN LATERAL unnest(g.samples) o)";
});
Statement delete_documents{kDeleteDocuments.data};

// Of upsert_document and delete_documents: of the former one row of nulls where no key was given up. Columns of the key
// follow.
enum GivenUpColumn { kLive = 1, kFirstGivenUp };

// A key that was given up: of the other documents that claim it the newest holds it now; version and id
// decide, so that the outcome does not depend on the order in which they came. The documents of the span are unfolded
// once, whatever number of keys there is.
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
    WHERE d.user_id = $1 AND d.last_ts >= $6 AND d.first_ts <= $7)
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

// Keys that documents claimed and do not any more; they live in `context`.
struct GivenUp {
  MemoryContext context;
  Datum* key[kKeyOfUser.size()];  // by column
  int count, capacity;
};

void reserve(GivenUp* keys, int more) {
  if (keys->count + more <= keys->capacity) return;
  keys->capacity = 2 * keys->capacity + more;
  const Size size = sizeof(Datum) * keys->capacity;
  for (Datum*& column : keys->key) {
    column = static_cast<Datum*>(column == nullptr ? MemoryContextAllocHuge(keys->context, size)
                                                   : repalloc_huge(column, size));
  }
}

// Of the result of upsert_document or delete_documents.
void add_given_up(uint64 results, GivenUp* keys) {
  bool null = results == 0;
  if (!null) get(0, kFirstGivenUp, &null);
  if (null) return;
  reserve(keys, static_cast<int>(results));
  for (uint64 row = 0; row < results; ++row) {
    int column = kFirstGivenUp;
    for (Datum* values : keys->key) values[keys->count] = get(row, column++, &null);
    ++keys->count;
  }
}

struct DocumentRow {
  std::string_view identity, summary_id;
  std::string_view doc;  // JSON text that jsonb takes
  int64 version;
  int16 source_id, part;
  const Row* rows;  // what it claims, settled
  int row_count;
};

// Stores the document unless a newer one is stored, and adds the keys that its former self claimed and it does not to
// `given_up`. Returns whether it is the current one: only then may its rows be written.
bool store_document(const Event& event, std::string_view resource, int64 user_id, const DocumentRow& document,
                    GivenUp* given_up) {
  Assert(is_settled({document.rows, static_cast<size_t>(document.row_count)}));
  ArgList args;
  for (const Arg& arg :
       {arg_int8(user_id), arg_text(resource), arg_text(document.identity), arg_text(document.summary_id),
        arg_int8(document.version), arg_int2(document.source_id), arg_int2(document.part), arg_text(document.doc),
        arg_int8(event.event_id), arg_int8(event.version)}) {
    args.add(arg);
  }
  Assert(args.count == kFirstClaimParameter - 1);
  add_arrays(&args, arrays_of(kClaimColumns, document.rows, document.row_count));
  const uint64 results = run(upsert_document, args);
  Assert(results >= 1);
  const bool live = get_bool(0, kLive);
  add_given_up(results, given_up);
  return live;
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

// In the order of the key: two writers that overlap touch rows in the same order.
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

// What was given up falls to another document that claims it, or goes.
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

// The document as jsonb takes it, in the current context.
std::string_view storable_document(const Event& event, const Document& document) {
  Assert(document.offset + document.length <= event.body.size());
  const std::string_view text = event.body.substr(document.offset, document.length);
  auto* storable = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> { return *storable = storable_json(text), Done{}; });
  return *storable;
}

// Removes the current documents that came with the event, except those of the identities in `batch`, which may be null.
void remove_documents(const Event& event, std::string_view resource, int64 user_id, const Batch* batch,
                      GivenUp* given_up) {
  const size_t count = batch == nullptr ? 0 : batch->documents.size();
  auto* stay = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (size_t i = 0; i < count; ++i) {
    const std::string& identity = batch->documents[i].identity;
    stay[i] = PointerGetDatum(cstring_to_text_with_len(identity.data(), static_cast<int>(identity.size())));
  }
  add_given_up(run(delete_documents, {arg_int8(user_id), arg_text(resource), arg_int8(event.event_id),
                                      arg_array(TEXTOID, stay, nullptr, static_cast<int>(count))}),
               given_up);
}

// By the place of the document in `documents.order`: whether it is the current one of its identity.
bool* store_documents(const Event& event, std::string_view resource, int64 user_id, const Batch& batch,
                      const Names& names, const DocumentSet& documents, const Row* rows, GivenUp* given_up) {
  const size_t count = documents.order.size();
  auto* live = static_cast<bool*>(palloc0(sizeof(bool) * (count + 1)));
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables document", ALLOCSET_DEFAULT_SIZES);
  for (size_t i = 0; i < count; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    const std::uint32_t which = documents.order[i];
    const Document& document = batch.documents[which];
    const DocumentRow row{document.identity,
                          document.id,
                          storable_document(event, document),
                          documents.version[which],
                          names.sources[document.source].source_id,
                          document.part,
                          rows + documents.first[which],
                          static_cast<int>(documents.count[which])};
    stop_point("document");
    live[i] = store_document(event, resource, user_id, row, given_up);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
  return live;
}

}  // namespace

int64 write_documents(const Event& event, std::string_view resource, int64 user_id, const Batch& batch,
                      const Names& names, bool under_other_mappings, std::vector<Row>* rows, Touched* touched) {
  Assert(holds_user_lock(user_id));
  auto* documents = owned_by<DocumentSet>(CurrentMemoryContext);
  size_t stale = call_core([&] { return order_documents(batch, event.version, *rows, *documents); });
  GivenUp given_up{};
  given_up.context = CurrentMemoryContext;
  if (under_other_mappings) remove_documents(event, resource, user_id, &batch, &given_up);
  const bool* live = store_documents(event, resource, user_id, batch, names, *documents, rows->data(), &given_up);
  settle_given_up(user_id, given_up, touched);
  stale += call_core([&] { return keep_live_rows(*documents, live, *rows); });
  write_samples(user_id, rows->data(), rows->size(), touched);
  return static_cast<int64>(stale);
}

void retract_documents(const Event& event, std::string_view resource, int64 user_id, Touched* touched) {
  Assert(holds_user_lock(user_id));
  GivenUp given_up{};
  given_up.context = CurrentMemoryContext;
  remove_documents(event, resource, user_id, nullptr, &given_up);
  settle_given_up(user_id, given_up, touched);
}

}  // namespace wearables::pg
