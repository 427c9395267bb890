// A row of pull_hosts is shared by all requests to a host: it is written where something changes alone, and last in the
// transaction, so that nobody waits for it long. The rows of an endpoint whose key is refused are written after it:
// refused_keys, then proven_keys.
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
#include "utils/builtins.h"
}

namespace wearables::pg {

namespace {

constexpr int64 kMillisecondsPerSecond = 1000;
constexpr double kShortestBackoff = 1.0;
constexpr int kMostDoublings = 20;
constexpr int kFailuresToBlock = 3;
constexpr double kStoppedDelay = 60.0;

// Of an endpoint that refuses its key one request a kStoppedDelay finds out whether it still does. Who waits for that
// comes within kTurnSeconds of it; who was refused comes later than they, or it alone would ever ask.
constexpr double kTurnSeconds = 10.0;

// How long the one request that is sent to a host in trouble keeps the others waiting, if nothing comes of it.
constexpr double kProbeSeconds = 30.0;

Statement select_host{R"(
  SELECT x.base_url, x.enabled, x.name, greatest(0, extract(epoch FROM h.blocked_until - clock_timestamp()))::float8,
         h.failures, extract(epoch FROM clock_timestamp() - r.checked_at)::float8
  FROM (SELECT e.base_url, e.enabled, coalesce(wearables_internal.host_of(e.base_url), '') AS name
        FROM wearables.endpoints e WHERE e.name = $1) x
  LEFT JOIN wearables_internal.pull_hosts h ON h.host = x.name
  LEFT JOIN wearables_internal.refused_keys r ON r.endpoint = $1)"};

enum HostColumn { kBaseUrl = 1, kEnabled, kName, kBlocked, kFailures, kRefused };

// What was under way together ($4: sent at) is one failure. A host that asks to be left alone ($5) is, in any case.
Statement trouble_statement{R"(
  INSERT INTO wearables_internal.pull_hosts AS h (host, blocked_until, failures, failing_since, reason)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2), 1, clock_timestamp(), $3)
  ON CONFLICT (host) DO UPDATE
  SET blocked_until = greatest(h.blocked_until, excluded.blocked_until),
      failures = h.failures + CASE WHEN h.failures = 0 OR h.changed_at < $4 THEN 1 ELSE 0 END,
      failing_since = coalesce(h.failing_since, excluded.failing_since), reason = excluded.reason,
      changed_at = excluded.changed_at
  WHERE h.failures = 0 OR h.changed_at < $4 OR $5)"};

Statement block_statement{R"(
  INSERT INTO wearables_internal.pull_hosts AS h (host, blocked_until, reason)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2), $3)
  ON CONFLICT (host) DO UPDATE
  SET blocked_until = greatest(h.blocked_until, excluded.blocked_until), reason = excluded.reason,
      changed_at = excluded.changed_at)"};

Statement probe_statement{R"(
  UPDATE wearables_internal.pull_hosts h SET blocked_until = clock_timestamp() + make_interval(secs => $2)
  WHERE h.host = $1 AND (h.blocked_until IS NULL OR h.blocked_until <= clock_timestamp()))"};

Statement stop_statement{R"(
  INSERT INTO wearables_internal.refused_keys AS r (endpoint, reason) VALUES ($1, $2)
  ON CONFLICT (endpoint) DO UPDATE SET reason = excluded.reason, checked_at = excluded.checked_at)"};

// From here on good answers of the endpoint are noted.
Statement watch_statement{R"(
  INSERT INTO wearables_internal.proven_keys (endpoint) VALUES ($1) ON CONFLICT DO NOTHING)"};

Statement turn_statement{R"(
  UPDATE wearables_internal.refused_keys r SET checked_at = clock_timestamp()
  WHERE r.endpoint = $1 AND r.checked_at <= clock_timestamp() - make_interval(secs => $2))"};

Statement proven_statement{R"(
  SELECT FROM wearables_internal.proven_keys p WHERE p.endpoint = $1 AND p.good_at > $2)"};

Statement answer_statement{R"(
  WITH well AS (
    UPDATE wearables_internal.pull_hosts h
    SET blocked_until = NULL, failures = 0, failing_since = NULL, reason = NULL, changed_at = clock_timestamp()
    WHERE h.host = $1 AND h.failures > 0), proven AS (
    UPDATE wearables_internal.proven_keys p SET good_at = clock_timestamp()
    WHERE p.endpoint = $2
      AND (p.good_at IS NULL OR p.good_at < clock_timestamp() - make_interval(secs => $3)))
  DELETE FROM wearables_internal.refused_keys r WHERE r.endpoint = $2)"};

