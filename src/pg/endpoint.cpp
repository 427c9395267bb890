#include "core/webhook.h"

#include <cstdlib>
#include <cstring>

#include "pg/boundary.h"
#include "pg/endpoint.h"
#include "pg/spi.h"

extern "C" {
#include "storage/fd.h"
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

constexpr size_t kMaxSecretFile = 4096;

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

std::string_view copy(std::string_view text, MemoryContext context) {
  char* place = static_cast<char*>(MemoryContextAlloc(context, text.size() + 1));
  memcpy(place, text.data(), text.size());
  place[text.size()] = '\0';
  return {place, text.size()};
}

// Empty when the file cannot be read: no secret, and so no delivery, but a line for the operator.
std::string_view read_secret_file(const char* path, MemoryContext context) {
  FILE* file = AllocateFile(path, "r");
  if (file == nullptr) {
    ereport(LOG, (errcode_for_file_access(),
                  errmsg("cannot open a secret's file \"%s\": %m", path)));
    return {};
  }
  char buffer[kMaxSecretFile];
  const size_t length = fread(buffer, 1, sizeof buffer, file);
  FreeFile(file);
  const std::string_view secret = copy({buffer, length}, context);
  explicit_bzero(buffer, sizeof buffer);
  return secret;
}

std::string_view resolve(std::string_view value, MemoryContext context) {
  if (starts_with(value, "file:")) {
    return read_secret_file(copy(value.substr(5), context).data(), context);
  }
  if (starts_with(value, "env:")) {
    const char* found = std::getenv(copy(value.substr(4), context).data());
    return found == nullptr ? std::string_view{} : copy(found, context);
  }
  return copy(value, context);
}

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

void check_reference_or_secret(std::string_view kind, std::string_view value) {
  if (starts_with(value, "file:")) {
    if (value.size() < 7 || value[5] != '/') {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("a secret's file is given by an absolute path"),
                      errhint("For instance file:/run/secrets/junction.")));
    }
    return;
  }
  if (starts_with(value, "env:")) {
    if (value.size() < 5) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("the name of the environment variable is missing"),
                      errhint("For instance env:JUNCTION_SECRET, set for the server's process.")));
    }
    return;
  }
  if (kind == "webhook") call_core([value] { return check_secret(value); });
}

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
  endpoint.secrets[endpoint.secret_count++] = copy(value, rows->context);
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

Endpoint resolved(const Endpoint& row, MemoryContext context) {
  Endpoint endpoint = row;
  endpoint.name = MemoryContextStrdup(context, row.name);
  endpoint.secret_count = 0;
  for (int i = 0; i < row.secret_count; ++i) {
    const std::string_view secret = resolve(row.secrets[i], context);
    if (!secret.empty()) endpoint.secrets[endpoint.secret_count++] = secret;
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
                    errmsg("secret kind \"%.*s\" is not known", static_cast<int>(kind.size()), kind.data()),
                    errhint("Give webhook or api_key.")));
  }
  if (ordinal < 0 || ordinal >= kMaxSecrets) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("ordinal %d is outside 0 to %d", ordinal, kMaxSecrets - 1)));
  }
  if (!remove) check_reference_or_secret(kind, value);
  if (run(find_endpoint, {arg_text(endpoint)}) == 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("endpoint \"%.*s\" is not known", static_cast<int>(endpoint.size()), endpoint.data()),
                    errhint("Add it with wearables.add_endpoint().")));
  }
  if (remove) {
    run(delete_secret, {arg_text(endpoint), arg_text(kind), arg_int2(static_cast<int16>(ordinal))});
  } else {
    run(upsert_secret, {arg_text(endpoint), arg_text(kind), arg_int2(static_cast<int16>(ordinal)),
                        arg_text(value)});
  }
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_set_secret);
PG_FUNCTION_INFO_V1(wearables_endpoints_changed);

Datum wearables_set_secret(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
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
  PG_RETURN_VOID();
}

Datum wearables_endpoints_changed(PG_FUNCTION_ARGS) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("endpoints_changed() is a trigger")));
  }
  CacheInvalidateRelcache(reinterpret_cast<TriggerData*>(fcinfo->context)->tg_relation);
  return PointerGetDatum(nullptr);
}
}
