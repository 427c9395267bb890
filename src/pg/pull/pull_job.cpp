// One page a turn: the row of the backfill is read and locked in a first transaction, the request is under way without
// any, and the page is stored with the next cursor in a second one, under the lock on the row again. A crash in between
// repeats one request. The job then comes again at the end of the line, so that pulls take turns.
#include "core/vendor/pull_api.h"

#include <algorithm>
#include <cmath>

#include "pg/pull/backfill.h"
#include "pg/pull/pull_job.h"
#include "pg/pull/vendor_api.h"
#include "pg/queue/job.h"
#include "pg/receive/endpoint.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/settings.h"
#include "pg/server/stop_point.h"
#include "pg/store/event_insert.h"

extern "C" {
#include "common/pg_prng.h"
}

namespace wearables::pg {

namespace {

constexpr int16 kPagePriority = 5;  // behind what is delivered now, before replays
constexpr int64 kMillisecondsPerSecond = 1000;
constexpr double kShortestBackoff = 1.0;
constexpr double kLongestBackoff = 900.0;
constexpr int kMaxRefusals = 40;
constexpr int kFailuresToBlock = 3;
// Until it is looked whether a key was changed, an endpoint enabled.
constexpr double kStoppedDelay = 60.0;
constexpr size_t kMaxHeader = 300;

struct PullState {
  int64 backfill_id;
  Backfill backfill;
  const Vendor* vendor;
  HttpRequest* request;  // null: nothing is asked this time
  HttpAnswer* answer;    // null: none came
  const char* url;       // holds no key
  TimestampTz asked_at;
  double again_after;  // where nothing is asked
  bool done;           // where nothing is asked: it is over
};

PullState* state_of(const Job& job) { return static_cast<PullState*>(job.state); }

int64 backfill_id_of(const Job& job) {
  JsonbValue found;
  constexpr const char* kName = "backfill_id";
  const JsonbValue* value =
      job.argument == nullptr
          ? nullptr
          : getKeyJsonValueFromContainer(&job.argument->root, kName, static_cast<int>(strlen(kName)), &found);
  if (value == nullptr || value->type != jbvNumeric) return 0;
  return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

// --- Before: what to ask

void rest(PullState* state, double seconds) { state->again_after = seconds + pg_prng_double(&pg_global_prng_state); }

// In `context`. Raises where a row of resources holds what is no path.
const char* url_of(const Backfill& backfill, const Vendor& vendor, MemoryContext context) {
  auto* text = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    const auto style = range_style_of(backfill.rest_range);
    if (!style) return Error{Code::kInvalidArgument, "the resource's rest_range is not known"};
    auto made = page_url(*vendor.pull, {.base_url = backfill.base_url,
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

void fill_request(const char* url, const Vendor& vendor, std::string_view key, HttpRequest* request) {
  call_core([&]() -> Result<Done> {
    request->url = url;
    request->headers.push_back({std::string(vendor.pull->key_header), std::string(key)});
    return Done{};
  });
}

// Why the endpoint cannot be asked, whatever the vendor says; null: it can, with this key.
const char* obstacle_of(const PullState& state, std::string_view* key) {
  const Backfill& backfill = state.backfill;
  const char* why = nullptr;
  if (state.vendor->pull == nullptr) return "its vendor has no API for history";
  if (backfill.base_url == nullptr) return "it has no base_url: set one with add_endpoint()";
  return load_api_key(backfill.endpoint, key, &why) ? nullptr : why;
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
  const char* over = !backfill.endpoint_there        ? "its endpoint was deleted"
                     : backfill.rest_path == nullptr ? "its resource cannot be pulled: see wearables.resources"
                                                     : nullptr;
  if (over != nullptr) {
    fail_backfill(state->backfill_id, 0, over);
    state->done = true;
    return;
  }
  if (backfill.blocked_seconds > 0) return rest(state, backfill.blocked_seconds);
  if (!backfill.endpoint_enabled) return rest(state, kStoppedDelay);
  state->vendor = &vendor_of(backfill.endpoint, SnapshotMode::kNew);
  // while there is no key yet: an error leaves nothing behind that would have to be overwritten
  if (state->vendor->pull != nullptr && backfill.base_url != nullptr) {
    state->url = url_of(backfill, *state->vendor, job->context);
  }
  std::string_view key;
  const char* obstacle = obstacle_of(*state, &key);
  if (obstacle != nullptr) {
    stop_endpoint(backfill.endpoint, obstacle);
    return rest(state, kStoppedDelay);
  }
  // asked again now and then: the key may have been changed at the vendor
  const bool refused = backfill.refused_seconds >= 0 && backfill.refused_seconds < kStoppedDelay;
  if (!refused) {
    state->request = owned_by<HttpRequest>(job->context);
    fill_request(state->url, *state->vendor, key, state->request);
  }
  explicit_bzero(const_cast<char*>(key.data()), key.size());
  if (refused) rest(state, kStoppedDelay);
}

// --- Outside

constexpr int kMaxWaiting = 64;
// Jobs for which nothing is asked: they have ended before they begin.
constinit Job* unasked[kMaxWaiting] = {};
constinit int unasked_count = 0;

int room() {
  const HttpPool& pool = http_pool();
  return std::max(0, static_cast<int>(pool.max_transfers()) - static_cast<int>(pool.running()) - unasked_count);
}

void start(Job* job) {
  PullState* state = state_of(*job);
  if (state->request == nullptr) {
    Assert(unasked_count < kMaxWaiting);
    unasked[unasked_count++] = job;
    return;
  }
  state->asked_at = GetCurrentTimestamp();
  state->request->id = reinterpret_cast<std::uint64_t>(job);
  HttpPool& pool = http_pool();
  call_core([&] { return pool.start(std::move(*state->request)); });
}

void drive() {
  HttpPool& pool = http_pool();
  call_core([&]() -> Result<Done> {
    pool.drive();
    return Done{};
  });
}

Job* take() {
  if (unasked_count > 0) return unasked[--unasked_count];
  HttpPool& pool = http_pool();
  Job* job = call_core([&]() -> Result<Job*> {
    const HttpAnswer* next = pool.peek();
    return next == nullptr ? nullptr : reinterpret_cast<Job*>(next->id);
  });
  if (job == nullptr) return nullptr;
  PullState* state = state_of(*job);
  state->answer = owned_by<HttpAnswer>(job->context);
  call_core([&]() -> Result<Done> {
    *state->answer = *pool.take();
    return Done{};
  });
  return job;
}

void abandon(Job* job) {
  Job** place = std::find(unasked, unasked + unasked_count, job);
  if (place != unasked + unasked_count) *place = unasked[--unasked_count];
  http_pool().cancel(reinterpret_cast<std::uint64_t>(job));
}

int readiness_fd() { return http_pool().readiness_fd(); }

constexpr Flight kFlight{room, start, drive, take, abandon, readiness_fd};

// --- After: what came

// Full jitter: whole fleets would come back at one instant else.
double backoff(int failures) {
  const double whole = std::min(kLongestBackoff, std::ldexp(kShortestBackoff, std::min(failures, 20)));
  return whole * pg_prng_double(&pg_global_prng_state);
}

double asked_seconds(const HttpAnswer& answer) {
  const int64 now = to_core(GetCurrentTimestamp()) / kMicrosPerMillisecond;
  const int64 wait = call_core([&]() -> Result<std::int64_t> { return asked_wait(answer, now).value_or(0); });
  return static_cast<double>(wait) / kMillisecondsPerSecond;
}

Jsonb* headers_of(const PullState& state) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "{\"url\":");
  escape_json(&text, state.url);
  appendStringInfo(&text, ",\"status\":%d", state.answer->status);
  const std::string_view type = std::string_view(state.answer->content_type).substr(0, kMaxHeader);
  if (!type.empty()) {
    appendStringInfoString(&text, ",\"content-type\":");
    escape_json(&text, pnstrdup(type.data(), type.size()));
  }
  if (state.answer->date) {
    appendStringInfo(&text, ",\"date_ms\":" INT64_FORMAT, static_cast<int64>(*state.answer->date));
  }
  appendStringInfoChar(&text, '}');
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data)));
}

bytea* bytes_of_answer(const std::string& body) {
  auto* bytes = static_cast<bytea*>(palloc(body.size() + VARHDRSZ));
  SET_VARSIZE(bytes, body.size() + VARHDRSZ);
  memcpy(VARDATA(bytes), body.data(), body.size());
  return bytes;
}

// R3: the response's Date, else when it was asked for; never later than now, or it could not be overtaken.
int64 origin_of(const PullState& state) {
  const int64 asked = to_core(state.asked_at) / kMicrosPerMillisecond;
  const int64 now = to_core(GetCurrentTimestamp()) / kMicrosPerMillisecond;
  return state.answer->date ? std::min<int64>(*state.answer->date, now) : asked;
}

struct NextPage {
  std::string cursor;  // empty: there is none
  std::string wrong;   // why the body is no page; empty: it is one
};

const NextPage* next_page_of(const PullState& state) {
  auto* page = owned_by<NextPage>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    const auto cursor = next_cursor(*state.vendor->pull, state.answer->body);
    (cursor.ok() ? page->cursor : page->wrong) = cursor.ok() ? cursor.value() : cursor.error().message;
    return Done{};
  });
  return page;
}

