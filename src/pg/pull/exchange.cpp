// Requests of several jobs at once, in the session's pool. Nothing is locked: what is here is this session's own, and
// survives errors. A job is known to the pool by its address, so it is taken out by abandon() before it is freed.
#include "pg/pull/exchange.h"

#include <algorithm>
#include <type_traits>

#include "pg/pull/vendor_api.h"
#include "pg/queue/flight.h"
#include "pg/server/boundary.h"

namespace wearables::pg {

namespace {

static_assert(std::is_standard_layout_v<Exchange>);

Exchange* exchange_of(const Job& job) { return static_cast<Exchange*>(job.state); }

// Jobs for which nothing is asked: they have ended before they begin.
constexpr int kMaxUnasked = kMaxClaim + kCallTransfers + kStreamTransfers;
static_assert(kMaxUnasked <= kMaxFlights);
constinit Job* unasked[kMaxUnasked] = {};
constinit int unasked_count = 0;

// One claim may take as many jobs of each kind as there is room for, before any of them has started: what is kept for
// the other kinds is left out, so that all of them together find room.
int room_for_calls() {
  const HttpPool& pool = http_pool();
  return std::max(0, static_cast<int>(pool.max_transfers()) - static_cast<int>(pool.running()) - unasked_count);
}

int room_for_streams() { return std::max(0, room_for_calls() - kCallTransfers); }

int room_for_pulls() { return std::max(0, room_for_streams() - kStreamTransfers); }

void start(Job* job) {
  Exchange* exchange = exchange_of(*job);
  if (exchange->request == nullptr) {
    Assert(unasked_count < kMaxUnasked);
    unasked[unasked_count++] = job;
    return;
  }
  exchange->asked_at = GetCurrentTimestamp();
  exchange->request->id = reinterpret_cast<std::uint64_t>(job);
  HttpPool& pool = http_pool();
  call_core([&] { return pool.start(std::move(*exchange->request)); });
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
  Exchange* exchange = exchange_of(*job);
  exchange->answer = owned_by<HttpAnswer>(job->context);
  call_core([&]() -> Result<Done> {
    *exchange->answer = *pool.take();
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

}  // namespace

constexpr Flight kStreamFlight{room_for_streams, start, drive, take, abandon, readiness_fd};
constexpr Flight kPullFlight{room_for_pulls, start, drive, take, abandon, readiness_fd};
constexpr Flight kCallFlight{room_for_calls, start, drive, take, abandon, readiness_fd};

void add_key(HttpRequest* request, std::string_view key_header, std::string_view key) {
  call_core([&]() -> Result<Done> {
    request->headers.push_back({std::string(key_header), std::string(key)});
    return Done{};
  });
  explicit_bzero(const_cast<char*>(key.data()), key.size());
}

}  // namespace wearables::pg
