// Streams are wanted in the transaction that handles the event of their document, under its user's lock: the row is
// locked after that. The job of a stream locks no user, so neither waits for the other's locks in turn. What is asked
// again and what is not is decided by 76_stream.sql.
#include "pg/pull/stream.h"

#include "core/vendor/envelope.h"
#include "core/write/version.h"

#include "pg/pull/notice.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

Statement select_stream{R"(
  SELECT p.state = 'waiting', p.endpoint, r.stream_path, p.external_user_id, p.resource, p.document_id, p.provider,
         p.source_type, p.span_from, p.span_to, p.request, p.refusals,
         p.http_status = 403 AND p.error IS NOT NULL,
         EXISTS (SELECT FROM wearables.user_links l
                 WHERE l.endpoint = p.endpoint AND l.external_user_id = p.external_user_id
                   AND l.deleted_at IS NOT NULL)
  FROM wearables.stream_pulls p
  LEFT JOIN wearables.resources r ON r.name = p.resource AND r.kind = 'summary' AND r.pull_stream
  WHERE p.stream_id = $1 FOR UPDATE OF p)"};

enum StreamColumn {
  kOpen = 1,
  kEndpoint,
  kStreamPath,
  kExternalUser,
  kResource,
  kDocumentId,
  kProvider,
  kSourceType,
  kSpanFrom,
  kSpanTo,
  kRequest,
  kRefusals,
  kWasForbidden,
  kUserDeleted
};

Statement end_statement{R"(
  UPDATE wearables.stream_pulls p
  SET state = $2, answered_at = coalesce($3, p.answered_at), http_status = $4, error = $5,
      finished_at = clock_timestamp()
  WHERE p.stream_id = $1 AND p.state = 'waiting')"};

Statement refusal_statement{R"(
  UPDATE wearables.stream_pulls p SET refusals = p.refusals + $4, http_status = $2, error = $3
  WHERE p.stream_id = $1)"};

Statement wanted_statement{R"(SELECT wearables_internal.ask_for_streams($1, $2, $3, $4, $5, $6))"};

Statement announced_statement{
    R"(SELECT wearables_internal.ask_for_announced_stream($1, $2, $3, $4, $5, $6, $7, $8, $9, $10))"};

const char* name_of(StreamEnd end) {
  switch (end) {
    case StreamEnd::kDone:
      return "done";
    case StreamEnd::kAbsent:
      return "absent";
    case StreamEnd::kFailed:
      return "failed";
    case StreamEnd::kCancelled:
      break;
  }
  return "cancelled";
}

Arg arg_status(int status) { return arg_datum(INT4OID, Int32GetDatum(status), status == 0); }

TimestampTz origin_of(const Event& event) {
  return to_server(version_origin_ms(event.version) * kMicrosPerMillisecond);
}

}  // namespace

bool load_stream_pull(int64 stream_id, StreamPull* pull) {
  MemoryContext caller = CurrentMemoryContext;
  if (run(select_stream, {arg_int8(stream_id)}) == 0) return false;
  const auto view = [caller](int column) -> std::string_view {
    const char* text = copy_text(0, column, caller);
    return text == nullptr ? std::string_view() : std::string_view(text);
  };
  const auto instant = [](int column) -> Micros {
    const TimestampTz at = get_instant(0, column, DT_NOEND);
    return at == DT_NOEND ? kNoInstant : to_core(at);
  };
  *pull = {};
  pull->stream_id = stream_id;
  pull->open = get_bool(0, kOpen);
  pull->endpoint = copy_text(0, kEndpoint, caller);
  pull->stream_path = copy_text(0, kStreamPath, caller);
  pull->external_user_id = view(kExternalUser);
  pull->resource = view(kResource);
  pull->subject = {view(kDocumentId), view(kProvider), view(kSourceType), instant(kSpanFrom), instant(kSpanTo)};
  pull->request = get_int4(0, kRequest);
  pull->refusals = get_int4(0, kRefusals);
  pull->was_forbidden = get_bool(0, kWasForbidden);
  pull->user_deleted = get_bool(0, kUserDeleted);
  return true;
}

void end_stream_pull(int64 stream_id, StreamEnd end, TimestampTz answered_at, int http_status, const char* error) {
  run(end_statement, {arg_int8(stream_id), arg_text(name_of(end)),
                      arg_datum(TIMESTAMPTZOID, TimestampTzGetDatum(answered_at), answered_at == 0),
                      arg_status(http_status), arg_text_or_null(error == nullptr ? "" : error)});
}

void note_stream_refusal(int64 stream_id, int http_status, const char* error, bool counts) {
  run(refusal_statement, {arg_int8(stream_id), arg_status(http_status), arg_text(error), arg_int4(counts ? 1 : 0)});
}

void ask_for_streams(const Event& event, std::string_view resource, int64 user_id) {
  if (!is_first_handling(event) || event.external_user_id.empty()) return;
  run(wanted_statement, {arg_int8(user_id), arg_text(event.endpoint), arg_text(event.external_user_id),
                         arg_text(resource), arg_int8(event.event_id), arg_instant(origin_of(event))});
}

const char* ask_for_announced_stream(const Event& event, std::string_view resource, int64 user_id) {
  auto* notice = owned_by<StreamNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_stream_notice(*event.vendor, event.body)); });
  if (notice->document_id.empty()) return "the event names no document";
  if (!is_first_handling(event) || event.external_user_id.empty()) return nullptr;
  run(announced_statement,
      {arg_int8(user_id), arg_text(event.endpoint), arg_text(event.external_user_id), arg_text(resource),
       arg_text(notice->document_id), arg_text_or_null(notice->provider), arg_text_or_null(notice->source_type),
       arg_int8(event.event_id), arg_int8(event.version), arg_instant(origin_of(event))});
  constexpr int kWhyNot = 1;
  return copy_text(0, kWhyNot, CurrentMemoryContext);
}

}  // namespace wearables::pg
