#include "core/vendor/envelope.h"
#include "core/write/version.h"
#include "core/vendor/webhook.h"

#include <algorithm>
#include <string>

#include "pg/receive/activity.h"
#include "pg/server/allocator.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"
#include "pg/receive/endpoint.h"
#include "pg/receive/header.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/queue/wakeup.h"
#include "pg/receive/webhook.h"
#include "pg/store/event_insert.h"

namespace wearables::pg {

namespace {

constexpr size_t kMaxMessageId = 512;
constexpr size_t kMaxName = 1000;

constexpr int64 kPostgresEpochSeconds =
    static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

// Whole seconds since 1970, as every official library takes them.
int64 unix_seconds(TimestampTz at) {
  const int64 seconds = at / USECS_PER_SEC;
  return kPostgresEpochSeconds + (at % USECS_PER_SEC < 0 ? seconds - 1 : seconds);
}

// What became of a delivery's signature.
struct Attempt {
  bool verified;
  size_t endpoint;  // of those that were tried
  int64 sent_at;    // Unix seconds
  Code code;
  char message[200];
};

Result<Attempt> attempt_of(const Result<Accepted>& result) {
  Attempt attempt{};
  attempt.verified = result.ok();
  if (result.ok()) {
    attempt.endpoint = result.value().place;
    attempt.sent_at = result.value().sent_at;
  } else {
    attempt.code = result.error().code;
    result.error().message.copy(attempt.message, sizeof attempt.message - 1);
  }
  return attempt;
}

Attempt try_endpoints(const Endpoint* endpoints, int count, const SignedHeaders& headers,
                      std::string_view body, int64 now) {
  auto* acceptances = static_cast<Acceptance*>(palloc(sizeof(Acceptance) * count));
  for (int i = 0; i < count; ++i) {
    const Endpoint& endpoint = endpoints[i];
    acceptances[i] = {{endpoint.secrets, static_cast<size_t>(endpoint.secret_count)},
                      endpoint.unreadable, endpoint.tolerance_seconds};
  }
  const std::span<const Acceptance> all{acceptances, static_cast<size_t>(count)};
  return call_core([&] { return attempt_of(verify_any(headers, body, all, now)); });
}

// A refused delivery, and of which configured endpoint it was, if that is known.
struct Refusal {
  int http_status;
  const char* reason;
  Fate fate;
  const char* endpoint;  // null: none matched
};

// The sender's mistake is worth a line in the log, where an operator looks when deliveries stay away; a flood of them is not.
Receipt refuse(const Refusal& refusal, std::string_view message_id) {
  const char* endpoint = refusal.endpoint == nullptr ? "-" : refusal.endpoint;
  if (note_delivery(endpoint, refusal.fate, message_id)) {
    const bool plain = is_plain_id(message_id);
    ereport(LOG, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                  errmsg("wearables_ingest refused a delivery with status %d: %s", refusal.http_status, refusal.reason),
                  errdetail("Endpoint %s, message %.*s.", endpoint, plain ? static_cast<int>(message_id.size()) : 1,
                            plain ? message_id.data() : "-"),
                  errhint("Others like it are counted in wearables.endpoint_activity, with a line in ten seconds at most.")));
  }
  return {"refused", 0, refusal.http_status, refusal.reason};
}

// Which of the failures of verify_any() it was. That a secret cannot be read is told to nobody but the operator.
Fate fate_of(Code code, const Endpoint* endpoints, int count) {
  const bool unreadable = std::any_of(endpoints, endpoints + count, [](const Endpoint& e) { return e.unreadable; });
  switch (code) {
    case Code::kMissingHeader:
      return Fate::kMissingHeader;
    case Code::kBadTimestamp:
      return Fate::kBadTimestamp;
    case Code::kStaleTimestamp:
      return Fate::kStaleTimestamp;
    case Code::kNoSecret:
    case Code::kBadSecret:
      return unreadable ? Fate::kSecretUnreadable : Fate::kNoSecret;
    case Code::kAsymmetric:
      return Fate::kAsymmetric;
    case Code::kBadMessageId:
      return Fate::kBadMessageId;
    default:
      return unreadable ? Fate::kSecretUnreadable : Fate::kBadSignature;
  }
}

// Text of a body on its way into a column: a NUL or an absurd length is as good as absent.
std::string_view name_or_nothing(const std::string& name) {
  const bool usable = name.size() <= kMaxName && name.find('\0') == std::string::npos;
  return usable ? std::string_view(name) : std::string_view();
}

// A message is made before it is sent: an id that decodes to a later time is no KSUID, and a version taken
// from it could never be overtaken.
int64 origin_ms(std::string_view message_id, int64 sent_at) {
  const std::optional<std::int64_t> created = message_time_ms(message_id);
  const int64 latest = (sent_at + kDefaultToleranceSeconds) * 1000;
  return created.has_value() && *created <= latest ? *created : sent_at * 1000;
}

std::string_view view_of(const void* varlena_value) {
  return {VARDATA_ANY(varlena_value), VARSIZE_ANY_EXHDR(varlena_value)};
}

Receipt store(const Endpoint& endpoint, const Headers& headers, const void* body, int64 sent_at,
              TimestampTz now) {
  const std::string_view message_id = headers.of_signature.id;
  auto* envelope = owned_by<Envelope>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *envelope = peek_envelope(view_of(body));
    return Done{};
  });
  const InsertedEvent event = insert_event(
      {endpoint.name, message_id, now, origin_ms(message_id, sent_at), name_or_nothing(envelope->event_type),
       name_or_nothing(envelope->external_user_id), name_or_nothing(envelope->client_user_id), headers.audited, body});
  (void)note_delivery(endpoint.name, Fate::kAccepted, message_id);
  return {event.is_new ? "accepted" : "duplicate", event.event_id, endpoint.success_status, nullptr};
}

}  // namespace

