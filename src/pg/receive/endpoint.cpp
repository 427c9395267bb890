#include <cstring>

#include "pg/server/confidential.h"
#include "pg/receive/endpoint.h"
#include "pg/receive/secret.h"
#include "pg/server/spi.h"
#include "pg/server/trigger.h"

extern "C" {
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

Statement select_endpoints{R"(
  SELECT e.name, extract(epoch FROM e.tolerance)::bigint, e.success_status, s.value
  FROM wearables.endpoints e
  LEFT JOIN wearables.endpoint_secrets s ON s.endpoint = e.name AND s.kind = 'webhook'
  WHERE e.enabled
  ORDER BY e.name, s.ordinal)"};

Statement upsert_secret{R"(
  INSERT INTO wearables.endpoint_secrets (endpoint, kind, ordinal, value) VALUES ($1, $2, $3, $4)
  ON CONFLICT (endpoint, kind, ordinal) DO UPDATE SET value = excluded.value, set_at = clock_timestamp())"};

Statement delete_secret{
    "DELETE FROM wearables.endpoint_secrets WHERE endpoint = $1 AND kind = $2 AND ordinal = $3"};

Statement find_endpoint{"SELECT 1 FROM wearables.endpoints WHERE name = $1"};

}  // namespace

namespace {

// The rows of both tables, secrets by reference unresolved. A trigger on each table makes every session that
// sees a change forget them: at its commit, or at once for the session that makes it.
struct Kept {
  MemoryContext context;
  Endpoint* endpoints;
  int count;
  bool valid;
  uint64 changes;  // of which this session has heard
  Oid tables[2];
};

constinit Kept kept{};

void forget(Datum, Oid table) {
  if (OidIsValid(table) && table != kept.tables[0] && table != kept.tables[1]) return;
  kept.valid = false;
  ++kept.changes;
}

void listen() {
  constinit static bool listening = false;
  if (!listening) CacheRegisterRelcacheCallback(forget, Datum{0});
  listening = true;
  const Oid schema = get_namespace_oid("wearables", false);
  kept.tables[0] = get_relname_relid("endpoints", schema);
  kept.tables[1] = get_relname_relid("endpoint_secrets", schema);
}

void add_row(Kept* rows, uint64 row) {
  const std::string_view name = get_text(row, 1);
  if (rows->count == 0 || name != rows->endpoints[rows->count - 1].name) {
    Endpoint& added = rows->endpoints[rows->count++];
    added.name = copy_text(row, 1, rows->context);
    added.tolerance_seconds = get_int8(row, 2);
    added.success_status = get_int2(row, 3);
  }
  Endpoint& endpoint = rows->endpoints[rows->count - 1];
  const std::string_view value = get_text(row, 4);
  if (value.empty() || endpoint.secret_count == kMaxSecrets) return;
  endpoint.secrets[endpoint.secret_count++] = {copy_text(row, 4, rows->context), value.size()};
}

void read_rows() {
  listen();
  const uint64 changes = kept.changes;
  const uint64 rows = run(select_endpoints, {});
  Kept read = kept;
  read.context = AllocSetContextCreate(CurrentMemoryContext, "wearables endpoints", ALLOCSET_SMALL_SIZES);
  read.endpoints =
      static_cast<Endpoint*>(MemoryContextAllocZero(read.context, sizeof(Endpoint) * (rows + 1)));
  read.count = 0;
  for (uint64 row = 0; row < rows; ++row) add_row(&read, row);
  MemoryContextSetParent(read.context, TopMemoryContext);
  if (kept.context != nullptr) MemoryContextDelete(kept.context);
  read.changes = kept.changes;
  // an old snapshot may have shown what a message told before has changed
  read.valid = changes == kept.changes && !IsolationUsesXactSnapshot();
  kept = read;
}

// A flood of deliveries must not become a flood of lines.
void log_unreadable(const char* endpoint, const char* cause) {
  constexpr int kPauseMilliseconds = 60000;
  constinit static TimestampTz logged_at = 0;
  const TimestampTz now = GetCurrentTimestamp();
  if (logged_at != 0 && !TimestampDifferenceExceeds(logged_at, now, kPauseMilliseconds)) return;
  logged_at = now;
  ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR), errhidestmt(true), errhidecontext(true),
                errmsg("wearables_ingest cannot read a secret of endpoint \"%s\"", endpoint),
                errdetail_internal("%s.", cause)));
}