// What the request ended with is not the page, and may be another time.
JobEnd ask_again(const PullState& state, const char* why, bool blocks) {
  const Backfill& backfill = state.backfill;
  const HttpAnswer& answer = *state.answer;
  const double asked = answer.error == HttpError::kAnswered ? asked_seconds(answer) : 0;
  const double wait = std::max(asked, backoff(backfill.refusals));
  if (backfill.refusals + 1 >= kMaxRefusals) {
    fail_backfill(backfill.backfill_id, answer.status, psprintf("given up after %d requests: %s", kMaxRefusals, why));
    return {true, 0};
  }
  note_refusal(backfill, answer.status, why, RefusalOf::kPage);
  if (asked > 0 || (blocks && failures_of(backfill.endpoint) + 1 >= kFailuresToBlock)) {
    block_endpoint(backfill.endpoint, std::max(asked, backoff(failures_of(backfill.endpoint))), why);
  } else if (blocks) {
    block_endpoint(backfill.endpoint, 0, why);
  }
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
  const char* type = psprintf("pulled.data.%.*s", static_cast<int>(backfill.resource.size()), backfill.resource.data());
  const char* id = psprintf("pull:" INT64_FORMAT ":%d", backfill.backfill_id, backfill.pages + 1);
  const TimestampTz now = GetCurrentTimestamp();
  (void)insert_event({backfill.endpoint,
                      id,
                      now,
                      origin_of(state),
                      EventAge::kCreated,
                      type,
                      backfill.resource,
                      backfill.external_user_id,
                      {},
                      headers_of(state),
                      bytes_of_answer(state.answer->body),
                      kPagePriority});
  const bool done =
      advance_backfill(backfill, {now, static_cast<int64>(state.answer->body.size()), state.answer->status, cursor});
  if (!cursor.empty() && (circles || repeats)) {
    fail_backfill(backfill.backfill_id, state.answer->status,
                  "the vendor repeats a cursor, so no further page is fetched");
    return {true, 0};
  }
  note_answer(backfill.endpoint);
  return {done, 0};
}

