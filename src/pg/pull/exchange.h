// One request to a vendor and its answer, for kinds of jobs whose work outside is that. All such kinds share the
// session's pool of transfers.
#pragma once

#include "core/http/http.h"

#include "pg/pull/host.h"
#include "pg/queue/job.h"

namespace wearables::pg {

// The state of such a job (JobKind::state_size) begins with this. What it points to is owned by the job's context.
struct Exchange {
  HttpRequest* request;  // null: nothing is asked this time, and the job ends as soon as it has begun
  HttpAnswer* answer;    // null: none came
  TimestampTz asked_at;
};

// Transfers beside wearables_ingest.http_concurrency that are kept for calls: a person waits for a link, and history
// that hangs must not hold it up.
inline constexpr int kCallTransfers = 4;
// The same for streams: they are many and small, and history that takes hours must not hold up today's workout.
inline constexpr int kStreamTransfers = 4;

// Requests without the answer that is wanted, one after another, after which the vendor is asked no more: with their
// pauses they span hours.
inline constexpr int kMaxRefusals = 40;

// A kind of such jobs, but for what differs: give_up and concurrency. An attempt that raises is retried as the settings
// say, with full jitter; what the vendor answers is no attempt, and ends by JobEnd.
template <typename State>
constexpr JobKind exchange_kind(const char* name, const Flight* flight, void (*begin)(Job*), JobEnd (*end)(Job*)) {
  static_assert(offsetof(State, exchange) == 0);
  constexpr double kJitter = 1.0;
  JobKind kind{};
  kind.name = name;
  kind.state_size = sizeof(State);
  kind.begin = begin;
  kind.flight = flight;
  kind.end = end;
  kind.retry = {0, -1.0, kLongestBackoff, kJitter, nullptr, 0};
  return kind;
}

extern const Flight kPullFlight;
extern const Flight kStreamFlight;
extern const Flight kCallFlight;

// Puts the API key into the request's headers; the caller's bytes of it are overwritten.
void add_key(HttpRequest* request, std::string_view key_header, std::string_view key);

}  // namespace wearables::pg
