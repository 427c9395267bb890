// The row of the stream is read and locked in a first transaction, the request is under way without any, and the answer
// is stored in a second one, under the lock on the row again: a crash in between repeats one request. The event's id is
// made of the row and the number of its request, so that no request is stored twice. If the document has changed while
// the request was under way, what came may be older than the change: it is dropped, and the job comes again.
#include "core/vendor/pull_api.h"

#include <algorithm>
#include <string>

#include "pg/pull/exchange.h"
#include "pg/pull/host.h"
#include "pg/pull/page.h"
#include "pg/pull/stream.h"
#include "pg/pull/stream_job.h"
#include "pg/queue/job.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/settings.h"
#include "pg/server/stop_point.h"
#include "pg/store/event_insert.h"

namespace wearables::pg {

namespace {

struct StreamState {
  Exchange exchange;
  int64 stream_id;
  StreamPull pull;
  Host host;
  const char* url;     // holds no key
  double again_after;  // where nothing is asked
  bool done;           // where nothing is asked: it is over
};

StreamState* state_of(const Job& job) { return static_cast<StreamState*>(job.state); }

// --- Before: what to ask

// In `context`. Raises where the row of the resource holds what is no path.
const char* url_of(const StreamPull& pull, const Host& host, MemoryContext context) {
  auto* text = owned_by<std::string>(CurrentMemoryContext);
  call_core([&] {
    return store_into(
        *text, stream_url({.base_url = host.base_url, .path = pull.stream_path, .document_id = pull.subject.id}));
  });
  return MemoryContextStrdup(context, text->c_str());
}

void begin_stream(Job* job) {
  StreamState* state = state_of(*job);
  state->stream_id = id_in_argument(*job, "stream_id");
  MemoryContext caller = MemoryContextSwitchTo(job->context);
  const bool there = load_stream_pull(state->stream_id, &state->pull);
  state->done = !there || !state->pull.open;
  if (!state->done) state->host = load_host(state->pull.endpoint);
  MemoryContextSwitchTo(caller);
  if (state->done) return;
  const StreamPull& pull = state->pull;
  const Host& host = state->host;
  const char* over = !host.exists                  ? "its endpoint was deleted"
                     : pull.stream_path == nullptr ? "resources.pull_stream was switched off"
                     : pull.user_deleted           ? "the vendor's user was deleted"
                                                   : nullptr;
  if (over != nullptr) {
    end_stream_pull(state->stream_id, StreamEnd::kCancelled, 0, 0, over);
    state->done = true;
    return;
  }
  state->again_after = rest_of(host);
  if (state->again_after > 0) return;
  // while there is no key yet: an error leaves nothing behind that would have to be overwritten
  if (host.vendor->pull != nullptr && host.base_url != nullptr) state->url = url_of(pull, host, job->context);
  if (!make_request(host, state->url, job->context, &state->exchange)) state->again_after = stopped_delay();
}

// --- After: what came

// What the request ended with is no stream, and may be another time.
JobEnd ask_again(const StreamState& state, const StreamPull& now, const char* why, bool troubled) {
  const HttpAnswer& answer = *state.exchange.answer;
  const double asked = asked_seconds(answer);
  note_failure(state.host, state.exchange.asked_at, asked, why, troubled);
  if (now.refusals + 1 >= kMaxRefusals) {
    end_stream_pull(now.stream_id, StreamEnd::kFailed, 0, answer.status,
                    psprintf("given up after %d requests: %s", kMaxRefusals, why));
    return {true, 0};
  }
  note_stream_refusal(now.stream_id, answer.status, why, true);
  return {false, std::max(asked, backoff(now.refusals))};
}

// Why the body is no stream, in the current context; null: it is one.
const char* why_no_stream(const HttpAnswer& answer) {
  auto* why = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    if (const auto checked = check_stream(answer.body); !checked.ok()) *why = checked.error().message;
    return Done{};
  });
  return why->empty() ? nullptr : why->c_str();
}

TimestampTz answered_at(const StreamState& state) {
  return to_server(origin_of(state.exchange) * kMicrosPerMillisecond);
}

