// A row of calls is locked by whoever works on its job, after the job's row (lock.h), until the transaction ends; what
// a call has changed here is stored in that same transaction. A link is bound as a parameter, which no log shows.
#include "pg/call/call.h"

#include "pg/server/spi.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
}

namespace wearables::pg {

namespace {

// The vendor's links live for 10 minutes by one page of its documentation, for 60 by another.
constexpr double kLinkLifeSeconds = 600;

Statement select_call{R"(
  SELECT c.state IN ('waiting', 'running'), extract(epoch FROM c.expires_at - clock_timestamp())::float8,
         c.operation::text, c.endpoint, c.user_id, c.client_user_id, c.provider, c.redirect_url, c.external_user_ids,
         c.refusals, c.error
  FROM wearables_internal.calls c WHERE c.job_id = $1 FOR UPDATE)"};

enum CallColumn {
  kOpen = 1,
  kSecondsLeft,
  kOperation,
  kEndpoint,
  kUserId,
  kClientUserId,
  kProvider,
  kRedirectUrl,
  kExternalUserIds,
  kRefusals,
  kError
};

Statement request_statement{R"(
  UPDATE wearables_internal.calls c
  SET state = 'running', attempts = c.attempts + 1, asked_at = clock_timestamp() WHERE c.job_id = $1)"};

Statement wait_statement{R"(
  UPDATE wearables_internal.calls c
  SET state = 'waiting', refusals = c.refusals + 1, http_status = $2, error = $3 WHERE c.job_id = $1)"};

Statement end_statement{R"(
  UPDATE wearables_internal.calls c
  SET state = $2::wearables.call_state, http_status = $3, error = $4, result = $5::jsonb, redirect_url = NULL,
      again_at = CASE WHEN $6 > 0 THEN clock_timestamp() + make_interval(secs => $6) END,
      finished_at = clock_timestamp()
  WHERE c.job_id = $1 AND c.state IN ('waiting', 'running'))"};

Statement notify_statement{"SELECT pg_notify('wearables_calls', $1::text)"};

Statement link_statement{R"(
  INSERT INTO wearables_internal.call_links AS l (job_id, link_url, link_token, expires_at)
  VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
  ON CONFLICT (job_id) DO UPDATE
  SET link_url = excluded.link_url, link_token = excluded.link_token, expires_at = excluded.expires_at)"};

Statement vendor_user_statement{"SELECT wearables_internal.note_vendor_user($1, $2, $3, $4)"};
enum VendorUserColumn { kWhyNot = 1 };

Statement disconnected_statement{"SELECT wearables_internal.note_disconnected($1, $2, $3)"};

Statement user_deleted_statement{"SELECT wearables_internal.note_vendor_user_deleted($1, $2, $3, $4)"};

// One object for each pull that the vendor tells of.
Statement pull_state_statement{R"(
  SELECT wearables_internal.note_pull_state($1, $2, $3, (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
             'provider', p.provider, 'resource', p.resource, 'failed', coalesce(p.status = $12, false),
             'succeeded', coalesce(p.status = $13, false), 'code', p.code, 'message', p.message,
             'retriable', coalesce(p.code = ANY ($11), false))), '[]')
    FROM (
      SELECT p.key AS provider, r.key AS resource, r.value ->> $7 AS status,
             CASE jsonb_typeof(r.value -> $8) WHEN 'string' THEN r.value ->> $8
             ELSE (SELECT r.value -> $8 ->> m.name FROM unnest($9::text[]) WITH ORDINALITY m (name, n)
                   WHERE r.value -> $8 ->> m.name IS NOT NULL ORDER BY m.n LIMIT 1) END AS code,
             (SELECT r.value -> $8 ->> m.name FROM unnest($10::text[]) WITH ORDINALITY m (name, n)
              WHERE r.value -> $8 ->> m.name IS NOT NULL ORDER BY m.n LIMIT 1) AS message
      FROM jsonb_path_query($4::jsonb, $5::jsonpath) o
      CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(o) WHEN 'object' THEN o ELSE '{}' END) p
      CROSS JOIN LATERAL jsonb_each(
        CASE jsonb_typeof(p.value -> $6) WHEN 'object' THEN p.value -> $6 ELSE '{}' END) r) p)))"};

Arg arg_status(int status) { return arg_datum(INT4OID, Int32GetDatum(status), status == 0); }