// A good answer is not noted again so soon after another.
constexpr double kProofSeconds = 10.0;

double drawn() { return pg_prng_double(&pg_global_prng_state); }

// False: another session's request is under way.
bool takes_probe(const Host& host) {
  return run(probe_statement, {arg_text(host.name), arg_seconds(kProbeSeconds)}) > 0;
}

// False: another session's request finds out.
bool takes_turn(const Host& host) {
  return run(turn_statement, {arg_text(host.endpoint), arg_seconds(kStoppedDelay)}) > 0;
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
    host.name = copy_text(0, kName, caller);
    host.blocked_seconds = get_float8(0, kBlocked);
    host.failures = get_int4(0, kFailures);
    host.refused_seconds = get_float8(0, kRefused, -1);
  }
  host.vendor = &vendor_of(endpoint, SnapshotMode::kNew);
  return host;
}

double rest_of(const Host& host) {
  if (host.blocked_seconds > 0) return host.blocked_seconds + drawn();
  if (!host.enabled) return stopped_delay();
  // asked again now and then: the key may have been changed at the vendor
  if (host.refused_seconds >= 0) {
    const double rest = kStoppedDelay - host.refused_seconds;
    if (rest > 0) return rest + kTurnSeconds * drawn();
    if (!takes_turn(host)) return kStoppedDelay + kTurnSeconds * drawn();
  }
  return host.failures >= kFailuresToBlock && !takes_probe(host) ? kProbeSeconds * drawn() : 0;
}

bool take_key(const Host& host, const char* lacking, std::string_view* key) {
  const char* why = lacking;
  if (why == nullptr && host.base_url == nullptr) why = "it has no base_url: set one with add_endpoint()";
  if (why == nullptr && load_api_key(host.endpoint, key, &why)) return true;
  stop_endpoint(host.endpoint, why);
  return false;
}

double stopped_delay() { return kStoppedDelay + drawn(); }

double refused_delay() { return kStoppedDelay + kTurnSeconds + kStoppedDelay * drawn(); }

double backoff(int failures) {
  return drawn() * std::min(kLongestBackoff, std::ldexp(kShortestBackoff, std::min(failures, kMostDoublings)));
}

double asked_seconds(const HttpAnswer& answer) {
  if (answer.error != HttpError::kAnswered) return 0;
  const int64 now = to_core(GetCurrentTimestamp()) / kMicrosPerMillisecond;
  const int64 wait = call_core([&]() -> Result<std::int64_t> { return asked_wait(answer, now).value_or(0); });
  return static_cast<double>(wait) / kMillisecondsPerSecond;
}

void note_failure(const Host& host, TimestampTz sent, double asked, const char* reason, bool troubled) {
  if (troubled) {
    const bool blocks = asked > 0 || host.failures + 1 >= kFailuresToBlock;
    run(trouble_statement, {arg_text(host.name), arg_seconds(blocks ? std::max(asked, backoff(host.failures)) : 0),
                            arg_text(reason), arg_instant(sent), arg_bool(asked > 0)});
  } else if (asked > 0) {
    run(block_statement, {arg_text(host.name), arg_seconds(asked), arg_text(reason)});
  }
}

void note_answer(const Host& host) {
  run(answer_statement, {arg_text(host.name), arg_text(host.endpoint), arg_seconds(kProofSeconds)});
}

void stop_endpoint(const char* endpoint, const char* reason) {
  run(stop_statement, {arg_text(endpoint), arg_text(reason)});
  run(watch_statement, {arg_text(endpoint)});
}

bool key_was_good(const char* endpoint, TimestampTz since) {
  return run(proven_statement, {arg_text(endpoint), arg_instant(since)}) > 0;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_host_of);

Datum wearables_host_of(PG_FUNCTION_ARGS) {
  using namespace wearables;
  const char* url = text_to_cstring(PG_GETARG_TEXT_PP(0));
  auto* name = pg::owned_by<std::string>(CurrentMemoryContext);
  pg::call_core([&]() -> wearables::Result<Done> { return *name = host_of(url), Done{}; });
  if (name->empty()) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(cstring_to_text_with_len(name->data(), static_cast<int>(name->size())));
}
}