JobEnd store_stream(const StreamState& state, const StreamPull& now) {
  const HttpAnswer& answer = *state.exchange.answer;
  // a server in trouble, or something between it and us
  const char* wrong = why_no_stream(answer);
  if (wrong != nullptr) return ask_again(state, now, psprintf("unexpected response: %s", wrong), true);
  const char* id = psprintf("%s" INT64_FORMAT ":%d", kStreamIdPrefix, now.stream_id, now.request);
  TimestampTz received_at;
  if (!insert_page(state.exchange, {now.endpoint, id, now.resource, now.external_user_id, state.url, &now.subject},
                   &received_at)) {
    return ask_again(state, now, "the ledger holds another event under the id of this stream", false);
  }
  end_stream_pull(now.stream_id, StreamEnd::kDone, answered_at(state), answer.status, nullptr);
  note_answer(state.host);
  return {true, 0};
}

constexpr int kOk = 200;
// The vendor has the document, and no stream of it; or not even the document.
constexpr int kNotFound = 404;
constexpr int kUnprocessable = 422;

// It waits for another key, unless the refusal is of this stream alone: other requests were answered since it was
// refused before, which is longer ago than kProvenFor.
JobEnd wait_for_key(const StreamPull& now, int status, const char* why) {
  constexpr int64 kProvenFor = 70 * USECS_PER_SEC;
  const bool forbidden = status == kForbidden;
  const bool key_is_good = forbidden && key_was_good(now.endpoint, GetCurrentTimestamp() - kProvenFor);
  if (key_is_good && now.was_forbidden) {
    end_stream_pull(now.stream_id, StreamEnd::kFailed, 0, status, why);
    return {true, 0};
  }
  note_stream_refusal(now.stream_id, status, why, false);
  if (!key_is_good) stop_endpoint(now.endpoint, why);
  return {false, refused_delay()};
}

JobEnd refuse_stream(const StreamState& state, const StreamPull& now) {
  const HttpAnswer& answer = *state.exchange.answer;
  const char* why = refusal_text(state.host, answer);
  if (answer.status == kNotFound || answer.status == kUnprocessable) {
    end_stream_pull(now.stream_id, StreamEnd::kAbsent, answered_at(state), answer.status, why);
    note_answer(state.host);
    return {true, 0};
  }
  switch (reply_of(answer.status)) {
    case Reply::kKeyRefused:
      return wait_for_key(now, answer.status, why);
    case Reply::kOverloaded:
      return ask_again(state, now, why, true);
    case Reply::kTransient:
      return ask_again(state, now, why, false);
    case Reply::kGood:  // 2xx, and no stream
    case Reply::kRefused:
      break;
  }
  end_stream_pull(now.stream_id, StreamEnd::kFailed, 0, answer.status, why);
  note_answer(state.host);
  return {true, 0};
}

JobEnd end_stream(Job* job) {
  StreamState* state = state_of(*job);
  stop_point("stream ends");
  StreamPull now;
  if (!load_stream_pull(state->stream_id, &now) || !now.open) return {true, 0};
  // wanted again meanwhile, by an event that found this job and made no other
  if (state->done) return {false, 0};
  if (state->exchange.answer == nullptr) return {false, state->again_after};
  if (now.request != state->pull.request) return {false, 0};
  const HttpAnswer& answer = *state->exchange.answer;
  if (answer.error == HttpError::kTooLarge) {
    end_stream_pull(now.stream_id, StreamEnd::kFailed, 0, answer.status,
                    "the stream is larger than wearables_ingest.http_body_limit");
    return {true, 0};
  }
  if (answer.error != HttpError::kAnswered) {
    return ask_again(*state, now, psprintf("%s (libcurl %d)", text_of(answer.error), answer.library_code), true);
  }
  return answer.status == kOk ? store_stream(*state, now) : refuse_stream(*state, now);
}

bool give_up(const Job& job, int, const char* error) {
  end_stream_pull(id_in_argument(job, "stream_id"), StreamEnd::kFailed, 0, 0, error);
  return true;
}

int max_running() noexcept { return std::min(settings().http_concurrency, kStreamTransfers); }

constexpr JobKind stream_kind() {
  JobKind kind = exchange_kind<StreamState>("stream", &kStreamFlight, begin_stream, end_stream);
  kind.give_up = give_up;
  kind.concurrency = {max_running, true, kStreamTransfers};
  return kind;
}

constexpr JobKind kStream = stream_kind();

}  // namespace

void register_stream_job_kind() { register_job_kind(&kStream); }

}  // namespace wearables::pg
