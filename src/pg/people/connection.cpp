// What events and the application say of a user's link to a provider. A row of the ledger is what one of them said;
// what a connecting one was, and the connection itself, follow from the ledger by version, so that arrival does not
// count. Everything runs under the user's lock, so that rows of connections are met in one order and nobody else writes
// the same ledger. Statements find their rows by key; a row that would not change is not locked. Memory is that of the
// caller's context.
#include "core/base/text.h"
#include "core/vendor/envelope.h"
#include "core/write/version.h"

#include <algorithm>
#include <string>

#include "pg/people/connection.h"
#include "pg/people/user.h"
#include "pg/pull/notice.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

// A message whose row in the ledger of deliveries was dropped is another event when it is delivered again, of the same
// version: the entry is the newest event's, for the older one may be dropped, too.
Statement insert_ledger{R"(
  WITH taken_over AS (
    UPDATE wearables.connection_events o SET event_id = $1
    WHERE o.user_id = $2 AND o.provider = $3 AND o.version = $11 AND o.event_id < $1)
  INSERT INTO wearables.connection_events AS l
    (event_id, user_id, provider, kind, actor, error_type, endpoint, external_user_id, provider_user_id, at, version)
  SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
  WHERE NOT EXISTS (SELECT FROM wearables.connection_events o
                    WHERE o.user_id = $2 AND o.provider = $3 AND o.version = $11
                      AND (o.event_id IS NULL) = ($1 IS NULL))
  ON CONFLICT (event_id) DO UPDATE SET user_id = excluded.user_id, provider = excluded.provider)"};

// An external id belongs to an endpoint: that of another endpoint does not differ from it.
Statement settle_kinds{R"(
  UPDATE wearables.connection_events l SET kind = k.kind
  FROM (SELECT n.connection_event_id,
               CASE WHEN NOT EXISTS (SELECT FROM wearables.connection_events o
                                     WHERE o.user_id = $1 AND o.provider = $2 AND o.version < n.version)
                    THEN 'connected'
                    WHEN n.provider_user_id <> (SELECT o.provider_user_id FROM wearables.connection_events o
                                                WHERE o.user_id = $1 AND o.provider = $2 AND o.version < n.version
                                                  AND o.provider_user_id IS NOT NULL
                                                ORDER BY o.version DESC LIMIT 1)
                      OR n.external_user_id <> (SELECT o.external_user_id FROM wearables.connection_events o
                                                WHERE o.user_id = $1 AND o.provider = $2 AND o.version < n.version
                                                  AND o.endpoint = n.endpoint AND o.external_user_id IS NOT NULL
                                                ORDER BY o.version DESC LIMIT 1)
                    THEN 'remapped'
                    ELSE 'reconnected' END AS kind
        FROM wearables.connection_events n
        WHERE n.user_id = $1 AND n.provider = $2 AND n.version >= $3
          AND n.kind IN ('connected', 'reconnected', 'remapped')) k
  WHERE l.connection_event_id = k.connection_event_id AND l.kind <> k.kind)"};

// a conflict locks the row even where nothing moves: so it is looked at first, and a replay leaves no trace
Statement derive_connection{R"(
  INSERT INTO wearables.connections AS c
    (user_id, provider, status, error_type, connected_at, provider_user_id, version)
  SELECT $1, $2, d.* FROM (
    SELECT CASE WHEN n.kind IN ('reconnected', 'remapped') THEN 'connected' ELSE n.kind END, n.error_type,
           (SELECT o.at FROM wearables.connection_events o
            WHERE o.user_id = $1 AND o.provider = $2 AND o.kind IN ('connected', 'reconnected', 'remapped')
            ORDER BY o.version DESC LIMIT 1),
           (SELECT o.provider_user_id FROM wearables.connection_events o
            WHERE o.user_id = $1 AND o.provider = $2 AND o.provider_user_id IS NOT NULL
            ORDER BY o.version DESC LIMIT 1),
           n.version
    FROM wearables.connection_events n WHERE n.user_id = $1 AND n.provider = $2
    ORDER BY n.version DESC LIMIT 1) d (status, error_type, connected_at, provider_user_id, version)
  WHERE NOT EXISTS (
    SELECT FROM wearables.connections o WHERE o.user_id = $1 AND o.provider = $2
      AND (o.status, o.error_type, o.connected_at, o.provider_user_id, o.version)
          IS NOT DISTINCT FROM (d.status, d.error_type, d.connected_at, d.provider_user_id, d.version))
  ON CONFLICT (user_id, provider) DO UPDATE
    SET status = excluded.status, error_type = excluded.error_type, connected_at = excluded.connected_at,
        provider_user_id = excluded.provider_user_id, version = excluded.version)"};

