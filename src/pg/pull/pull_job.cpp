// One page a turn: the row of the backfill is read and locked in a first transaction, the request is under way without
// any, and the page is stored with the next cursor in a second one, under the lock on the row again. A crash in between
// repeats one request. The job then comes again at the end of the line, so that pulls take turns.
#include "core/vendor/pull_api.h"

#include <algorithm>

#include "pg/pull/backfill.h"
#include "pg/pull/exchange.h"
#include "pg/pull/host.h"
#include "pg/pull/page.h"
#include "pg/pull/pull_job.h"
#include "pg/queue/job.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/settings.h"
#include "pg/server/stop_point.h"
#include "pg/store/event_insert.h"

namespace wearables::pg {

namespace {

struct PullState {
  Exchange exchange;
  int64 backfill_id;
  Backfill backfill;
  Host host;
  const char* url;     // holds no key
  double again_after;  // where nothing is asked
  bool done;           // where nothing is asked: it is over
};

PullState* state_of(const Job& job) { return static_cast<PullState*>(job.state); }

int64 backfill_id_of(const Job& job) { return id_in_argument(job, "backfill_id"); }

// --- Before: what to ask

// In `context`. Raises where a row of resources holds what is no path.
const char* url_of(const Backfill& backfill, const Host& host, MemoryContext context) {
  auto* text = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    const auto style = range_style_of(backfill.rest_range);
    if (!style) return Error{Code::kInvalidArgument, "the resource's rest_range is not known"};
    auto made = page_url(*host.vendor->pull, {.base_url = host.base_url,
                                              .path = backfill.rest_path,
                                              .range = *style,
                                              .external_user_id = backfill.external_user_id,
                                              .provider = backfill.provider,
                                              .from = to_core(backfill.window_from),
                                              .to = to_core(backfill.window_to),
                                              .cursor = backfill.cursor == nullptr ? "" : backfill.cursor});
    if (!made.ok()) return made.error();
    *text = made.value();
    return Done{};
  });
  return MemoryContextStrdup(context, text->c_str());
}

void begin_pull(Job* job) {
  PullState* state = state_of(*job);
  state->backfill_id = backfill_id_of(*job);
  MemoryContext caller = MemoryContextSwitchTo(job->context);
  const bool there = load_backfill(state->backfill_id, &state->backfill);
  MemoryContextSwitchTo(caller);
  const Backfill& backfill = state->backfill;
  state->done = !there || !backfill.open;
  if (state->done) return;
  if (backfill.user_deleted) {
    cancel_backfill(state->backfill_id, "the vendor's user was deleted");
    state->done = true;
    return;
  }
  caller = MemoryContextSwitchTo(job->context);
  state->host = load_host(backfill.endpoint);
  MemoryContextSwitchTo(caller);
  const Host& host = state->host;
  const char* over = !host.exists                    ? "its endpoint was deleted"
                     : backfill.rest_path == nullptr ? "its resource cannot be pulled: see wearables.resources"
                                                     : nullptr;
  if (over != nullptr) {
    fail_backfill(state->backfill_id, 0, over);
    state->done = true;
    return;
  }
  state->again_after = rest_of(host);
  if (state->again_after > 0) return;
  // while there is no key yet: an error leaves nothing behind that would have to be overwritten
  if (host.vendor->pull != nullptr && host.base_url != nullptr) state->url = url_of(backfill, host, job->context);
  if (!make_request(host, state->url, job->context, &state->exchange)) state->again_after = stopped_delay();
}

// --- After: what came

struct NextPage {
  std::string cursor;  // empty: there is none
  std::string wrong;   // why the body is no page; empty: it is one
};

const NextPage* next_page_of(const PullState& state) {
  auto* page = owned_by<NextPage>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    const auto cursor = next_cursor(*state.host.vendor->pull, state.exchange.answer->body);
    (cursor.ok() ? page->cursor : page->wrong) = cursor.ok() ? cursor.value() : cursor.error().message;
    return Done{};
  });
  return page;
}

// What the request ended with is not the page, and may be another time.
JobEnd ask_again(const PullState& state, const char* why, bool troubled) {
  const Backfill& backfill = state.backfill;
  const HttpAnswer& answer = *state.exchange.answer;
  const double asked = asked_seconds(answer);
  const double wait = std::max(asked, backoff(backfill.refusals));
  if (backfill.refusals + 1 >= kMaxRefusals) {
    fail_backfill(backfill.backfill_id, answer.status, psprintf("given up after %d requests: %s", kMaxRefusals, why));
    return {true, 0};
  }
  note_refusal(backfill, answer.status, why, RefusalOf::kPage);
  note_failure(state.host, state.exchange.asked_at, asked, why, troubled);
  return {false, wait};
}

