// A session is superseded if another one, under the same source, contains it or equals it, and is newer by R3: that is
// a function of the documents that are stored. Only what lies within a session can be superseded by it, so only
// sessions within the spans that have changed are judged; and as none is longer than kLongestSession, the one that
// contains it ends within that time after it. Those are read once each, and the core decides (n log n).
//
// What is superseded is superseded by a session that is not: what contains and is newer than another is also contained
// in, and older than, whatever supersedes that. So the superseded ones need not be read, except where one that was not
// has left: a night that is issued again and again under new ids would cost more with each.
//
// Runs under the user's lock, after the documents of the event are stored. Those whose state changes are updated in one
// statement.
#include "core/write/session.h"

#include "core/write/document.h"

#include <string>
#include <vector>

#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/write/session.h"

namespace wearables::pg {

namespace {

static_assert(kLongestSession == 2 * kMicrosPerDay);

// The newest first. Spans that touch are one, so that each session is read once.
Statement select_sessions{R"(
  WITH g AS MATERIALIZED (
    SELECT range_agg(tstzrange(k.from_at, k.to_at, '[]')) AS spans,
           range_agg(tstzrange(k.from_at, k.to_at + interval '48 hours', '[]')) AS around,
           range_agg(tstzrange(k.from_at, k.to_at, '[]')) FILTER (WHERE k.is_left) AS spans_left
    FROM unnest($3::timestamptz[], $4::timestamptz[], $5::boolean[]) k (from_at, to_at, is_left)),
  d AS (
    SELECT s.identity, s.samples_source_id, s.session_start, s.session_end, s.superseded, s.version, s.event_version
    FROM g CROSS JOIN LATERAL unnest(g.around) a (span)
    JOIN wearables.summaries s ON s.user_id = $1 AND s.resource = $2 AND NOT s.superseded
      AND s.session_end BETWEEN lower(a.span) AND upper(a.span)
    UNION ALL
    SELECT s.identity, s.samples_source_id, s.session_start, s.session_end, s.superseded, s.version, s.event_version
    FROM g CROSS JOIN LATERAL unnest(g.spans_left) a (span)
    JOIN wearables.summaries s ON s.user_id = $1 AND s.resource = $2 AND s.superseded
      AND s.session_end BETWEEN lower(a.span) AND upper(a.span))
  SELECT d.identity, d.samples_source_id::bigint, d.session_start, d.session_end, d.superseded,
         g.spans @> tstzrange(d.session_start, d.session_end, '[]')
  FROM d CROSS JOIN g
  ORDER BY d.version >> 20 DESC, d.event_version DESC, d.identity DESC)"};

enum SessionColumn { kIdentity = 1, kSource, kStart, kEnd, kSuperseded, kWithin };

constexpr auto kTurnSessions = static_text([](TextWriter& out) {
  out << R"(
  WITH turned AS (
    UPDATE wearables.summaries s SET superseded = NOT s.superseded
    WHERE s.user_id = $1 AND s.resource = $2 AND s.identity = ANY ($3)
    RETURNING s.samples)
  SELECT )"
      << ColumnNames{kKeyOfUser, "c."} << R"( FROM turned t CROSS JOIN LATERAL unnest(t.samples) c)";
});
Statement turn_statement{kTurnSessions.data};

Statement select_superseded{R"(
  SELECT k.i::integer FROM unnest($3::text[]) WITH ORDINALITY AS k (identity, i)
  JOIN wearables.summaries s ON s.user_id = $1 AND s.resource = $2 AND s.identity = k.identity AND s.superseded)"};

}  // namespace

void add_session_span(TimestampTz from, TimestampTz to, bool left, SessionSpans* spans) {
  if (spans->count == spans->capacity) {
    constexpr int kFirst = 16;
    spans->capacity = spans->capacity == 0 ? kFirst : 2 * spans->capacity;
    const Size size = sizeof(Datum) * spans->capacity;
    for (Datum** column : {&spans->from, &spans->to, &spans->left}) {
      *column = static_cast<Datum*>(*column == nullptr ? MemoryContextAllocHuge(spans->context, size)
                                                       : repalloc_huge(*column, size));
    }
  }
  spans->from[spans->count] = TimestampTzGetDatum(from);
  spans->to[spans->count] = TimestampTzGetDatum(to);
  spans->left[spans->count++] = BoolGetDatum(left);
}

void judge_sessions(int64 user_id, std::string_view resource, const SessionSpans& spans, GivenUp* given_up) {
  if (spans.count == 0) return;
  const uint64 rows = run(select_sessions, {arg_int8(user_id), arg_text(resource),
                                            arg_array(TIMESTAMPTZOID, spans.from, nullptr, spans.count),
                                            arg_array(TIMESTAMPTZOID, spans.to, nullptr, spans.count),
                                            arg_array(BOOLOID, spans.left, nullptr, spans.count)});
  auto* sessions = owned_by<std::vector<SessionAt>>(CurrentMemoryContext);
  auto* superseded = owned_by<std::vector<char>>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> { return sessions->resize(rows), Done{}; });
  for (uint64 row = 0; row < rows; ++row) {
    // without a source it is like no other
    const int64 none = -1 - static_cast<int64>(row);
    (*sessions)[row] = {get_int8(row, kSource, none), to_core(get_instant(row, kStart)),
                        to_core(get_instant(row, kEnd))};
  }
  call_core([&]() -> Result<Done> { return *superseded = find_superseded(*sessions), Done{}; });
  auto* turned = static_cast<Datum*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * (rows + 1)));
  int count = 0;
  for (uint64 row = 0; row < rows; ++row) {
    if (!get_bool(row, kWithin) || get_bool(row, kSuperseded) == ((*superseded)[row] != 0)) continue;
    turned[count++] = PointerGetDatum(cstring_to_text(copy_text(row, kIdentity, CurrentMemoryContext)));
  }
  if (count == 0) return;
  add_given_up(run(turn_statement, {arg_int8(user_id), arg_text(resource), arg_array(TEXTOID, turned, nullptr, count)}),
               1, given_up);
}

void drop_superseded(int64 user_id, std::string_view resource, const Batch& batch, const DocumentSet& documents,
                     bool* live) {
  const size_t count = documents.order.size();
  bool any_session = false;
  auto* identities = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (size_t i = 0; i < count; ++i) {
    const Document& document = batch.documents[documents.order[i]];
    any_session = any_session || (live[i] && document.session.exists());
    // the stream of a superseded night is a document of another resource, and stays: no document has an empty identity
    const std::string_view identity = document.is_stream ? std::string_view() : document.identity();
    identities[i] = PointerGetDatum(cstring_to_text_with_len(identity.data(), static_cast<int>(identity.size())));
  }
  if (!any_session) return;
  const uint64 rows = run(select_superseded, {arg_int8(user_id), arg_text(resource),
                                              arg_array(TEXTOID, identities, nullptr, static_cast<int>(count))});
  for (uint64 row = 0; row < rows; ++row) live[get_int4(row, 1) - 1] = false;
}

}  // namespace wearables::pg
