// receive(): verifies a delivery and hands it to the store, all in the caller's transaction. It takes no lock of its
// own; what the store takes is held to the caller's commit. A rejected delivery writes nothing but what is counted of
// it. Endpoints and texts live in SPI's context; the receipt's reason is copied out of it before it goes.
#include "core/vendor/envelope.h"
#include "core/vendor/event_type.h"

#include <algorithm>
#include <string>

#include "pg/people/erasure.h"
#include "pg/queue/wakeup.h"
#include "pg/receive/activity.h"
#include "pg/receive/endpoint.h"
#include "pg/receive/http_headers.h"
#include "pg/receive/signature.h"
#include "pg/receive/webhook.h"
#include "pg/server/allocator.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/store/event_insert.h"

namespace wearables::pg {

namespace {

constexpr size_t kMaxMessageId = 512;
constexpr size_t kMaxName = 1000;
constexpr size_t kBytesPerKilobyte = 1024;

constexpr int kBadRequest = 400;
constexpr int kUnauthorized = 401;
constexpr int kNotFound = 404;
constexpr int kPayloadTooLarge = 413;

// The delivery as each endpoint would have it: with the headers of its vendor's scheme.
std::span<const Candidate> candidates_of(const Endpoint* endpoints, int count, Jsonb* headers) {
  auto* candidates = static_cast<Candidate*>(palloc(sizeof(Candidate) * count));
  for (int i = 0; i < count; ++i) {
    const Endpoint& endpoint = endpoints[i];
    const bool same_vendor = i > 0 && candidates[i - 1].vendor == endpoint.vendor;
    candidates[i] = {endpoint.vendor,
                     same_vendor ? candidates[i - 1].headers : signed_headers(headers, *endpoint.vendor->signatures),
                     {{endpoint.secrets, static_cast<size_t>(endpoint.secret_count)},
                      endpoint.unreadable,
                      endpoint.tolerance_seconds}};
  }
  return {candidates, static_cast<size_t>(count)};
}

// A rejected delivery, and of which configured endpoint it was, if that is known.
struct Rejection {
  int http_status;
  const char* reason;
  Fate fate;
  const char* endpoint;  // null: none matched
};

// The sender's mistake is worth a line in the log, where an operator looks when deliveries stay away; a flood of them
// is not.
Receipt reject_delivery(const Rejection& rejection, std::string_view message_id) {
  const char* endpoint = rejection.endpoint == nullptr ? "-" : rejection.endpoint;
  if (note_delivery(endpoint, rejection.fate, message_id)) {
    const bool plain = is_plain_id(message_id);
    ereport(LOG,
            (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
             errmsg("wearables_ingest refused a delivery with status %d: %s", rejection.http_status, rejection.reason),
             errdetail("Endpoint %s, message %.*s.", endpoint, plain ? static_cast<int>(message_id.size()) : 1,
                       plain ? message_id.data() : "-"),
             errhint("Further refusals are counted in wearables.endpoint_activity, and at most one in ten seconds is "
                     "logged.")));
  }
  return {"refused", 0, rejection.http_status, rejection.reason};
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

struct Delivery {
  std::string_view message_id;
  Jsonb* headers;  // as they are kept
  const void* body;
  int64 sent_at;  // Unix seconds
  TimestampTz received_at;
};

Receipt store(const Endpoint& endpoint, const Delivery& delivery) {
  Assert(!delivery.message_id.empty() && delivery.message_id.size() <= kMaxMessageId);
  auto* envelope = owned_by<Envelope>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *envelope = peek_envelope(*endpoint.vendor, view_of(delivery.body));
    return Done{};
  });
  const int64 origin = origin_ms(*endpoint.vendor, delivery.message_id, delivery.sent_at);
  const std::string_view event_type = name_or_nothing(envelope->event_type);
  const EventType type = classify(*endpoint.vendor, event_type);
  const NamedIds ids{endpoint.name, name_or_nothing(envelope->external_user_id),
                     name_or_nothing(envelope->client_user_id)};
  if (is_erased(ids, origin)) {
    (void)note_delivery(endpoint.name, Fate::kAccepted, delivery.message_id);
    return {"erased", 0, endpoint.success_status, nullptr};
  }
  const InsertedEvent event =
      insert_event({endpoint.name, delivery.message_id, delivery.received_at, origin, type.age, event_type,
                    type.resource, ids.external_user_id, ids.client_user_id, delivery.headers, delivery.body, 0});
  (void)note_delivery(endpoint.name, Fate::kAccepted, delivery.message_id);
  return {event.is_new ? "accepted" : "duplicate", event.event_id, endpoint.success_status, nullptr};
}

Statement count_disabled{
    "SELECT max(e.name) FILTER (WHERE e.name = $1), count(*) FROM wearables.endpoints e WHERE NOT e.enabled"};
enum { kDisabledOfThatName = 1, kDisabledCount };

// Why no endpoint is there to try. Who names one in a header is answered as by one whose secret does not match: a
// stranger learns no names.
Rejection no_endpoint(const char* name, bool by_header) {
  run(count_disabled, {arg_text_or_null(name == nullptr ? std::string_view() : std::string_view(name))});
  const char* disabled = copy_text(0, kDisabledOfThatName, CurrentMemoryContext);
  const int64 all_disabled = get_int8(0, kDisabledCount);
  const int status = by_header ? kUnauthorized : kNotFound;
  const char* reason = by_header ? default_vendor().signatures->mismatch : "the endpoint does not exist or is disabled";
  if (disabled != nullptr) return {status, reason, Fate::kDisabled, disabled};
  if (name != nullptr) return {status, reason, Fate::kUnknownEndpoint, nullptr};
  return {kUnauthorized, "no endpoint is configured", all_disabled > 0 ? Fate::kDisabled : Fate::kNoEndpoint, nullptr};
}

struct ClaimedId {
  std::string_view id;
  const char* wrong;  // null: it may be stored under this id
};

// Before it is known whose endpoint is meant: the id under the headers of the first vendor that finds one.
ClaimedId claimed_message_id(Jsonb* headers) {
  ClaimedId claimed{};
  for (const Vendor* vendor : vendors()) {
    const std::string_view id = signed_headers(headers, *vendor->signatures).id;
    if (claimed.id.empty()) claimed.id = id;
    if (id.size() > kMaxMessageId) {
      claimed.wrong = psprintf("the message id is longer than %zu bytes", kMaxMessageId);
    } else if (id.starts_with(kPulledIdPrefix) || id.starts_with(kStreamIdPrefix)) {
      // it would take the place of a page in the ledger, and the page would be taken for a duplicate
      claimed.wrong = "the message id begins with \"pull:\" or \"stream:\", as only those of pulled pages do";
    }
  }
  return claimed;
}

}  // namespace