namespace {

// Why no endpoint is there to try. Who names one in a header is answered as by one whose secret does not match: a stranger
// learns no names.
Refusal no_endpoint(const char* name, bool by_header) {
  static Statement find{
      "SELECT max(e.name) FILTER (WHERE e.name = $1), count(*) FROM wearables.endpoints e WHERE NOT e.enabled"};
  run(find, {arg_text_or_null(name == nullptr ? std::string_view() : std::string_view(name))});
  const char* disabled = copy_text(0, 1, CurrentMemoryContext);
  const int64 all_disabled = get_int8(0, 2);
  const int status = by_header ? 401 : 404;
  const char* reason = by_header ? "no v1 signature matches" : "the endpoint is not known or not enabled";
  if (disabled != nullptr) return {status, reason, Fate::kDisabled, disabled};
  if (name != nullptr) return {status, reason, Fate::kUnknownEndpoint, nullptr};
  return {401, "no endpoint is configured", all_disabled > 0 ? Fate::kDisabled : Fate::kNoEndpoint, nullptr};
}

}  // namespace

Receipt receive(Jsonb* headers_json, const void* stored_body, const char* endpoint_name) {
  const TimestampTz now = GetCurrentTimestamp();
  const std::string_view body = view_of(stored_body);
  const Headers headers = read_headers(headers_json);
  const std::string_view id = headers.of_signature.id;
  if (body.size() > static_cast<size_t>(settings().body_limit_kb) * 1024) {
    const char* reason = psprintf("the body has %zu bytes, the limit is %d kB", body.size(), settings().body_limit_kb);
    return refuse({413, reason, Fate::kTooLarge, nullptr}, id);
  }
  if (id.size() > kMaxMessageId) {
    return refuse({400, "the message id is longer than 512 bytes", Fate::kBadMessageId, nullptr}, id);
  }
  // a sender who names one himself gains nothing: he must have signed with that one's secret
  const bool by_header = endpoint_name == nullptr && headers.endpoint != nullptr;
  if (by_header) endpoint_name = headers.endpoint;
  int count;
  const Endpoint* endpoints = load_endpoints(endpoint_name, &count);
  if (count == 0) return refuse(no_endpoint(endpoint_name, by_header), id);
  const Attempt attempt =
      try_endpoints(endpoints, count, headers.of_signature, body, unix_seconds(now));
  if (!attempt.verified) {
    const char* only = count == 1 ? endpoints[0].name : nullptr;
    return refuse({401, pstrdup(attempt.message), fate_of(attempt.code, endpoints, count), only}, id);
  }
  return store(endpoints[attempt.endpoint], headers, stored_body, attempt.sent_at, now);
}

namespace {

Datum receipt_datum(const Receipt& receipt, FunctionCallInfo fcinfo) {
  TupleDesc desc;
  if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("receive() must return a row")));
  }
  Datum values[4] = {CStringGetTextDatum(receipt.status), Int64GetDatum(receipt.event_id),
                     Int32GetDatum(receipt.http_status), Datum{0}};
  bool nulls[4] = {false, receipt.event_id == 0, false, receipt.reason == nullptr};
  if (receipt.reason != nullptr) values[3] = CStringGetTextDatum(receipt.reason);
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

