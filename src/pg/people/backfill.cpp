// History that the vendor says is ready, as rows of backfills. Under the user's lock; a repeated notice finds its row
// by the key of the range and changes nothing. Memory is that of the caller's context.
#include "core/vendor/envelope.h"

#include "pg/people/backfill.h"
#include "pg/server/boundary.h"
#include "pg/server/spi.h"
#include "pg/server/instant.h"

namespace wearables::pg {

namespace {

Statement insert_backfill{R"(
  INSERT INTO wearables.backfills (user_id, endpoint, provider, resource, range_from, range_to, intent, state, event_id)
  VALUES ($1, $2, $3, $4, coalesce($5, '-infinity'), coalesce($6, 'infinity'), 'vendor', 'announced', $7)
  ON CONFLICT (user_id, endpoint, provider, resource, range_from, range_to, intent) DO NOTHING)"};

Statement delete_backfill{R"(
  DELETE FROM wearables.backfills b WHERE b.event_id = $1 AND b.intent = 'vendor' AND b.state = 'announced')"};

Arg arg_instant_or_null(Micros at) {
  return arg_datum(TIMESTAMPTZOID, at == kNoInstant ? 0 : TimestampTzGetDatum(to_server(at)), at == kNoInstant);
}

}  // namespace

void apply_backfill_notice(const Event& event, std::string_view resource, int64 user_id) {
  auto* notice = owned_by<BackfillNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_backfill_notice(*event.vendor, event.body)); });
  run(insert_backfill, {arg_int8(user_id), arg_text(event.endpoint), arg_text(notice->provider), arg_text(resource),
                        arg_instant_or_null(notice->from), arg_instant_or_null(notice->to), arg_int8(event.event_id)});
}

void withdraw_backfill_notice(int64 event_id) { run(delete_backfill, {arg_int8(event_id)}); }

}  // namespace wearables::pg
