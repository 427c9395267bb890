// What events say of a user's link to a provider. Everything runs under the user's lock, so that rows of connections
// are met in one order and a status never goes back. Statements find their row by key; a row that would not change is
// not locked. Memory is that of the caller's context.
#include "core/vendor/envelope.h"
#include "core/write/version.h"

#include <algorithm>

#include "pg/pull/notice.h"
#include "pg/server/boundary.h"
#include "pg/people/connection.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

Statement insert_ledger{R"(
  INSERT INTO wearables.connection_events (event_id, user_id, provider, kind, error_type, at, version)
  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id) DO NOTHING)"};

// status by version; connected_at apart from it, or a late "created" would leave no trace
Statement upsert_status{R"(
  INSERT INTO wearables.connections AS c (user_id, provider, status, error_type, connected_at, version)
  VALUES ($1, $2, $3, $4, CASE WHEN $3 = 'connected' THEN $5::timestamptz END, $6)
  ON CONFLICT (user_id, provider) DO UPDATE
    SET status = CASE WHEN c.version <= excluded.version THEN excluded.status ELSE c.status END,
        error_type = CASE WHEN c.version <= excluded.version THEN excluded.error_type ELSE c.error_type END,
        version = greatest(c.version, excluded.version),
        connected_at = greatest(c.connected_at, excluded.connected_at)
    WHERE c.version < excluded.version OR (c.version = excluded.version AND c.status <> excluded.status)
       OR greatest(c.connected_at, excluded.connected_at) IS DISTINCT FROM c.connected_at)"};

// a conflict locks the row even where nothing moves: so it is looked at first, and a replay leaves no trace
Statement upsert_freshness{R"(
  INSERT INTO wearables.connections AS c (user_id, provider, last_data_at)
  SELECT $1, $2, $3 WHERE NOT EXISTS (
    SELECT FROM wearables.connections o WHERE o.user_id = $1 AND o.provider = $2 AND o.last_data_at >= $3)
  ON CONFLICT (user_id, provider) DO UPDATE SET last_data_at = excluded.last_data_at
    WHERE c.last_data_at IS NULL OR c.last_data_at < excluded.last_data_at)"};

}  // namespace

void apply_connection(const Event& event, Lifecycle lifecycle, int64 user_id) {
  Assert(lifecycle != Lifecycle::kNothing);
  auto* notice = owned_by<ConnectionNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_connection(*event.vendor, event.body)); });
  const char* kind = lifecycle == Lifecycle::kConnected ? "connected" : "error";
  const Arg origin = arg_instant(to_server(version_origin_ms(event.version) * kMicrosPerMillisecond));
  const Arg error_type = arg_text_or_null(notice->error_type);
  run(insert_ledger, {arg_int8(event.event_id), arg_int8(user_id), arg_text(notice->provider), arg_text(kind),
                      error_type, origin, arg_int8(event.version)});
  run(upsert_status,
      {arg_int8(user_id), arg_text(notice->provider), arg_text(kind), error_type, origin, arg_int8(event.version)});
  if (lifecycle == Lifecycle::kConnected) ask_for_connected(event, user_id, notice->provider);
}

void note_freshness(const Batch& batch, const Row* rows, int64 user_id) {
  const size_t sources = batch.sources.size();
  auto* newest = static_cast<Micros*>(palloc(sizeof(Micros) * (sources + 1)));
  std::fill(newest, newest + sources, kNoInstant);
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    Micros& at = newest[batch.samples[i].source];
    at = std::max(at, rows[i].ts);
  }
  for (size_t i = 0; i < sources; ++i) {
    if (newest[i] == kNoInstant) continue;
    run(upsert_freshness, {arg_int8(user_id), arg_text(batch.sources[i].provider), arg_instant(to_server(newest[i]))});
  }
}

}  // namespace wearables::pg