// Where no worker does it.
void flush_if_due() {
  if (registered_workers() <= 0 && flush_is_due()) flush_activity();
}

Receipt receive_within_spi(Jsonb* headers, const void* body, const char* endpoint) {
  MemoryContext caller = CurrentMemoryContext;
  keep_freed_memory();
  Confidential frame;
  begin_confidential(&frame);
  SPI_connect();
  Receipt receipt = receive(headers, body, endpoint);
  if (receipt.reason != nullptr) receipt.reason = MemoryContextStrdup(caller, receipt.reason);
  flush_if_due();
  SPI_finish();
  end_confidential(frame);
  give_back_after(view_of(body).size());
  return receipt;
}

Jsonb* request_headers() {
  const char* text = GetConfigOption("request.headers", true, false);
  if (text == nullptr || *text == '\0') return nullptr;
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

// A proxy that lets the sender ask for it would undo what is answered with success here.
constexpr const char* kRollbackRefused = "the request asks for a rollback (Prefer: tx=rollback)";

// `endpoint` null: the header names it, or every one is tried.
Datum door(const char* endpoint, const void* body) {
  Confidential frame;
  begin_confidential(&frame);
  Jsonb* headers = request_headers();
  const Receipt receipt = asks_for_rollback(headers)
                              ? refuse({400, kRollbackRefused, Fate::kRollbackAsked, nullptr}, {})
                              : receive_within_spi(headers, body, endpoint);
  end_confidential(frame);
  (void)set_config_option("response.status", psprintf("%d", receipt.http_status), PGC_USERSET,
                          PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
  StringInfoData answer;
  initStringInfo(&answer);
  appendStringInfo(&answer, "{\"status\":\"%s\"", receipt.status);
  if (receipt.event_id != 0) appendStringInfo(&answer, ",\"event_id\":" INT64_FORMAT, receipt.event_id);
  if (receipt.reason != nullptr) {
    appendStringInfoString(&answer, ",\"reason\":");
    escape_json(&answer, receipt.reason);
  }
  appendStringInfoChar(&answer, '}');
  return PointerGetDatum(cstring_to_text_with_len(answer.data, answer.len));
}

const std::string_view* secrets_of(ArrayType* array, int* count) {
  Datum* values;
  bool* nulls;
  deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, count);
  auto* secrets = static_cast<std::string_view*>(palloc0(sizeof(std::string_view) * (*count + 1)));
  for (int i = 0; i < *count; ++i) {
    if (!nulls[i]) secrets[i] = view_of(DatumGetTextPP(values[i]));
  }
  return secrets;
}

int64 whole_seconds(const Interval* interval) {
  return DatumGetInt64(DirectFunctionCall1(
      numeric_int8, DirectFunctionCall2(extract_interval, CStringGetTextDatum("epoch"),
                                        IntervalPGetDatum(interval))));
}

Result<Attempt> attempt_of(const Result<std::int64_t>& result) {
  if (result.ok()) return attempt_of(Result<Accepted>(Accepted{0, result.value()}));
  return attempt_of(Result<Accepted>(result.error()));
}

TimestampTz finite(TimestampTz at) {
  if (!TIMESTAMP_NOT_FINITE(at)) return at;
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
                  errmsg("the time of a signature must be finite")));
}

// The header of (message id, instant, body, secret), in the current context.
std::string_view signature_of(FunctionCallInfo fcinfo) {
  const std::string_view id = view_of(PG_GETARG_TEXT_PP(0));
  const int64 at = unix_seconds(finite(PG_GETARG_TIMESTAMPTZ(1)));
  const std::string_view body = view_of(PG_GETARG_BYTEA_PP(2));
  const std::string_view secret = view_of(PG_GETARG_TEXT_PP(3));
  auto* signature = owned_by<std::string>(CurrentMemoryContext);
  call_core([&] { return store_into(*signature, sign(id, at, body, secret)); });
  return *signature;
}

void push_member(JsonbParseState** state, const char* name, std::string_view text) {
  JsonbValue value{};
  value.type = jbvString;
  value.val.string = {static_cast<int>(strlen(name)), const_cast<char*>(name)};
  pushJsonbValue(state, WJB_KEY, &value);
  value.val.string = {static_cast<int>(text.size()), const_cast<char*>(text.data())};
  pushJsonbValue(state, WJB_VALUE, &value);
}

