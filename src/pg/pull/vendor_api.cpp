// The pool lives below TopMemoryContext for as long as the session. Its transfers hold no lock, snapshot or transaction
// id; whoever starts one is in no transaction. Keys are read anew for each request, so that a rotation counts at once.
#include "pg/pull/vendor_api.h"

#include <algorithm>

#include "pg/pull/exchange.h"
#include "pg/receive/endpoint.h"
#include "pg/receive/secret.h"
#include "pg/server/boundary.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

constexpr int kMillisecondsPerSecond = 1000;
constexpr int kConnectTimeoutSeconds = 10;
// A transfer ends before the lease of its job does.
constexpr int kLeaseMarginSeconds = 10;

// Owned by TopMemoryContext; the pool in it is replaced when settings change.
struct PoolHolder {
  std::unique_ptr<HttpPool> pool;
  HttpOptions options;
};
constinit PoolHolder* holder = nullptr;

Statement select_keys{R"(
  SELECT s.value FROM wearables.endpoint_secrets s WHERE s.endpoint = $1 AND s.kind = 'api_key' ORDER BY s.ordinal)"};

enum KeyColumn { kKeyValue = 1 };

HttpOptions wanted_options() {
  HttpOptions options;
  const Settings& set = settings();
  const int timeout = std::clamp(set.lease_seconds - kLeaseMarginSeconds, 1, std::max(set.http_timeout_seconds, 1));
  options.max_transfers = static_cast<std::size_t>(set.http_concurrency) + kCallTransfers + kStreamTransfers;
  options.max_body_bytes = static_cast<std::size_t>(set.http_body_limit_kb) * 1024;
  options.total_timeout_ms = timeout * kMillisecondsPerSecond;
  options.connect_timeout_ms = std::min(timeout, kConnectTimeoutSeconds) * kMillisecondsPerSecond;
  options.allow_loopback_http = set.allow_loopback_http;
  if (set.http_ca_file != nullptr) options.ca_file = set.http_ca_file;
  options.user_agent = "wearables_ingest";
  return options;
}

bool same(const HttpOptions& a, const HttpOptions& b) {
  return a.max_transfers == b.max_transfers && a.max_body_bytes == b.max_body_bytes &&
         a.total_timeout_ms == b.total_timeout_ms && a.allow_loopback_http == b.allow_loopback_http &&
         a.ca_file == b.ca_file;
}

// Core objects alone: what is made here is destroyed before the server can raise anything.
Result<Done> renew(PoolHolder* of) {
  HttpOptions options = wanted_options();
  if (of->pool != nullptr && (of->pool->running() > 0 || of->pool->holds_answers() || same(options, of->options)))
    return Done{};
  of->options = options;
  of->pool = std::make_unique<HttpPool>(std::move(options));
  return Done{};
}

}  // namespace

HttpPool& http_pool() {
  if (holder == nullptr) holder = owned_by<PoolHolder>(TopMemoryContext);
  call_core([&] { return renew(holder); });
  return *holder->pool;
}

bool load_api_key(const char* endpoint, std::string_view* key, const char** why) {
  const SignatureScheme& scheme = *vendor_of(endpoint, SnapshotMode::kNew).signatures;
  const uint64 rows = run(select_keys, {arg_text(endpoint)});
  *why = "the endpoint has no API key";
  for (uint64 row = 0; row < rows; ++row) {
    const char* cause = nullptr;
    const std::string_view stored = get_text(row, kKeyValue);
    const bool read = read_secret(scheme, SecretKind::kApiKey, stored, CurrentMemoryContext, key, &cause);
    // the row is this session's copy
    explicit_bzero(const_cast<char*>(stored.data()), stored.size());
    if (read) return true;
    *why = "the API key of the endpoint cannot be read, see the server log";
    ereport(LOG,
            (errcode(ERRCODE_INVALID_PASSWORD),
             errmsg("wearables_ingest cannot read the API key of endpoint \"%s\"", endpoint), errdetail("%s.", cause)));
  }
  return false;
}

}  // namespace wearables::pg
