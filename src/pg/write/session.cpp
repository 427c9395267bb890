// A session is superseded if another one, under the same source, contains it or equals it, and is newer by R3: that is
// a function of the documents that are stored. Only what lies within a session can be superseded by it, so only
// sessions within the spans that have changed are judged; and as none is longer than kLongestSession, the one that
// contains it ends within that time after it.
//
// Runs under the user's lock, after the documents of the event are stored. Those whose state changes are updated in one
// statement.
#include "core/write/document.h"

#include <string>

#include "pg/write/session.h"

namespace wearables::pg {

namespace {

static_assert(kLongestSession == 2 * kMicrosPerDay);

constexpr auto kJudgeSessions = static_text([](TextWriter& out) {
  out << R"(
  WITH judged AS (
    SELECT DISTINCT d.identity, EXISTS (
      SELECT FROM wearables.summaries n
      WHERE n.user_id = $1 AND n.resource = $2 AND n.samples_source_id = d.samples_source_id
        AND n.session_end BETWEEN d.session_end AND d.session_end + interval '48 hours'
        AND n.session_start <= d.session_start
        AND (n.version >> 20, n.event_version, n.identity) > (d.version >> 20, d.event_version, d.identity))
      AS superseded
    FROM unnest($3::timestamptz[], $4::timestamptz[]) AS k (from_at, to_at)
    JOIN wearables.summaries d ON d.user_id = $1 AND d.resource = $2
      AND d.session_end BETWEEN k.from_at AND k.to_at AND d.session_start >= k.from_at),
  turned AS (
    UPDATE wearables.summaries s SET superseded = j.superseded
    FROM judged j
    WHERE s.user_id = $1 AND s.resource = $2 AND s.identity = j.identity AND s.superseded <> j.superseded
    RETURNING s.samples)
  SELECT )"
      << ColumnNames{kKeyOfUser, "c."} << R"( FROM turned t CROSS JOIN LATERAL unnest(t.samples) c)";
});
Statement judge_statement{kJudgeSessions.data};

Statement select_superseded{R"(
  SELECT k.i::integer FROM unnest($3::text[]) WITH ORDINALITY AS k (identity, i)
  JOIN wearables.summaries s ON s.user_id = $1 AND s.resource = $2 AND s.identity = k.identity AND s.superseded)"};

}  // namespace

void add_session_span(TimestampTz from, TimestampTz to, SessionSpans* spans) {
  if (spans->count == spans->capacity) {
    constexpr int kFirst = 16;
    spans->capacity = spans->capacity == 0 ? kFirst : 2 * spans->capacity;
    const Size size = sizeof(Datum) * spans->capacity;
    for (Datum** column : {&spans->from, &spans->to}) {
      *column = static_cast<Datum*>(*column == nullptr ? MemoryContextAllocHuge(spans->context, size)
                                                       : repalloc_huge(*column, size));
    }
  }
  spans->from[spans->count] = TimestampTzGetDatum(from);
  spans->to[spans->count++] = TimestampTzGetDatum(to);
}

void judge_sessions(int64 user_id, std::string_view resource, const SessionSpans& spans, GivenUp* given_up) {
  if (spans.count == 0) return;
  const uint64 rows = run(judge_statement, {arg_int8(user_id), arg_text(resource),
                                            arg_array(TIMESTAMPTZOID, spans.from, nullptr, spans.count),
                                            arg_array(TIMESTAMPTZOID, spans.to, nullptr, spans.count)});
  add_given_up(rows, 1, given_up);
}

void drop_superseded(int64 user_id, std::string_view resource, const Batch& batch, const DocumentSet& documents,
                     bool* live) {
  const size_t count = documents.order.size();
  bool any_session = false;
  auto* identities = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (size_t i = 0; i < count; ++i) {
    const Document& document = batch.documents[documents.order[i]];
    any_session = any_session || (live[i] && document.session.exists());
    identities[i] =
        PointerGetDatum(cstring_to_text_with_len(document.identity.data(), static_cast<int>(document.identity.size())));
  }
  if (!any_session) return;
  const uint64 rows = run(select_superseded, {arg_int8(user_id), arg_text(resource),
                                              arg_array(TEXTOID, identities, nullptr, static_cast<int>(count))});
  for (uint64 row = 0; row < rows; ++row) live[get_int4(row, 1) - 1] = false;
}

}  // namespace wearables::pg
