// A row of pull_hosts is shared by all requests of an endpoint: it is written where something changes alone, and last
// in the transaction, so that nobody waits for it long.
#include "pg/pull/host.h"

#include <algorithm>
#include <cmath>

#include "pg/pull/vendor_api.h"
#include "pg/receive/endpoint.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"

extern "C" {
#include "common/pg_prng.h"
}

namespace wearables::pg {

namespace {

constexpr int64 kMillisecondsPerSecond = 1000;
constexpr double kShortestBackoff = 1.0;
constexpr int kMostDoublings = 20;
constexpr int kFailuresToBlock = 3;
constexpr double kStoppedDelay = 60.0;

Statement select_host{R"(
  SELECT e.base_url, e.enabled, greatest(0, extract(epoch FROM h.blocked_until - clock_timestamp()))::float8,
         CASE WHEN h.refused_since IS NOT NULL THEN extract(epoch FROM clock_timestamp() - h.changed_at)::float8 END
  FROM wearables.endpoints e LEFT JOIN wearables_internal.pull_hosts h ON h.endpoint = e.name
  WHERE e.name = $1)"};

enum HostColumn { kBaseUrl = 1, kEnabled, kBlocked, kRefused };

Statement block_statement{R"(
  INSERT INTO wearables_internal.pull_hosts AS h (endpoint, blocked_until, failures, reason)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2), 1, $3)
  ON CONFLICT (endpoint) DO UPDATE
  SET blocked_until = greatest(h.blocked_until, excluded.blocked_until), failures = h.failures + 1, reason = $3,
      changed_at = clock_timestamp())"};

Statement stop_statement{R"(
  INSERT INTO wearables_internal.pull_hosts AS h (endpoint, refused_since, reason) VALUES ($1, clock_timestamp(), $2)
  ON CONFLICT (endpoint) DO UPDATE
  SET refused_since = coalesce(h.refused_since, clock_timestamp()), reason = $2, changed_at = clock_timestamp())"};

Statement answer_statement{R"(
  UPDATE wearables_internal.pull_hosts h
  SET blocked_until = NULL, failures = 0, refused_since = NULL, reason = NULL, changed_at = clock_timestamp()
  WHERE h.endpoint = $1 AND (h.failures > 0 OR h.refused_since IS NOT NULL))"};

Statement failures_statement{"SELECT h.failures FROM wearables_internal.pull_hosts h WHERE h.endpoint = $1"};

enum FailuresColumn { kFailures = 1 };

double drawn() { return pg_prng_double(&pg_global_prng_state); }

// In a row.
int failures_of(const char* endpoint) {
  return run(failures_statement, {arg_text(endpoint)}) == 0 ? 0 : get_int4(0, kFailures);
}

}  // namespace

Host load_host(const char* endpoint) {
  MemoryContext caller = CurrentMemoryContext;
  Host host{};
  host.endpoint = endpoint;
  host.exists = run(select_host, {arg_text(endpoint)}) > 0;
  if (host.exists) {
    host.base_url = copy_text(0, kBaseUrl, caller);
    host.enabled = get_bool(0, kEnabled);
    host.blocked_seconds = get_float8(0, kBlocked);
    host.refused_seconds = get_float8(0, kRefused, -1);
  }
  host.vendor = &vendor_of(endpoint, SnapshotMode::kNew);
  return host;
}

double rest_of(const Host& host) {
  if (host.blocked_seconds > 0) return host.blocked_seconds + drawn();
  // asked again now and then: the key may have been changed at the vendor
  const bool refused = host.refused_seconds >= 0 && host.refused_seconds < kStoppedDelay;
  return refused || !host.enabled ? stopped_delay() : 0;
}

bool take_key(const Host& host, const char* lacking, std::string_view* key) {
  const char* why = lacking;
  if (why == nullptr && host.base_url == nullptr) why = "it has no base_url: set one with add_endpoint()";
  if (why == nullptr && load_api_key(host.endpoint, key, &why)) return true;
  stop_endpoint(host.endpoint, why);
  return false;
}

double stopped_delay() { return kStoppedDelay + drawn(); }

double backoff(int failures) {
  return drawn() * std::min(kLongestBackoff, std::ldexp(kShortestBackoff, std::min(failures, kMostDoublings)));
}

double asked_seconds(const HttpAnswer& answer) {
  if (answer.error != HttpError::kAnswered) return 0;
  const int64 now = to_core(GetCurrentTimestamp()) / kMicrosPerMillisecond;
  const int64 wait = call_core([&]() -> Result<std::int64_t> { return asked_wait(answer, now).value_or(0); });
  return static_cast<double>(wait) / kMillisecondsPerSecond;
}

void note_trouble(const char* endpoint, double asked, const char* reason) {
  const int failures = failures_of(endpoint);
  const bool blocks = asked > 0 || failures + 1 >= kFailuresToBlock;
  block_endpoint(endpoint, blocks ? std::max(asked, backoff(failures)) : 0, reason);
}

void stop_endpoint(const char* endpoint, const char* reason) {
  run(stop_statement, {arg_text(endpoint), arg_text(reason)});
}

void note_answer(const char* endpoint) { run(answer_statement, {arg_text(endpoint)}); }

void block_endpoint(const char* endpoint, double seconds, const char* reason) {
  run(block_statement, {arg_text(endpoint), arg_seconds(seconds), arg_text(reason)});
}

}  // namespace wearables::pg