const char* refusal_text(const PullState& state) {
  auto* words = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *words = refusal_of(*state.vendor->pull, state.answer->body);
    return Done{};
  });
  return words->empty() ? psprintf("the vendor responded with status %d", state.answer->status)
                        : psprintf("the vendor responded with status %d: %s", state.answer->status, words->c_str());
}

constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kRequestTimeout = 408;
constexpr int kConflict = 409;
constexpr int kTooManyRequests = 429;
constexpr int kServerErrors = 500;

bool is_same_place(const Backfill& asked, const Backfill& now) {
  const auto same_text = [](const char* a, const char* b) {
    return a == nullptr || b == nullptr ? a == b : strcmp(a, b) == 0;
  };
  return asked.pages == now.pages && asked.window_from == now.window_from && same_text(asked.cursor, now.cursor);
}

JobEnd end_pull(Job* job) {
  PullState* state = state_of(*job);
  stop_point("pull ends");
  Backfill now;
  if (!load_backfill(state->backfill_id, &now) || !now.open) return {true, 0};  // cancelled meanwhile
  // opened again meanwhile, by somebody who found this job and made no other
  if (state->done) return {false, 0};
  if (state->answer == nullptr) return {false, state->again_after};
  // begun again meanwhile: what came is a page of the former pull
  if (!is_same_place(state->backfill, now)) return {false, 0};
  const HttpAnswer& answer = *state->answer;
  if (answer.error == HttpError::kTooLarge) {
    fail_backfill(state->backfill_id, answer.status,
                  "a page is larger than wearables_ingest.http_body_limit: raise it, or lower resources.window_days");
    return {true, 0};
  }
  if (answer.error != HttpError::kAnswered) {
    return ask_again(*state, psprintf("%s (libcurl %d)", text_of(answer.error), answer.library_code), true);
  }
  if (answer.status == kOk) return store_page(*state);
  const char* why = refusal_text(*state);
  if (answer.status == kUnauthorized || answer.status == kForbidden) {
    note_refusal(state->backfill, answer.status, why, RefusalOf::kKey);
    stop_endpoint(state->backfill.endpoint, why);
    return {false, kStoppedDelay + pg_prng_double(&pg_global_prng_state)};
  }
  if (answer.status == kTooManyRequests || answer.status >= kServerErrors) return ask_again(*state, why, true);
  if (answer.status == kRequestTimeout || answer.status == kConflict) return ask_again(*state, why, false);
  fail_backfill(state->backfill_id, answer.status, why);
  return {true, 0};
}

bool give_up(const Job& job, int, const char* error) {
  fail_backfill(backfill_id_of(job), 0, error);
  return true;
}

int max_running() noexcept { return settings().http_concurrency; }

constexpr double kJitter = 1.0;
constexpr JobKind pull_kind() {
  JobKind kind{};
  kind.name = "pull";
  kind.state_size = sizeof(PullState);
  kind.begin = begin_pull;
  kind.flight = &kFlight;
  kind.end = end_pull;
  kind.give_up = give_up;
  kind.concurrency = {max_running, true, kMaxClaim};
  kind.retry = {0, -1.0, kLongestBackoff, kJitter, nullptr, 0};
  return kind;
}

constexpr JobKind kPull = pull_kind();

}  // namespace

void register_pull_job_kind() { register_job_kind(&kPull); }

}  // namespace wearables::pg