Statement delete_ledger{R"(
  DELETE FROM wearables.connection_events l WHERE l.event_id = $1 AND l.user_id = $2 RETURNING l.provider, l.version)"};
enum { kProvider = 1, kVersion };

// Of a connection of which the ledger says nothing any more.
Statement forget_connection{R"(
  UPDATE wearables.connections c
  SET status = 'unknown', error_type = NULL, connected_at = NULL, provider_user_id = NULL, version = 0
  WHERE c.user_id = $1 AND c.provider = $2
    AND NOT EXISTS (SELECT FROM wearables.connection_events l WHERE l.user_id = $1 AND l.provider = $2))"};

Statement upsert_freshness{R"(
  INSERT INTO wearables.connections AS c (user_id, provider, last_data_at)
  SELECT $1, $2, $3 WHERE NOT EXISTS (
    SELECT FROM wearables.connections o WHERE o.user_id = $1 AND o.provider = $2 AND o.last_data_at >= $3)
  ON CONFLICT (user_id, provider) DO UPDATE SET last_data_at = excluded.last_data_at
    WHERE c.last_data_at IS NULL OR c.last_data_at < excluded.last_data_at)"};

constexpr std::string_view kVendorDid = "vendor";
constexpr std::string_view kProviderDid = "provider";

// What somebody said of a connection. Empty texts are null.
struct Said {
  int64 event_id;  // 0: it was no event
  int64 user_id;
  std::string_view provider, kind, actor, error_type, endpoint, external_user_id, provider_user_id;
  TimestampTz at;
  int64 version;
};

// The kind in the ledger; of a connecting one the first guess.
std::string_view kind_of(Lifecycle lifecycle) {
  switch (lifecycle) {
    case Lifecycle::kConnected:
      return "connected";
    case Lifecycle::kDisconnected:
      return "disconnected";
    case Lifecycle::kDeregistered:
      return "deregistered";
    case Lifecycle::kError:
      return "error";
    case Lifecycle::kNothing:
      break;
  }
  Assert(false);
  pg_unreachable();
}

// False where the ledger has it already.
bool note(const Said& said) {
  Assert(holds_user_lock(said.user_id));
  const Arg user = arg_int8(said.user_id);
  const Arg provider = arg_text(said.provider);
  const Arg version = arg_int8(said.version);
  const bool is_new =
      run(insert_ledger, {arg_datum(INT8OID, Int64GetDatum(said.event_id), said.event_id == 0), user, provider,
                          arg_text(said.kind), arg_text(said.actor), arg_text_or_null(said.error_type),
                          arg_text_or_null(said.endpoint), arg_text_or_null(said.external_user_id),
                          arg_text_or_null(said.provider_user_id), arg_instant(said.at), version}) > 0;
  if (is_new) run(settle_kinds, {user, provider, version});
  run(derive_connection, {user, provider});
  return is_new;
}

// ---- set_connection()

constexpr std::string_view kSettable[] = {"connected", "disconnected", "deregistered", "error"};
constexpr std::string_view kActors[] = {"application", "user", "operator"};

std::string_view text_argument(FunctionCallInfo fcinfo, int number) {
  if (PG_ARGISNULL(number)) return {};
  const text* value = PG_GETARG_TEXT_PP(number);
  return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
}

template <size_t N>
void require_one_of(const std::string_view (&choices)[N], std::string_view given, const char* what, const char* hint) {
  constexpr int kShown = 64;  // bytes of the given text
  if (std::find(std::begin(choices), std::end(choices), given) != std::end(choices)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("invalid value for %s: \"%.*s\"", what,
                         pg_mbcliplen(given.data(), static_cast<int>(given.size()), kShown), given.data()),
                  errhint("Give one of: %s.", hint)));
}

void require_storable(std::string_view given, const char* what, bool may_be_missing) {
  if (given.empty() && may_be_missing) return;
  if (is_printable(given, kMaxNamedText) && !shows_nothing(given)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for %s", what),
                  errdetail("It must have 1 to %zu bytes and no control characters.", kMaxNamedText)));
}

