// verify_signature(), sign() and signed_headers(): the signature of a delivery by itself, without an endpoint, by the
// default vendor's scheme. They read no table and take no lock. Each begins with a Confidential frame, for it is given
// secrets and bodies; an error leaves the frame to the abort of the transaction.
#include "core/vendor/vendor.h"

#include <string>

#include "pg/receive/http_headers.h"
#include "pg/receive/signature.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"

namespace wearables::pg {

namespace {

constexpr int64 kPostgresEpochSeconds = static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

// Whole seconds since 1970, as every official library takes them.
int64 unix_seconds(TimestampTz at) {
  const int64 seconds = at / USECS_PER_SEC;
  return kPostgresEpochSeconds + (at % USECS_PER_SEC < 0 ? seconds - 1 : seconds);
}

Verification verification_of(const Result<Accepted>& result) {
  Verification verification{};
  verification.verified = result.ok();
  if (result.ok()) {
    verification.place = result.value().place;
    verification.sent_at = result.value().sent_at;
  } else {
    verification.code = result.error().code;
    result.error().message.copy(verification.message, sizeof verification.message - 1);
  }
  return verification;
}

const std::string_view* secrets_in(ArrayType* array, int* count) {
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
      numeric_int8, DirectFunctionCall2(extract_interval, CStringGetTextDatum("epoch"), IntervalPGetDatum(interval))));
}

TimestampTz finite(TimestampTz at) {
  if (!TIMESTAMP_NOT_FINITE(at)) return at;
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("the time of a signature must be finite")));
}

// The header of (message id, instant, body, secret), in the current context.
std::string_view signature_of(FunctionCallInfo fcinfo) {
  const std::string_view id = view_of(PG_GETARG_TEXT_PP(0));
  const int64 at = unix_seconds(finite(PG_GETARG_TIMESTAMPTZ(1)));
  const std::string_view body = view_of(PG_GETARG_BYTEA_PP(2));
  const std::string_view secret = view_of(PG_GETARG_TEXT_PP(3));
  auto* signature = owned_by<std::string>(CurrentMemoryContext);
  call_core([&] { return store_into(*signature, default_vendor().signatures->sign(id, at, body, secret)); });
  return *signature;
}

void push_member(JsonbParseState** state, std::string_view name, std::string_view text) {
  JsonbValue value{};
  value.type = jbvString;
  value.val.string = {static_cast<int>(name.size()), const_cast<char*>(name.data())};
  pushJsonbValue(state, WJB_KEY, &value);
  value.val.string = {static_cast<int>(text.size()), const_cast<char*>(text.data())};
  pushJsonbValue(state, WJB_VALUE, &value);
}

bool is_callers_fault(Code code) {
  return code == Code::kNoSecret || code == Code::kBadSecret || code == Code::kInvalidArgument;
}

bool verify_argument(FunctionCallInfo fcinfo) {
  const Vendor& vendor = default_vendor();
  const SignedHeaders headers = signed_headers(PG_GETARG_JSONB_P(0), *vendor.signatures);
  const std::string_view body = view_of(PG_GETARG_BYTEA_PP(1));
  int count;
  const std::string_view* secrets = secrets_in(PG_GETARG_ARRAYTYPE_P(2), &count);
  const TimestampTz now = finite(PG_GETARG_TIMESTAMPTZ(3));
  const int64 tolerance = whole_seconds(PG_GETARG_INTERVAL_P(4));
  if (tolerance < 0) {
    ereport(ERROR, (errcode(sqlstate_of(Code::kInvalidArgument)), errmsg("tolerance must not be negative"),
                    errhint("Give an interval of 0 or more.")));
  }
  const Candidate only{&vendor, headers, {{secrets, static_cast<size_t>(count)}, false, tolerance}};
  const Verification verification = verify_candidates({&only, 1}, body, now);
  if (!verification.verified && is_callers_fault(verification.code)) {
    ereport(ERROR, (errcode(sqlstate_of(verification.code)), errmsg("%s", verification.message)));
  }
  return verification.verified;
}

Jsonb* signed_delivery(FunctionCallInfo fcinfo) {
  const HeaderFamily& names = default_vendor().signatures->headers.front();
  const std::string_view signature = signature_of(fcinfo);
  const char* at = psprintf(INT64_FORMAT, unix_seconds(PG_GETARG_TIMESTAMPTZ(1)));
  JsonbParseState* state = nullptr;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  push_member(&state, names.id, view_of(PG_GETARG_TEXT_PP(0)));
  push_member(&state, names.timestamp, at);
  push_member(&state, names.signature, signature);
  push_member(&state, "content-type", "application/json");
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

}  // namespace

Verification verify_candidates(std::span<const Candidate> candidates, std::string_view body, TimestampTz now) {
  const int64 seconds = unix_seconds(now);
  return call_core(
      [&]() -> Result<Verification> { return verification_of(verify_delivery(candidates, body, seconds)); });
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_verify_signature);
PG_FUNCTION_INFO_V1(wearables_sign);
PG_FUNCTION_INFO_V1(wearables_signed_headers);

Datum wearables_verify_signature(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Confidential frame;
  begin_confidential(&frame);
  const bool verified = verify_argument(fcinfo);
  end_confidential(frame);
  PG_RETURN_BOOL(verified);
}

Datum wearables_sign(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Confidential frame;
  begin_confidential(&frame);
  const std::string_view signature = signature_of(fcinfo);
  end_confidential(frame);
  PG_RETURN_TEXT_P(cstring_to_text_with_len(signature.data(), static_cast<int>(signature.size())));
}

Datum wearables_signed_headers(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Confidential frame;
  begin_confidential(&frame);
  Jsonb* headers = signed_delivery(fcinfo);
  end_confidential(frame);
  PG_RETURN_JSONB_P(headers);
}
}
