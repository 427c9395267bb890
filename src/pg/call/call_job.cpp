// The row of the call is read and locked in a first transaction, the request is under way without any, and what the
// answer says is stored in a second one, under the lock on the row again. Between answer and commit a crash loses the
// answer, and the request is made once more: 78_call_requests.sql says of each call why that is harmless. A failed
// call is a row of calls and no dead letter: who wants it asks again.
#include "pg/call/call_job.h"

#include <algorithm>

#include "core/base/bytes.h"
#include "pg/call/call.h"
#include "pg/pull/exchange.h"
#include "pg/pull/host.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"

namespace wearables::pg {

namespace {

struct CallState {
  Exchange exchange;
  int64 call_id;
  Call call;
  Host host;
  const CallShape* shape;
  double again_after;  // where nothing is asked
  bool done;           // where nothing is asked: it is over
};

CallState* state_of(const Job& job) { return static_cast<CallState*>(job.state); }

// --- Before: what to ask

// While there is no key yet: an error leaves nothing behind that would have to be overwritten.
HttpRequest* request_of(const CallState& state, MemoryContext context) {
  auto* request = owned_by<HttpRequest>(context);
  const Call& call = state.call;
  call_core([&]() -> Result<Done> {
    const CallQuestion question{
        .base_url = state.host.base_url,
        .external_user_id = call.external_user_count == 0 ? std::string_view() : call.external_user_ids[0],
        .client_user_id = call.client_user_id,
        .provider = call.provider,
        .redirect_url = call.redirect_url,
        .external_user_ids = {call.external_user_ids, call.external_user_ids + call.external_user_count}};
    return write_call(*state.shape, question, request);
  });
  return request;
}

// Why it is over before anything is asked; null: it is not.
const char* over_before(const CallState& state) {
  const Call& call = state.call;
  if (!state.host.exists) return "its endpoint was deleted";
  if (state.shape == nullptr) return "its vendor has no API for this call";
  if (call.seconds_left > state.again_after) return nullptr;
  return psprintf("given up, because it could not be made in time: %s",
                  call.error != nullptr ? call.error : "its endpoint is disabled or must not be called yet");
}

void begin_call(Job* job) {
  CallState* state = state_of(*job);
  state->call_id = id_in_argument(*job, "call_id");
  MemoryContext caller = MemoryContextSwitchTo(job->context);
  const bool there = load_call(state->call_id, &state->call);
  if (there) state->host = load_host(state->call.endpoint);
  MemoryContextSwitchTo(caller);
  state->done = !there || !state->call.open;
  if (state->done) return;
  const Host& host = state->host;
  if (host.vendor->calls != nullptr) state->shape = find_shape(*host.vendor->calls, state->call.operation);
  state->again_after = rest_of(host);
  const char* over = over_before(*state);
  if (over != nullptr) {
    fail_call(state->call_id, 0, over);
    state->done = true;
    return;
  }
  if (state->again_after > 0) return;
  HttpRequest* request = host.base_url == nullptr ? nullptr : request_of(*state, job->context);
  std::string_view key;
  if (!take_key(host, nullptr, &key)) {
    state->again_after = stopped_delay();
    return;
  }
  add_key(request, host.vendor->calls->key_header, key);
  state->exchange.request = request;
  note_request(state->call_id);
}

// --- After: what came

// When the vendor did it, for what is compared with the times of its events. Date tells whole seconds, and what was
// said within that second was said before the answer: a connection that is made after it takes longer.
TimestampTz answered_at(const Exchange& exchange) {
  constexpr int64 kRestOfSecond = 999;
  const TimestampTz now = GetCurrentTimestamp();
  if (!exchange.answer->date) return now;
  return std::min<TimestampTz>(now, to_server((*exchange.answer->date + kRestOfSecond) * kMicrosPerMillisecond));
}

// It may be done another time; where that is too late, or was tried often enough, it is over.
JobEnd try_again(const CallState& state, const char* why, bool troubled) {
  const Call& call = state.call;
  const HttpAnswer& answer = *state.exchange.answer;
  const double asked = asked_seconds(answer);
  note_failure(state.host, state.exchange.asked_at, asked, why, troubled);
  const double wait = std::max(asked, backoff(call.refusals));
  if (wait < call.seconds_left && call.refusals + 1 < kMaxRefusals) {
    note_call_waits(call.call_id, answer.status, why);
    return {false, wait};
  }
  fail_call(call.call_id, answer.status, why, {}, asked);
  return {true, 0};
}

// It waits for another key, unless the refusal is of this call alone: other requests were answered lately.
JobEnd end_refused(const CallState& state, const char* why) {
  // longer than any refused_delay(), so that what was answered since the last refusal counts
  constexpr int64 kProvenFor = 180 * USECS_PER_SEC;
  const Call& call = state.call;
  const int status = state.exchange.answer->status;
  if (status == kForbidden && key_was_good(call.endpoint, GetCurrentTimestamp() - kProvenFor)) {
    fail_call(call.call_id, status, why);
    return {true, 0};
  }
  note_call_waits(call.call_id, status, why);
  stop_endpoint(call.endpoint, why);
  return {false, refused_delay()};
}

// Of one user too much was asked, which says nothing of others.
constexpr int kTooManyRequests = 429;
bool is_limit_of_user(const CallState& state) {
  const HttpAnswer& answer = *state.exchange.answer;
  return state.call.operation == CallOperation::kRefreshUser && answer.status == kTooManyRequests &&
         asked_seconds(answer) > 0;
}

// What the call has changed, in the transaction that ends it. Gives why it is not done after all; null: it is.
const char* apply(const CallState& state, const CallAnswer& answer) {
  const Call& call = state.call;
  switch (call.operation) {
    case CallOperation::kCreateUser:
      return link_vendor_user(call, answer.external_user_id);
    case CallOperation::kLinkToken:
      store_link(call, answer.link_url, answer.link_token);
      break;
    case CallOperation::kDisconnectProvider:
      note_disconnected(call, answered_at(state.exchange));
      break;
    case CallOperation::kDeleteUser:
      note_vendor_user_deleted(call, answered_at(state.exchange));
      break;
    case CallOperation::kReadPullState:
      note_pull_state(call, state.host.vendor->calls->pull_state, answer.document);
      break;
    case CallOperation::kRefreshUser:
    case CallOperation::kTriggerPull:
      break;
  }
  return nullptr;
}

JobEnd judge(const CallState& state, const CallAnswer& answer) {
  const Call& call = state.call;
  const int status = state.exchange.answer->status;
  const char* why = psprintf("the vendor responded with status %d", status);
  if (!answer.words.empty()) why = psprintf("%s: %s", why, answer.words.c_str());
  if (is_limit_of_user(state)) {
    fail_call(call.call_id, status, why, answer.result, asked_seconds(*state.exchange.answer));
    return {true, 0};
  }
  switch (answer.end) {
    case CallEnd::kDone: {
      const char* why_not = apply(state, answer);
      if (why_not == nullptr) {
        finish_call(call.call_id, status, answer.result);
      } else {
        fail_call(call.call_id, status, why_not);
      }
      note_answer(state.host);
      return {true, 0};
    }
    case CallEnd::kKeyRefused:
      return end_refused(state, why);
    case CallEnd::kOverloaded:
      return try_again(state, why, true);
    case CallEnd::kUnreadable:
      return try_again(state, psprintf("unexpected response with status %d", status), true);
    case CallEnd::kTransient:
      return try_again(state, why, false);
    case CallEnd::kRefused:
      break;
  }
  fail_call(call.call_id, status, why, answer.result);
  note_answer(state.host);
  return {true, 0};
}

JobEnd end_call(Job* job) {
  CallState* state = state_of(*job);
  if (state->done) return {true, 0};
  if (state->exchange.answer == nullptr) return {false, state->again_after};
  if (!load_call(state->call_id, &state->call) || !state->call.open) return {true, 0};
  HttpAnswer* came = state->exchange.answer;
  if (came->error == HttpError::kTooLarge) {
    fail_call(state->call_id, came->status, "the response is larger than wearables_ingest.http_body_limit");
    return {true, 0};
  }
  if (came->error != HttpError::kAnswered) {
    return try_again(*state, psprintf("%s (libcurl %d)", text_of(came->error), came->library_code), true);
  }
  auto* answer = owned_by<CallAnswer>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *answer = read_call_answer(*state->host.vendor->calls, *state->shape, came->status, came->body);
    wipe(came->body);
    return Done{};
  });
  return judge(*state, *answer);
}

bool give_up(const Job& job, int, const char* error) {
  fail_call(id_in_argument(job, "call_id"), 0, error);
  return false;
}

int max_running() noexcept { return kCallTransfers; }

constexpr JobKind call_kind() {
  JobKind kind = exchange_kind<CallState>("call", &kCallFlight, begin_call, end_call);
  kind.give_up = give_up;
  kind.concurrency = {max_running, true, kCallTransfers};
  return kind;
}

constexpr JobKind kCall = call_kind();

}  // namespace

void register_call_job_kind() { register_job_kind(&kCall); }

}  // namespace wearables::pg
