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

#include "pg/live/live.h"
#include "pg/rollup/rollup.h"
#include "pg/server/boundary.h"
#include "pg/server/lock.h"
#include "pg/server/stop_point.h"
#include "pg/write/given_up.h"
#include "pg/write/sample.h"
#include "pg/write/sample_args.h"
#include "pg/write/session.h"
#include "pg/write/write.h"

namespace wearables::pg {

namespace {

// $1 to $14 of upsert_document: user, resource, identity, id, version, source, part, doc, event, version of the event,
// start and end of the session, when the event was received, the source that a condition gives the session.
constexpr int kFirstClaimParameter = 15;

// Which of two states of a document stands is decided by version, event_version and id (R3, core/write/document.h).
// Nothing is written for an equal document of an equal version: a replay leaves no trace.
constexpr auto kUpsertDocument = static_text([](TextWriter& out) {
  out << R"(
  WITH claims AS (
    SELECT coalesce(array_agg(ROW()"
      << ColumnNames{kClaimColumns, "c."} << R"()::wearables.summary_sample ORDER BY )" << ColumnNames{kKeyOfUser, "c."}
      << R"(), '{}') AS samples,
           min(c.ts) AS first_ts, max(c.ts) AS last_ts,
           coalesce($14, CASE WHEN min(c.source_id) = max(c.source_id) THEN min(c.source_id) END, $6) AS source_id
    FROM unnest()"
      << ArrayParameters{kClaimColumns, kFirstClaimParameter} << R"() AS c ()" << ColumnNames{kClaimColumns} << R"()),
  former AS (
    SELECT s.*, (s.version, s.event_version, s.summary_id) > ($5, $10, $4) AS newer FROM wearables.summaries s
    WHERE s.user_id = $1 AND s.resource = $2 AND s.identity = $3),
  stored AS (
    INSERT INTO wearables.summaries AS s
      (user_id, resource, identity, summary_id, version, source_id, part, doc, samples, first_ts, last_ts, event_id,
       event_version, session_start, session_end, samples_source_id, event_received_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8::jsonb, n.samples, n.first_ts, n.last_ts, $9, $10, $11, $12, n.source_id,
           $13
    FROM claims n
    WHERE NOT EXISTS (
      SELECT FROM former f
      WHERE f.newer
         OR (f.version, f.event_version, f.summary_id, f.source_id, f.part, f.doc, f.samples, f.event_id,
             f.session_start, f.session_end, f.samples_source_id)
            IS NOT DISTINCT FROM ($5, $10, $4, $6, $7, $8::jsonb, n.samples, $9, $11, $12, n.source_id))
    ON CONFLICT (user_id, resource, identity) DO UPDATE
      SET summary_id = excluded.summary_id, version = excluded.version, source_id = excluded.source_id,
          part = excluded.part, doc = excluded.doc, samples = excluded.samples, first_ts = excluded.first_ts,
          last_ts = excluded.last_ts, event_id = excluded.event_id, event_version = excluded.event_version,
          session_start = excluded.session_start, session_end = excluded.session_end,
          event_received_at = excluded.event_received_at, samples_source_id = excluded.samples_source_id,
          superseded = false
      WHERE (s.version, s.event_version, s.summary_id)
            <= (excluded.version, excluded.event_version, excluded.summary_id)
    RETURNING 1)
  SELECT NOT coalesce((SELECT f.newer FROM former f), false), EXISTS (SELECT FROM stored),
         l.session_start, l.session_end, )"
      << ColumnNames{kKeyOfUser, "g."} << R"(
  FROM (SELECT 1) one
  LEFT JOIN LATERAL (
    SELECT f.session_start, f.session_end FROM former f, claims n
    WHERE NOT f.superseded
      AND (f.samples_source_id <> n.source_id
           OR (tstzrange($11, $12, '[]') @> tstzrange(f.session_start, f.session_end, '[]')
               AND $12 IS NOT NULL) IS NOT TRUE)) l ON true
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
    RETURNING s.samples, CASE WHEN NOT s.superseded THEN s.session_start END AS session_start,
              CASE WHEN NOT s.superseded THEN s.session_end END AS session_end)
  SELECT true, true, g.session_start, g.session_end, )"
      << ColumnNames{kKeyOfUser, "o."} << R"( FROM gone g LEFT JOIN LATERAL unnest(g.samples) o ON true)";
});
Statement delete_documents{kDeleteDocuments.data};

// Of upsert_document and delete_documents: a row for each key that was given up, of a document that gave up none one
// row without a key. Whether the document is the current one, whether anything was written, the span of its former
// self if that could supersede what its present self does not, key.
enum StoredColumn { kLive = 1, kStored, kLeftStart, kLeftEnd, kFirstGivenUp };

struct DocumentRow {
  std::string_view identity, summary_id;
  std::string_view doc;  // JSON text that jsonb takes
  int64 version;
  int16 source_id, part;
  Session session;
  int16 session_source_id;  // 0: no condition decides
  const Row* rows;          // what it claims, settled
  int row_count;
};

// What storing the documents of an event leaves to be done.
struct Aftermath {
  GivenUp given_up;
  SessionSpans sessions;
};

// Of a result of upsert_document or delete_documents.
void note_aftermath(uint64 rows, Aftermath* after) {
  for (uint64 row = 0; row < rows; ++row) {
    const TimestampTz end = get_instant(row, kLeftEnd, DT_NOEND);
    if (end != DT_NOEND) add_session_span(get_instant(row, kLeftStart), end, true, &after->sessions);
  }
  add_given_up(rows, kFirstGivenUp, &after->given_up);
}

Arg arg_instant_or_null(Micros at) {
  if (at == kNoInstant) return arg_datum(TIMESTAMPTZOID, 0, true);
  return arg_instant(to_server(at));
}

// Stores the document unless a newer one is stored. Returns whether it is the current one: only then may its rows be
// written.
bool store_document(const Event& event, std::string_view resource, int64 user_id, const DocumentRow& document,
                    Aftermath* after) {
  Assert(is_settled({document.rows, static_cast<size_t>(document.row_count)}));
  ArgList args;
  for (const Arg& arg :
       {arg_int8(user_id), arg_text(resource), arg_text(document.identity), arg_text(document.summary_id),
        arg_int8(document.version), arg_int2(document.source_id), arg_int2(document.part), arg_text(document.doc),
        arg_int8(event.event_id), arg_int8(event.version), arg_instant_or_null(document.session.start),
        arg_instant_or_null(document.session.end), arg_instant(event.received_at),
        arg_datum(INT2OID, Int16GetDatum(document.session_source_id), document.session_source_id == 0)}) {
    args.add(arg);
  }
  Assert(args.count == kFirstClaimParameter - 1);
  add_arrays(&args, arrays_of(kClaimColumns, document.rows, document.row_count));
  const uint64 results = run(upsert_document, args);
  Assert(results >= 1);
  const bool live = get_bool(0, kLive);
  if (!get_bool(0, kStored)) return live;
  note_aftermath(results, after);
  if (document.session.exists()) {
    add_session_span(to_server(document.session.start), to_server(document.session.end), false, &after->sessions);
  }
  return live;
}

// The document as jsonb takes it, in the current context.
std::string_view storable_document(const Event& event, const Document& document) {
  Assert(document.offset + document.length <= event.body.size());
  const std::string_view text = event.body.substr(document.offset, document.length);
  auto* storable = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> { return *storable = storable_json(text), Done{}; });
  return *storable;
}

void remove_documents_of(const Event& event, std::string_view resource, bool streams, int64 user_id, const Batch* batch,
                         Aftermath* after) {
  const size_t most = batch == nullptr ? 0 : batch->documents.size();
  auto* stay = static_cast<Datum*>(palloc(sizeof(Datum) * (most + 1)));
  int count = 0;
  for (size_t i = 0; i < most; ++i) {
    if (batch->documents[i].is_stream != streams) continue;
    const std::string_view identity = batch->documents[i].identity();
    stay[count++] = PointerGetDatum(cstring_to_text_with_len(identity.data(), static_cast<int>(identity.size())));
  }
  note_aftermath(run(delete_documents, {arg_int8(user_id), arg_text(resource), arg_int8(event.event_id),
                                        arg_array(TEXTOID, stay, nullptr, count)}),
                 after);
}

// Removes the current documents that came with the event, except those of the identities in `batch`, which may be null.
void remove_documents(const Event& event, const DocumentResources& resources, int64 user_id, const Batch* batch,
                      Aftermath* after) {
  remove_documents_of(event, resources.own, false, user_id, batch, after);
  if (!resources.stream.empty()) remove_documents_of(event, resources.stream, true, user_id, batch, after);
}

// By the place of the document in `documents.order`: whether it is the current one of its identity.
bool* store_documents(const Event& event, const DocumentResources& resources, int64 user_id, const Batch& batch,
                      const Names& names, const DocumentSet& documents, const Row* rows, Aftermath* after) {
  const size_t count = documents.order.size();
  auto* live = static_cast<bool*>(palloc0(sizeof(bool) * (count + 1)));
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables document", ALLOCSET_DEFAULT_SIZES);
  for (size_t i = 0; i < count; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    const std::uint32_t which = documents.order[i];
    const Document& document = batch.documents[which];
    const DocumentRow row{
        document.identity(),
        document.id,
        storable_document(event, document),
        documents.version[which],
        names.sources[document.source].source_id,
        document.part,
        document.session,
        document.session_source == kNoSessionSource ? int16{0} : names.sources[document.session_source].source_id,
        rows + documents.first[which],
        static_cast<int>(documents.count[which])};
    stop_point("document");
    Assert(!document.is_stream || !resources.stream.empty());
    live[i] = store_document(event, document.is_stream ? resources.stream : resources.own, user_id, row, after);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
  return live;
}

Aftermath new_aftermath() {
  Aftermath after{};
  after.given_up.context = after.sessions.context = CurrentMemoryContext;
  return after;
}

// When all is stored: a key that one document gives up may be another's. Streams are no sessions.
void finish(int64 user_id, std::string_view resource, Aftermath* after, Touched* touched) {
  judge_sessions(user_id, resource, after->sessions, &after->given_up);
  settle_given_up(user_id, after->given_up, touched);
}

}  // namespace

int64 write_documents(const Event& event, const DocumentResources& resources, int64 user_id, const Batch& batch,
                      const Names& names, bool under_other_mappings, std::vector<Row>* rows, Touched* touched) {
  Assert(holds_user_lock(user_id));
  auto* documents = owned_by<DocumentSet>(CurrentMemoryContext);
  size_t stale = call_core([&] { return order_documents(batch, event.version, *rows, *documents); });
  Aftermath after = new_aftermath();
  if (under_other_mappings) remove_documents(event, resources, user_id, &batch, &after);
  bool* live = store_documents(event, resources, user_id, batch, names, *documents, rows->data(), &after);
  finish(user_id, resources.own, &after, touched);
  drop_superseded(user_id, resources.own, batch, *documents, live);
  stale += call_core([&] { return keep_live_rows(*documents, live, *rows); });
  write_samples(user_id, rows->data(), rows->size(), touched);
  return static_cast<int64>(stale);
}

void retract_documents(const Event& event, const DocumentResources& resources, int64 user_id, Touched* touched) {
  Assert(holds_user_lock(user_id));
  Aftermath after = new_aftermath();
  remove_documents(event, resources, user_id, nullptr, &after);
  finish(user_id, resources.own, &after, touched);
  note_written(user_id, *touched);
  note_changed(user_id, *touched);
}

}  // namespace wearables::pg