const char* endpoint_argument(FunctionCallInfo fcinfo) {
  return PG_ARGISNULL(0) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(0));
}

bool is_callers_fault(Code code) {
  return code == Code::kNoSecret || code == Code::kBadSecret || code == Code::kInvalidArgument;
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_receive);
PG_FUNCTION_INFO_V1(wearables_webhook_text);
PG_FUNCTION_INFO_V1(wearables_webhook_bytea);
PG_FUNCTION_INFO_V1(wearables_webhook_of_text);
PG_FUNCTION_INFO_V1(wearables_webhook_of_bytea);
PG_FUNCTION_INFO_V1(wearables_verify_signature);
PG_FUNCTION_INFO_V1(wearables_sign);
PG_FUNCTION_INFO_V1(wearables_signed_headers);

Datum wearables_receive(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Jsonb* headers = PG_ARGISNULL(0) ? nullptr : PG_GETARG_JSONB_P(0);
  const void* body = PG_ARGISNULL(1) ? cstring_to_text("") : PG_GETARG_BYTEA_PP(1);
  const char* endpoint = PG_ARGISNULL(2) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(2));
  return receipt_datum(receive_within_spi(headers, body, endpoint), fcinfo);
}

Datum wearables_webhook_text(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  return door(nullptr, PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0));
}

Datum wearables_webhook_bytea(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  return door(nullptr, PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_BYTEA_PP(0));
}

Datum wearables_webhook_of_text(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const void* body = PG_ARGISNULL(1) ? cstring_to_text("") : PG_GETARG_TEXT_PP(1);
  return door(endpoint_argument(fcinfo), body);
}

Datum wearables_webhook_of_bytea(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const void* body = PG_ARGISNULL(1) ? cstring_to_text("") : PG_GETARG_BYTEA_PP(1);
  return door(endpoint_argument(fcinfo), body);
}

Datum wearables_verify_signature(PG_FUNCTION_ARGS) {
  using namespace wearables;
  pg::Confidential frame;
  pg::begin_confidential(&frame);
  const pg::Headers headers = pg::read_headers(PG_GETARG_JSONB_P(0));
  const std::string_view body = pg::view_of(PG_GETARG_BYTEA_PP(1));
  int count;
  const std::string_view* secrets = pg::secrets_of(PG_GETARG_ARRAYTYPE_P(2), &count);
  const int64 now = pg::unix_seconds(pg::finite(PG_GETARG_TIMESTAMPTZ(3)));
  const int64 tolerance = pg::whole_seconds(PG_GETARG_INTERVAL_P(4));
  const std::span<const std::string_view> all{secrets, static_cast<size_t>(count)};
  const pg::Attempt attempt = pg::call_core(
      [&] { return pg::attempt_of(verify(headers.of_signature, body, all, now, tolerance)); });
  if (!attempt.verified && pg::is_callers_fault(attempt.code)) {
    ereport(ERROR, (errcode(pg::sqlstate_of(attempt.code)), errmsg("%s", attempt.message)));
  }
  pg::end_confidential(frame);
  PG_RETURN_BOOL(attempt.verified);
}

Datum wearables_sign(PG_FUNCTION_ARGS) {
  using namespace wearables;
  pg::Confidential frame;
  pg::begin_confidential(&frame);
  const std::string_view signature = pg::signature_of(fcinfo);
  pg::end_confidential(frame);
  PG_RETURN_TEXT_P(cstring_to_text_with_len(signature.data(), static_cast<int>(signature.size())));
}

Datum wearables_signed_headers(PG_FUNCTION_ARGS) {
  using namespace wearables;
  pg::Confidential frame;
  pg::begin_confidential(&frame);
  const std::string_view signature = pg::signature_of(fcinfo);
  const char* at = psprintf(INT64_FORMAT, pg::unix_seconds(PG_GETARG_TIMESTAMPTZ(1)));
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  pg::push_member(&state, "svix-id", pg::view_of(PG_GETARG_TEXT_PP(0)));
  pg::push_member(&state, "svix-timestamp", at);
  pg::push_member(&state, "svix-signature", signature);
  pg::push_member(&state, "content-type", "application/json");
  Jsonb* headers = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
  pg::end_confidential(frame);
  PG_RETURN_JSONB_P(headers);
}
}