Endpoint resolved(const Endpoint& row, MemoryContext context) {
  Endpoint endpoint = row;
  endpoint.name = MemoryContextStrdup(context, row.name);
  endpoint.secret_count = 0;
  for (int i = 0; i < row.secret_count; ++i) {
    const char* cause = nullptr;
    if (read_secret("webhook", row.secrets[i], context, &endpoint.secrets[endpoint.secret_count], &cause)) {
      ++endpoint.secret_count;
    } else {
      endpoint.unreadable = true;
      log_unreadable(row.name, cause);
    }
  }
  return endpoint;
}

}  // namespace

Endpoint* load_endpoints(const char* name, int* count) {
  MemoryContext caller = CurrentMemoryContext;
  CommandCounterIncrement();
  AcceptInvalidationMessages();
  if (!kept.valid) read_rows();
  auto* endpoints = static_cast<Endpoint*>(
      MemoryContextAllocZero(caller, sizeof(Endpoint) * (kept.count + 1)));
  *count = 0;
  for (int i = 0; i < kept.count; ++i) {
    if (name != nullptr && strcmp(name, kept.endpoints[i].name) != 0) continue;
    endpoints[(*count)++] = resolved(kept.endpoints[i], caller);
  }
  return endpoints;
}

namespace {

void set_secret(std::string_view endpoint, std::string_view kind, int32 ordinal, bool remove,
                std::string_view value) {
  if (kind != "webhook" && kind != "api_key") {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the kind of a secret is not known"),
                    errhint("Give webhook or api_key.")));
  }
  if (ordinal < 0 || ordinal >= kMaxSecrets) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("ordinal %d is outside 0 to %d", ordinal, kMaxSecrets - 1)));
  }
  if (!remove) check_secret_value(kind, value);
  const OwnerScope scope = enter_owner();
  if (run(find_endpoint, {arg_text(endpoint)}) == 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("the endpoint of a secret is not known"),
                    // arguments in the wrong order must not bring the secret into the log
                    errdetail("There is no endpoint \"%.*s\".", static_cast<int>(endpoint.size()), endpoint.data()),
                    errdetail_log("There is no endpoint of the name that was given."),
                    errhint("Add it with wearables.add_endpoint().")));
  }
  if (remove) {
    run(delete_secret, {arg_text(endpoint), arg_text(kind), arg_int2(static_cast<int16>(ordinal))});
  } else {
    run(upsert_secret, {arg_text(endpoint), arg_text(kind), arg_int2(static_cast<int16>(ordinal)),
                        arg_text(value)});
  }
  leave(scope);
}

}  // namespace

}  // namespace wearables::pg

namespace wearables::pg {

namespace {

Datum unreadable_endpoints() {
  SPI_connect();
  MemoryContext within = CurrentMemoryContext;
  const OwnerScope scope = enter_owner();
  int count;
  const Endpoint* endpoints = load_endpoints(nullptr, &count);
  Datum* names = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  int unreadable = 0;
  for (int i = 0; i < count; ++i) {
    if (endpoints[i].unreadable) names[unreadable++] = CStringGetTextDatum(endpoints[i].name);
  }
  leave(scope);
  const Arg array = arg_array(TEXTOID, names, nullptr, unreadable);
  const Datum result = SPI_datumTransfer(array.value, false, -1);
  MemoryContextSwitchTo(within);
  SPI_finish();
  return result;
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_unreadable_endpoints);
PG_FUNCTION_INFO_V1(wearables_set_secret);
PG_FUNCTION_INFO_V1(wearables_endpoints_changed);

Datum wearables_set_secret(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Confidential frame;
  begin_confidential(&frame);
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("endpoint, kind and ordinal must not be null"),
                    errhint("Only value may be null: it removes the secret.")));
  }
  const text* endpoint = PG_GETARG_TEXT_PP(0);
  const text* kind = PG_GETARG_TEXT_PP(1);
  const bool remove = PG_ARGISNULL(3);
  const text* value = remove ? kind : PG_GETARG_TEXT_PP(3);
  SPI_connect();
  set_secret({VARDATA_ANY(endpoint), VARSIZE_ANY_EXHDR(endpoint)},
             {VARDATA_ANY(kind), VARSIZE_ANY_EXHDR(kind)}, PG_GETARG_INT32(2), remove,
             {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)});
  SPI_finish();
  end_confidential(frame);
  PG_RETURN_VOID();
}

Datum wearables_endpoints_changed(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TriggerData* data = trigger_on(fcinfo, "endpoints_changed", {"endpoints", "endpoint_secrets"});
  CacheInvalidateRelcache(data->tg_relation);
  return PointerGetDatum(nullptr);
}

Datum wearables_unreadable_endpoints(PG_FUNCTION_ARGS) {
  return wearables::pg::unreadable_endpoints();
}
}
