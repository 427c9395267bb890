#include "core/vendor/envelope.h"
#include "core/write/version.h"

#include <algorithm>

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

Statement insert_backfill{R"(
  INSERT INTO wearables.backfills (user_id, endpoint, provider, resource, range_from, range_to, intent, state, event_id)
  VALUES ($1, $2, $3, $4, coalesce($5, '-infinity'), coalesce($6, 'infinity'), 'vendor', 'announced', $7)
  ON CONFLICT (user_id, endpoint, provider, resource, range_from, range_to, intent) DO NOTHING)"};

Statement delete_backfill{R"(
  DELETE FROM wearables.backfills b WHERE b.event_id = $1 AND b.intent = 'vendor' AND b.state = 'announced')"};

Arg arg_instant_or_null(Micros at) {
  return arg_datum(TIMESTAMPTZOID, at == kNoInstant ? 0 : TimestampTzGetDatum(to_server(at)),
                   at == kNoInstant);
}

}  // namespace

void apply_connection(const Event& event, Lifecycle lifecycle, int64 user_id) {
  Assert(lifecycle != Lifecycle::kNothing);
  auto* notice = owned_by<ConnectionNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_connection(*event.vendor, event.body)); });
  const char* kind = lifecycle == Lifecycle::kConnected ? "connected" : "error";
  const Micros origin = version_origin_ms(event.version) * 1000;
  const Arg error_type = arg_text_or_null(notice->error_type);
  run(insert_ledger, {arg_int8(event.event_id), arg_int8(user_id), arg_text(notice->provider),
                      arg_text(kind), error_type, arg_instant_or_null(origin), arg_int8(event.version)});
  run(upsert_status, {arg_int8(user_id), arg_text(notice->provider), arg_text(kind), error_type,
                      arg_instant_or_null(origin), arg_int8(event.version)});
}

void apply_backfill_notice(const Event& event, std::string_view resource, int64 user_id) {
  auto* notice = owned_by<BackfillNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_backfill_notice(*event.vendor, event.body)); });
  run(insert_backfill, {arg_int8(user_id), arg_text(event.endpoint), arg_text(notice->provider),
                        arg_text(resource), arg_instant_or_null(notice->from),
                        arg_instant_or_null(notice->to), arg_int8(event.event_id)});
}

void withdraw_backfill_notice(int64 event_id) { run(delete_backfill, {arg_int8(event_id)}); }

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
    run(upsert_freshness, {arg_int8(user_id), arg_text(batch.sources[i].provider),
                           arg_instant(to_server(newest[i]))});
  }
}

}  // namespace wearables::pg