Receipt receive(Jsonb* headers, const void* stored_body, const char* endpoint_name) {
  const TimestampTz now = GetCurrentTimestamp();
  const std::string_view body = view_of(stored_body);
  const auto [id, wrong_id] = claimed_message_id(headers);
  if (body.size() > static_cast<size_t>(settings().body_limit_kb) * kBytesPerKilobyte) {
    const char* reason = psprintf("the body has %zu bytes, the limit is %d kB", body.size(), settings().body_limit_kb);
    return reject_delivery({kPayloadTooLarge, reason, Fate::kTooLarge, nullptr}, id);
  }
  if (wrong_id != nullptr) return reject_delivery({kBadRequest, wrong_id, Fate::kBadMessageId, nullptr}, id);
  // a sender who names one himself gains nothing: he must have signed with that one's secret
  const char* named = endpoint_name == nullptr ? named_endpoint(headers) : nullptr;
  if (named != nullptr) endpoint_name = named;
  int count;
  const Endpoint* endpoints = load_endpoints(endpoint_name, &count);
  if (count == 0) return reject_delivery(no_endpoint(endpoint_name, named != nullptr), id);
  const std::span<const Candidate> candidates = candidates_of(endpoints, count, headers);
  const Verification verification = verify_candidates(candidates, body, now);
  if (!verification.verified) {
    const char* only = count == 1 ? endpoints[0].name : nullptr;
    return reject_delivery(
        {kUnauthorized, pstrdup(verification.message), fate_of(verification.code, endpoints, count), only}, id);
  }
  const Endpoint& endpoint = endpoints[verification.place];
  return store(endpoint,
               {candidates[verification.place].headers.id, audited_headers(headers, *endpoint.vendor->signatures),
                stored_body, verification.sent_at, now});
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
Datum http_reply(const char* endpoint, const void* body) {
  Confidential frame;
  begin_confidential(&frame);
  Jsonb* headers = request_headers();
  const Receipt receipt = asks_for_rollback(headers)
                              ? reject_delivery({kBadRequest, kRollbackRefused, Fate::kRollbackAsked, nullptr}, {})
                              : receive_within_spi(headers, body, endpoint);
  end_confidential(frame);
  (void)set_config_option("response.status", psprintf("%d", receipt.http_status), PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_LOCAL, true, 0, false);
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

const char* endpoint_argument(FunctionCallInfo fcinfo) {
  return PG_ARGISNULL(0) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(0));
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_receive);
PG_FUNCTION_INFO_V1(wearables_webhook_text);
PG_FUNCTION_INFO_V1(wearables_webhook_bytea);
PG_FUNCTION_INFO_V1(wearables_webhook_of_text);
PG_FUNCTION_INFO_V1(wearables_webhook_of_bytea);

Datum wearables_receive(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Jsonb* headers = PG_ARGISNULL(0) ? nullptr : PG_GETARG_JSONB_P(0);
  const void* body = PG_ARGISNULL(1) ? cstring_to_text("") : PG_GETARG_BYTEA_PP(1);
  const char* endpoint = PG_ARGISNULL(2) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(2));
  return receipt_datum(receive_within_spi(headers, body, endpoint), fcinfo);
}

Datum wearables_webhook_text(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  return http_reply(nullptr, PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0));
}

Datum wearables_webhook_bytea(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  return http_reply(nullptr, PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_BYTEA_PP(0));
}

Datum wearables_webhook_of_text(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const void* body = PG_ARGISNULL(1) ? cstring_to_text("") : PG_GETARG_TEXT_PP(1);
  return http_reply(endpoint_argument(fcinfo), body);
}

Datum wearables_webhook_of_bytea(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const void* body = PG_ARGISNULL(1) ? cstring_to_text("") : PG_GETARG_BYTEA_PP(1);
  return http_reply(endpoint_argument(fcinfo), body);
}
}