// The order key of R3, with what is said in the place of a message id: the same call about the same instant is the
// same row, in whatever database: the user's number is none of it, as the ledger is each user's own.
int64 version_of_said(const Said& said) {
  const int64 origin_ms = to_core(said.at) / kMicrosPerMillisecond;
  return call_core([&]() -> Result<std::int64_t> {
    std::string id("set_connection");
    for (const std::string_view part : {said.provider, said.kind, said.actor, said.error_type, said.provider_user_id}) {
      id.append(1, '\0').append(part);
    }
    return version_of(origin_ms, EventAge::kUpdated, "", id);
  });
}

bool set_connection(FunctionCallInfo fcinfo) {
  Said said{};
  said.user_id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
  said.provider = text_argument(fcinfo, 1);
  said.kind = text_argument(fcinfo, 2);
  said.actor = text_argument(fcinfo, 3);
  said.error_type = text_argument(fcinfo, 4);
  said.provider_user_id = text_argument(fcinfo, 5);
  const TimestampTz now = GetCurrentTimestamp();
  said.at = PG_ARGISNULL(6) ? now : PG_GETARG_TIMESTAMPTZ(6);
  require_storable(said.provider, "provider", false);
  require_one_of(kSettable, said.kind, "status", "connected, disconnected, deregistered, error");
  require_one_of(kActors, said.actor, "actor", "application, user, operator");
  require_storable(said.error_type, "error_type", true);
  require_storable(said.provider_user_id, "provider_user_id", true);
  if (TIMESTAMP_NOT_FINITE(said.at) || to_core(said.at) < 0 || said.at > now) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"at\" must be between 1970 and now"),
                    errdetail("A change in the future would take precedence over every event until then.")));
  }
  // before the look: whom another session erases at this moment is not found then
  lock_user(said.user_id);
  if (!is_user(said.user_id)) {
    ereport(ERROR,
            (errcode(ERRCODE_NO_DATA_FOUND), errmsg("user %lld does not exist", static_cast<long long>(said.user_id)),
             errhint("Register the user with wearables.register_user().")));
  }
  said.version = version_of_said(said);
  return note(said);
}

}  // namespace

void apply_connection(const Event& event, Lifecycle lifecycle, int64 user_id) {
  auto* notice = owned_by<ConnectionNotice>(CurrentMemoryContext);
  call_core([&] { return store_into(*notice, read_connection(*event.vendor, event.body)); });
  Lifecycle meant = lifecycle;
  if (lifecycle == Lifecycle::kError) meant = lifecycle_of_error(*event.vendor, notice->error_type);
  Said said{};
  said.event_id = event.event_id;
  said.user_id = user_id;
  said.provider = notice->provider;
  said.kind = kind_of(meant);
  // an error that ends the registration is the provider's doing: the vendor was told
  said.actor = meant == lifecycle ? kVendorDid : kProviderDid;
  said.error_type = notice->error_type;
  said.endpoint = event.endpoint;
  said.external_user_id = event.external_user_id;
  said.provider_user_id = notice->provider_user_id;
  said.at = to_server(version_origin_ms(event.version) * kMicrosPerMillisecond);
  said.version = event.version;
  (void)note(said);
  if (meant == Lifecycle::kConnected) ask_for_connected(event, user_id, notice->provider);
}

void retract_connection(const Event& event, int64 user_id) {
  Assert(holds_user_lock(user_id));
  const Arg user = arg_int8(user_id);
  if (run(delete_ledger, {arg_int8(event.event_id), user}) == 0) return;
  const std::string_view provider = copy_text(0, kProvider, CurrentMemoryContext);
  run(settle_kinds, {user, arg_text(provider), arg_int8(get_int8(0, kVersion))});
  run(derive_connection, {user, arg_text(provider)});
  run(forget_connection, {user, arg_text(provider)});
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

extern "C" {
PG_FUNCTION_INFO_V1(wearables_set_connection);

Datum wearables_set_connection(PG_FUNCTION_ARGS) {
  SPI_connect();
  const bool noted = wearables::pg::set_connection(fcinfo);
  SPI_finish();
  PG_RETURN_BOOL(noted);
}
}
