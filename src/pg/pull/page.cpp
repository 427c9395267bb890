// An answer becomes an event in the transaction of the caller, who holds the row of the pull or the stream. No other
// lock is taken than those of insert_event(). What is made here lives in the current context.
#include "pg/pull/page.h"

#include <algorithm>
#include <string>

#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/store/event_insert.h"

namespace wearables::pg {

namespace {

constexpr int16 kPagePriority = 5;  // behind what is delivered now, before replays
constexpr size_t kMaxHeader = 300;

void append_member(StringInfo text, const char* name, std::string_view value) {
  appendStringInfo(text, ",\"%s\":", name);
  escape_json(text, pnstrdup(value.data(), value.size()));
}

void append_instant(StringInfo text, const char* name, Micros at) {
  if (at != kNoInstant) appendStringInfo(text, ",\"%s\":" INT64_FORMAT, name, static_cast<int64>(at));
}

// As stream_subject_in() reads it.
void append_subject(StringInfo text, const StreamSubject& subject) {
  appendStringInfoString(text, ",\"document\":{\"id\":");
  escape_json(text, pnstrdup(subject.id.data(), subject.id.size()));
  append_member(text, "provider", subject.provider);
  append_member(text, "source_type", subject.source_type);
  append_instant(text, "from_us", subject.from);
  append_instant(text, "to_us", subject.to);
  appendStringInfoChar(text, '}');
}

Jsonb* headers_of(const HttpAnswer& answer, const NewPage& page) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "{\"url\":");
  escape_json(&text, page.url);
  appendStringInfo(&text, ",\"status\":%d", answer.status);
  const std::string_view type = std::string_view(answer.content_type).substr(0, kMaxHeader);
  if (!type.empty()) append_member(&text, "content-type", type);
  if (answer.date) appendStringInfo(&text, ",\"date_ms\":" INT64_FORMAT, static_cast<int64>(*answer.date));
  if (page.subject != nullptr) append_subject(&text, *page.subject);
  appendStringInfoChar(&text, '}');
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data)));
}

bytea* bytes_of(const std::string& body) {
  auto* bytes = static_cast<bytea*>(palloc(body.size() + VARHDRSZ));
  SET_VARSIZE(bytes, body.size() + VARHDRSZ);
  memcpy(VARDATA(bytes), body.data(), body.size());
  return bytes;
}

}  // namespace

bool make_request(const Host& host, const char* url, MemoryContext context, Exchange* exchange) {
  const PullApi* api = host.vendor->pull;
  std::string_view key;
  if (!take_key(host, api == nullptr ? "its vendor has no API for history" : nullptr, &key)) return false;
  exchange->request = owned_by<HttpRequest>(context);
  add_key(exchange->request, api->key_header, key);
  call_core([&]() -> Result<Done> {
    exchange->request->url = url;
    return Done{};
  });
  return true;
}

// The response's Date, else when it was asked for; never later than now, or it could not be overtaken.
int64 origin_of(const Exchange& exchange) {
  const int64 asked = to_core(exchange.asked_at) / kMicrosPerMillisecond;
  const int64 now = to_core(GetCurrentTimestamp()) / kMicrosPerMillisecond;
  return exchange.answer->date ? std::min<int64>(*exchange.answer->date, now) : asked;
}

bool insert_page(const Exchange& exchange, const NewPage& page, TimestampTz* received_at) {
  const HttpAnswer& answer = *exchange.answer;
  *received_at = GetCurrentTimestamp();
  const char* type = psprintf("pulled.data.%.*s", static_cast<int>(page.resource.size()), page.resource.data());
  NewEvent event{page.endpoint,
                 page.message_id,
                 *received_at,
                 origin_of(exchange),
                 EventAge::kCreated,
                 type,
                 page.resource,
                 page.external_user_id,
                 {},
                 headers_of(answer, page),
                 bytes_of(answer.body),
                 kPagePriority};
  if (insert_event(event).is_new) return true;
  // Numbers of pulls may begin anew in a ledger that was kept. What was pulled is never a duplicate.
  event.message_id = psprintf("%s:" INT64_FORMAT, page.message_id, *received_at);
  return insert_event(event).is_new;
}

const char* refusal_text(const Host& host, const HttpAnswer& answer) {
  auto* words = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *words = refusal_of(*host.vendor->pull, answer.body);
    return Done{};
  });
  const char* status = psprintf("the vendor responded with status %d", answer.status);
  return words->empty() ? status : psprintf("%s: %s", status, words->c_str());
}

}  // namespace wearables::pg
