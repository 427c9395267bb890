// Under the user's lock; the key of the intent makes a repeated notice nothing. Ranges follow from the event alone, so
// that it does not matter when it is handled.
#include "core/vendor/envelope.h"
#include "core/write/version.h"

#include <string>
#include <vector>

#include "pg/pull/notice.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

// An endpoint without a base_url is asked for nothing: history is pulled where somebody has set it up. The note of the
// event says so to whoever wonders.
Statement without_api_statement{"SELECT FROM wearables.endpoints e WHERE e.name = $1 AND e.base_url IS NULL"};

// Providers whose data come after the vendor's notice are asked again after so long (Garmin).
constexpr double kAgainSeconds = 300;

Statement announced_statement{R"(
  SELECT wearables_internal.ask_for_history($1, $2, $3, $4, $5, $6, $7, intent, $8,
                                            clock_timestamp() + make_interval(secs => delay))
  FROM (VALUES ('notice', 0::float8), ('notice again', $9::float8)) i (intent, delay)
  WHERE EXISTS (SELECT FROM wearables.endpoints e WHERE e.name = $2 AND e.base_url IS NOT NULL)
    AND EXISTS (SELECT FROM wearables.resources r
                WHERE r.name = $5 AND r.kind <> 'skipped' AND r.rest_path IS NOT NULL))"};

// What a new connection is asked for, if it offers it; nothing where history is not pulled from the endpoint.
Statement wanted_statement{R"(
  SELECT r.name FROM wearables.resources r
  WHERE EXISTS (SELECT FROM wearables.endpoints e WHERE e.name = $1 AND e.base_url IS NOT NULL)
    AND r.kind <> 'skipped' AND r.rest_path IS NOT NULL AND r.connection_days > 0
  ORDER BY r.name)"};

enum WantedColumn { kWantedName = 1 };

Statement connected_statement{R"(
  SELECT wearables_internal.ask_for_history($1, $2, $3, $4, r.name, $5 - r.connection_days * interval '1 day', $5,
                                            intent, $6, clock_timestamp() + make_interval(secs => delay))
  FROM wearables.resources r
  CROSS JOIN (VALUES ('connected', 0::float8), ('connected again', $7::float8)) i (intent, delay)
  WHERE r.name = ANY ($8::text[]) AND r.connection_days > 0
  ORDER BY i.delay, r.name)"};

Statement withdraw_statement{R"(
  UPDATE wearables.backfills b SET state = 'cancelled', finished_at = clock_timestamp()
  WHERE b.event_id = $1 AND b.state = 'waiting')"};

// Of the resources that a new connection is asked for those that it offers, as an array of texts.
Arg offered_resources(const Event& event) {
  auto* names = owned_by<std::vector<std::string>>(CurrentMemoryContext);
  const uint64 rows = run(wanted_statement, {arg_text(event.endpoint)});
  for (uint64 row = 0; row < rows; ++row) {
    const std::string_view name = get_text(row, kWantedName);
    call_core([&]() -> Result<Done> {
      names->emplace_back(name);
      return Done{};
    });
  }
  call_core([&] { return keep_offered(*event.vendor, event.body, *names); });
  auto* texts = static_cast<Datum*>(palloc(sizeof(Datum) * (names->size() + 1)));
  for (size_t i = 0; i < names->size(); ++i) texts[i] = arg_text((*names)[i]).value;
  return arg_array(TEXTOID, texts, nullptr, static_cast<int>(names->size()));
}

}  // namespace

bool is_first_handling(const Event& event) noexcept {
  return event.status != Status::kProcessed && event.status != Status::kSkipped;
}

const char* ask_for_announced(const Event& event, std::string_view resource, int64 user_id) {
  auto* notice = owned_by<BackfillNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_backfill_notice(*event.vendor, event.body)); });
  if (notice->from == kNoInstant || notice->to == kNoInstant) return "the announced range has no start or no end";
  if (notice->from >= notice->to) return "the announced range is empty or reversed";
  if (run(without_api_statement, {arg_text(event.endpoint)}) > 0) {
    return "this history was not requested: the endpoint has no base_url";
  }
  if (!is_first_handling(event) || event.external_user_id.empty()) return nullptr;
  run(announced_statement, {arg_int8(user_id), arg_text(event.endpoint), arg_text(event.external_user_id),
                            arg_text(notice->provider), arg_text(resource), arg_instant(to_server(notice->from)),
                            arg_instant(to_server(notice->to)), arg_int8(event.event_id), arg_seconds(kAgainSeconds)});
  return nullptr;
}

void withdraw_requests(int64 event_id) { run(withdraw_statement, {arg_int8(event_id)}); }

void ask_for_connected(const Event& event, int64 user_id, std::string_view provider) {
  if (!is_first_handling(event) || event.external_user_id.empty() || provider.empty()) return;
  const Micros made = version_origin_ms(event.version) * kMicrosPerMillisecond;
  run(connected_statement,
      {arg_int8(user_id), arg_text(event.endpoint), arg_text(event.external_user_id), arg_text(provider),
       arg_instant(to_server(made)), arg_int8(event.event_id), arg_seconds(kAgainSeconds), offered_resources(event)});
}

}  // namespace wearables::pg