JobEnd store_page(const PullState& state) {
  const Backfill& backfill = state.backfill;
  const NextPage* page = next_page_of(state);
  // a server in trouble, or something between it and us
  if (!page->wrong.empty()) return ask_again(state, psprintf("unexpected response: %s", page->wrong.c_str()), true);
  const std::string_view cursor = page->cursor;
  const bool circles = backfill.cursor_mark != nullptr && cursor == backfill.cursor_mark;
  const bool repeats = backfill.cursor != nullptr && cursor == backfill.cursor;
  const char* id = psprintf("%s" INT64_FORMAT ":%d", kPulledIdPrefix, backfill.backfill_id, backfill.pages + 1);
  const HttpAnswer& answer = *state.exchange.answer;
  TimestampTz now;
  if (!insert_page(state.exchange,
                   {backfill.endpoint, id, backfill.resource, backfill.external_user_id, state.url, nullptr}, &now)) {
    fail_backfill(backfill.backfill_id, answer.status, "the ledger holds another event under the id of this page");
    return {true, 0};
  }
  const bool done = advance_backfill(backfill, {now, static_cast<int64>(answer.body.size()), answer.status, cursor});
  if (!cursor.empty() && (circles || repeats)) {
    fail_backfill(backfill.backfill_id, answer.status, "the vendor repeats a cursor, so no further page is fetched");
    return {true, 0};
  }
  note_answer(state.host);
  return {done, 0};
}

constexpr int kOk = 200;

bool is_same_place(const Backfill& asked, const Backfill& now) {
  const auto same_text = [](const char* a, const char* b) {
    return a == nullptr || b == nullptr ? a == b : strcmp(a, b) == 0;
  };
  return asked.pages == now.pages && asked.window_from == now.window_from && same_text(asked.cursor, now.cursor);
}

// It waits for another key, unless the refusal is of this pull alone: other requests were answered since.
JobEnd end_refused(const PullState& state, const char* why) {
  constexpr int64 kProvenFor = 60 * USECS_PER_SEC;  // within which there is no need to stop the others
  const Backfill& backfill = state.backfill;
  const int status = state.exchange.answer->status;
  const bool forbidden = status == kForbidden;
  if (forbidden && backfill.refused_at != 0 && key_was_good(backfill.endpoint, backfill.refused_at)) {
    fail_backfill(state.backfill_id, status, why);
    return {true, 0};
  }
  note_refusal(backfill, status, why, RefusalOf::kKey);
  if (!forbidden || !key_was_good(backfill.endpoint, GetCurrentTimestamp() - kProvenFor)) {
    stop_endpoint(backfill.endpoint, why);
  }
  return {false, refused_delay()};
}

JobEnd end_pull(Job* job) {
  PullState* state = state_of(*job);
  stop_point("pull ends");
  Backfill now;
  if (!load_backfill(state->backfill_id, &now) || !now.open) return {true, 0};  // cancelled meanwhile
  // opened again meanwhile, by somebody who found this job and made no other
  if (state->done) return {false, 0};
  if (state->exchange.answer == nullptr) return {false, state->again_after};
  // begun again meanwhile: what came is a page of the former pull
  if (!is_same_place(state->backfill, now)) return {false, 0};
  const HttpAnswer& answer = *state->exchange.answer;
  if (answer.error == HttpError::kTooLarge) {
    fail_backfill(state->backfill_id, answer.status,
                  "a page is larger than wearables_ingest.http_body_limit: raise it, or lower resources.window_days");
    return {true, 0};
  }
  if (answer.error != HttpError::kAnswered) {
    return ask_again(*state, psprintf("%s (libcurl %d)", text_of(answer.error), answer.library_code), true);
  }
  if (answer.status == kOk) return store_page(*state);
  const char* why = refusal_text(state->host, answer);
  switch (reply_of(answer.status)) {
    case Reply::kKeyRefused:
      return end_refused(*state, why);
    case Reply::kOverloaded:
      return ask_again(*state, why, true);
    case Reply::kTransient:
      return ask_again(*state, why, false);
    case Reply::kGood:  // 2xx, and no page
    case Reply::kRefused:
      break;
  }
  fail_backfill(state->backfill_id, answer.status, why);
  note_answer(state->host);
  return {true, 0};
}

bool give_up(const Job& job, int, const char* error) {
  fail_backfill(backfill_id_of(job), 0, error);
  return true;
}

int max_running() noexcept { return settings().http_concurrency; }

constexpr JobKind pull_kind() {
  JobKind kind = exchange_kind<PullState>("pull", &kPullFlight, begin_pull, end_pull);
  kind.give_up = give_up;
  kind.concurrency = {max_running, true, kMaxClaim};
  return kind;
}

constexpr JobKind kPull = pull_kind();

}  // namespace

void register_pull_job_kind() { register_job_kind(&kPull); }

}  // namespace wearables::pg
