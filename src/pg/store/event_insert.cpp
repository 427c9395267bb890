// Ledger row, raw event and job are written by one statement: each statement costs as much to begin and end as its row
// does. Two sessions with the same message meet at the ledger's primary key, and the second one waits there for the
// first one's commit: it then counts the delivery and writes nothing else. The lock on events is taken before the
// statement's snapshot, because a partition that is attached takes its range from the default partition.
#include "core/write/version.h"

#include "pg/queue/wakeup.h"
#include "pg/server/boundary.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/store/event_insert.h"

namespace wearables::pg {

namespace {

Statement insert_statement{R"(
  WITH delivery AS (
    INSERT INTO wearables.deliveries AS d (endpoint, message_id, event_id, received_at, last_seen)
    VALUES ($1, $2, nextval('wearables.event_id_seq'), $3, $3)
    ON CONFLICT (endpoint, message_id) DO UPDATE SET last_seen = excluded.last_seen, count = d.count + 1
    RETURNING event_id, count
  ), event AS (
    INSERT INTO wearables.webhook_events
      (event_id, received_at, version, endpoint, message_id, event_type, resource, external_user_id, client_user_id,
       headers, payload)
    SELECT event_id, $3, $4, $1, $2, $5, $6, $7, $8, $9, $10 FROM delivery WHERE count = 1
  ), job AS (
    INSERT INTO wearables.jobs (event_id, received_at, run_at, dedupe_key, priority)
    SELECT event_id, $3, $3, 'event:' || event_id, $11 FROM delivery WHERE count = 1
  )
  SELECT event_id, count FROM delivery)"};

enum InsertedColumn { kEventId = 1, kDeliveries };

}  // namespace

InsertedEvent insert_event(const NewEvent& event) {
  Assert(!event.endpoint.empty() && event.payload != nullptr);
  // a session that has switched synchronous_commit off must not lose what the sender was promised
  ForceSyncCommit();
  const int64 version = call_core([&]() -> Result<std::int64_t> {
    return version_of(event.origin_ms, event.age, event.endpoint, event.message_id);
  });
  lock_events();
  const uint64 rows =
      run(insert_statement, {arg_text(event.endpoint), arg_text(event.message_id), arg_instant(event.received_at),
                             arg_int8(version), arg_text_or_null(event.event_type), arg_text_or_null(event.resource),
                             arg_text_or_null(event.external_user_id), arg_text_or_null(event.client_user_id),
                             arg_datum(JSONBOID, event.headers == nullptr ? Datum{0} : JsonbPGetDatum(event.headers),
                                       event.headers == nullptr),
                             arg_datum(BYTEAOID, PointerGetDatum(event.payload), false), arg_int2(event.priority)});
  Assert(rows == 1);
  (void)rows;
  const InsertedEvent inserted{get_int8(0, kEventId), get_int4(0, kDeliveries) == 1};
  if (inserted.is_new) wake_at_commit();
  return inserted;
}

}  // namespace wearables::pg