std::string_view copied(int column, MemoryContext context) {
  const char* text = copy_text(0, column, context);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

void copy_external_user_ids(Call* call, MemoryContext context) {
  bool null;
  const Datum array = get(0, kExternalUserIds, &null);
  MemoryContext caller = MemoryContextSwitchTo(context);
  Datum* elements;
  deconstruct_array(DatumGetArrayTypePCopy(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, nullptr,
                    &call->external_user_count);
  auto* ids = static_cast<std::string_view*>(palloc(sizeof(std::string_view) * (call->external_user_count + 1)));
  for (int i = 0; i < call->external_user_count; ++i) {
    const text* id = DatumGetTextPP(elements[i]);
    ids[i] = {VARDATA_ANY(id), static_cast<size_t>(VARSIZE_ANY_EXHDR(id))};
  }
  call->external_user_ids = ids;
  MemoryContextSwitchTo(caller);
}

void end_call(int64 call_id, const char* state, int http_status, const char* error, std::string_view result,
              double again_after) {
  const uint64 rows = run(end_statement, {arg_int8(call_id), arg_text(state), arg_status(http_status),
                                          arg_text_or_null(error == nullptr ? "" : error), arg_text_or_null(result),
                                          arg_seconds(again_after)});
  if (rows > 0) run(notify_statement, {arg_int8(call_id)});
}

std::string_view only_external_user(const Call& call) {
  Assert(call.external_user_count == 1);
  return call.external_user_ids[0];
}

Arg arg_texts(std::span<const std::string_view> texts) {
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * (texts.size() + 1)));
  for (size_t i = 0; i < texts.size(); ++i) values[i] = arg_text(texts[i]).value;
  return arg_array(TEXTOID, values, nullptr, static_cast<int>(texts.size()));
}

}  // namespace

bool load_call(int64 call_id, Call* call) {
  MemoryContext caller = CurrentMemoryContext;
  if (run(select_call, {arg_int8(call_id)}) == 0) return false;
  *call = {};
  call->call_id = call_id;
  call->open = get_bool(0, kOpen);
  call->seconds_left = get_float8(0, kSecondsLeft);
  const auto operation = call_operation_of(get_text(0, kOperation));
  // the type is as old as the library (schema_version)
  Assert(operation);
  call->operation = *operation;
  call->endpoint = copy_text(0, kEndpoint, caller);
  call->user_id = get_int8(0, kUserId);
  call->client_user_id = copied(kClientUserId, caller);
  call->provider = copied(kProvider, caller);
  call->redirect_url = copied(kRedirectUrl, caller);
  copy_external_user_ids(call, caller);
  call->refusals = get_int4(0, kRefusals);
  call->error = copy_text(0, kError, caller);
  return true;
}

void note_request(int64 call_id) { run(request_statement, {arg_int8(call_id)}); }

void note_call_waits(int64 call_id, int http_status, const char* error) {
  run(wait_statement, {arg_int8(call_id), arg_status(http_status), arg_text(error)});
}

void finish_call(int64 call_id, int http_status, std::string_view result) {
  end_call(call_id, "done", http_status, nullptr, result, 0);
}

void fail_call(int64 call_id, int http_status, const char* error, std::string_view result, double again_after) {
  end_call(call_id, "failed", http_status, error, result, again_after);
}

const char* link_vendor_user(const Call& call, std::string_view external_user_id) {
  MemoryContext caller = CurrentMemoryContext;
  run(vendor_user_statement,
      {arg_int8(call.user_id), arg_text(call.client_user_id), arg_text(call.endpoint), arg_text(external_user_id)});
  return copy_text(0, kWhyNot, caller);
}

void store_link(const Call& call, std::string_view link_url, std::string_view link_token) {
  run(link_statement, {arg_int8(call.call_id), arg_text_or_null(link_url), arg_text_or_null(link_token),
                       arg_seconds(kLinkLifeSeconds)});
}

void note_disconnected(const Call& call, TimestampTz at) {
  run(disconnected_statement, {arg_int8(call.user_id), arg_text(call.provider), arg_instant(at)});
}

void note_pull_state(const Call& call, const PullStatePaths& paths, std::string_view document) {
  run(pull_state_statement,
      {arg_int8(call.user_id), arg_text(call.endpoint), arg_text(only_external_user(call)), arg_text(document),
       arg_text(paths.providers), arg_text(paths.resources), arg_text(paths.status), arg_text(paths.details),
       arg_texts(paths.codes), arg_texts(paths.messages), arg_texts(paths.retriable), arg_text(paths.failed),
       arg_text(paths.succeeded)});
}

void note_vendor_user_deleted(const Call& call, TimestampTz at) {
  run(user_deleted_statement,
      {arg_int8(call.user_id), arg_text(call.endpoint), arg_text(only_external_user(call)), arg_instant(at)});
}

}  // namespace wearables::pg
