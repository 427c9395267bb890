// Endpoints, kept by the session: their rows with the secrets as they stand there, and the vendor of each with its
// environment. A trigger on
// both tables makes every session that sees a change forget them: at its commit, or at once for the session that
// makes it; no lock is needed beside that of the statements. The rows live in contexts below TopMemoryContext, which
// are replaced as a whole; they are read into a context of the caller's first, so that an error leaves what was kept.
// Secrets that files and variables hold are read anew into the caller's context for each delivery.
#include "core/vendor/vendor.h"

#include <cstring>

#include "pg/receive/endpoint.h"
#include "pg/receive/secret.h"
#include "pg/receive/signature.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"
#include "pg/server/spi.h"
#include "pg/server/trigger.h"

extern "C" {
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

// One row for each secret; one with a null value where there is none.
Statement select_endpoints{R"(
  SELECT e.name, e.vendor, extract(epoch FROM e.tolerance)::bigint, e.success_status, s.value
  FROM wearables.endpoints e
  LEFT JOIN wearables.endpoint_secrets s ON s.endpoint = e.name AND s.kind = 'webhook'
  WHERE e.enabled
  ORDER BY e.name, s.ordinal)"};
enum { kEndpointName = 1, kEndpointVendor, kEndpointTolerance, kEndpointStatus, kEndpointSecret };

Statement select_vendors{"SELECT e.name, e.vendor, e.environment FROM wearables.endpoints e"};
enum { kVendorsEndpoint = 1, kVendorsName, kVendorsEnvironment };

Statement upsert_secret{R"(
  INSERT INTO wearables.endpoint_secrets (endpoint, kind, ordinal, value) VALUES ($1, $2, $3, $4)
  ON CONFLICT (endpoint, kind, ordinal) DO UPDATE SET value = excluded.value, set_at = clock_timestamp())"};

Statement delete_secret{"DELETE FROM wearables.endpoint_secrets WHERE endpoint = $1 AND kind = $2 AND ordinal = $3"};

Statement find_endpoint{"SELECT 1 FROM wearables.endpoints WHERE name = $1"};

struct EndpointCache {
  MemoryContext context;
  Endpoint* endpoints;  // secrets by reference unresolved
  int count;
  bool valid;
};

struct NamedVendor {
  const char* endpoint;
  const Vendor* vendor;
  const char* environment;
};

struct VendorCache {
  MemoryContext context;
  NamedVendor* vendors;
  int count;
  bool valid;
};

constinit EndpointCache endpoint_cache{};
constinit VendorCache vendor_cache{};
constinit Oid cached_tables[2] = {InvalidOid, InvalidOid};
constinit uint64 changes_heard = 0;

void forget(Datum, Oid table) {
  if (OidIsValid(table) && table != cached_tables[0] && table != cached_tables[1]) return;
  endpoint_cache.valid = false;
  vendor_cache.valid = false;
  ++changes_heard;
}

void listen() {
  constinit static bool listening = false;
  if (!listening) CacheRegisterRelcacheCallback(forget, Datum{0});
  listening = true;
  const Oid schema = get_namespace_oid("wearables", false);
  cached_tables[0] = get_relname_relid("endpoints", schema);
  cached_tables[1] = get_relname_relid("endpoint_secrets", schema);
}

// Whether what was just read stays true until a message says otherwise: an old snapshot may have shown what a message
// told before has changed.
bool is_current(uint64 changes_before, SnapshotMode mode) {
  return changes_heard == changes_before && mode == SnapshotMode::kNew && !IsolationUsesXactSnapshot();
}

// "a, b", in the current context.
const char* known_vendors() {
  StringInfoData names;
  initStringInfo(&names);
  for (const Vendor* vendor : vendors()) {
    appendStringInfo(&names, "%s%.*s", names.len == 0 ? "" : ", ", static_cast<int>(vendor->name.size()),
                     vendor->name.data());
  }
  return names.data;
}

const Vendor* require_vendor(std::string_view name) {
  const Vendor* vendor = find_vendor(name);
  if (vendor != nullptr) return vendor;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("vendor \"%.*s\" is not supported", static_cast<int>(name.size()), name.data()),
                  errhint("Supported vendors: %s.", known_vendors())));
}

void add_endpoint_row(EndpointCache* read, uint64 row) {
  const std::string_view name = get_text(row, kEndpointName);
  if (read->count == 0 || name != read->endpoints[read->count - 1].name) {
    Endpoint& added = read->endpoints[read->count++];
    added.name = copy_text(row, kEndpointName, read->context);
    added.vendor = require_vendor(get_text(row, kEndpointVendor));
    added.tolerance_seconds = get_int8(row, kEndpointTolerance);
    added.success_status = get_int2(row, kEndpointStatus);
  }
  Endpoint& endpoint = read->endpoints[read->count - 1];
  const std::string_view value = get_text(row, kEndpointSecret);
  if (value.empty() || endpoint.secret_count == kMaxSecrets) return;
  endpoint.secrets[endpoint.secret_count++] = {copy_text(row, kEndpointSecret, read->context), value.size()};
}

// Puts what was read in place of what was endpoint_cache.
template <class Cache>
void replace(Cache* cache, Cache read) {
  MemoryContextSetParent(read.context, TopMemoryContext);
  if (cache->context != nullptr) MemoryContextDelete(cache->context);
  *cache = read;
}

void read_endpoints() {
  listen();
  const uint64 changes = changes_heard;
  const uint64 rows = run(select_endpoints, {});
  EndpointCache read{};
  read.context = AllocSetContextCreate(CurrentMemoryContext, "wearables endpoints", ALLOCSET_SMALL_SIZES);
  read.endpoints = static_cast<Endpoint*>(MemoryContextAllocZero(read.context, sizeof(Endpoint) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) add_endpoint_row(&read, row);
  read.valid = is_current(changes, SnapshotMode::kNew);
  replace(&endpoint_cache, read);
}

// As the owner: whoever may have an event read need not see endpoints.
void read_vendors(SnapshotMode mode) {
  listen();
  const uint64 changes = changes_heard;
  VendorCache read{};
  read.context = AllocSetContextCreate(CurrentMemoryContext, "wearables vendors", ALLOCSET_SMALL_SIZES);
  const OwnerScope scope = enter_owner();
  const uint64 rows = run(select_vendors, {}, mode);
  leave(scope);
  read.vendors = static_cast<NamedVendor*>(MemoryContextAllocZero(read.context, sizeof(NamedVendor) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) {
    read.vendors[read.count++] = {copy_text(row, kVendorsEndpoint, read.context),
                                  require_vendor(get_text(row, kVendorsName)),
                                  copy_text(row, kVendorsEnvironment, read.context)};
  }
  read.valid = is_current(changes, mode);
  replace(&vendor_cache, read);
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
    if (read_secret(*row.vendor->signatures, SecretKind::kWebhook, row.secrets[i], context,
                    &endpoint.secrets[endpoint.secret_count], &cause)) {
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
  if (!endpoint_cache.valid) read_endpoints();
  auto* endpoints =
      static_cast<Endpoint*>(MemoryContextAllocZero(caller, sizeof(Endpoint) * (endpoint_cache.count + 1)));
  *count = 0;
  for (int i = 0; i < endpoint_cache.count; ++i) {
    if (name != nullptr && strcmp(name, endpoint_cache.endpoints[i].name) != 0) continue;
    endpoints[(*count)++] = resolved(endpoint_cache.endpoints[i], caller);
  }
  return endpoints;
}

namespace {

// Null where the endpoint is gone.
const NamedVendor* find_named_vendor(std::string_view endpoint, SnapshotMode mode) {
  AcceptInvalidationMessages();
  if (!vendor_cache.valid) read_vendors(mode);
  for (int i = 0; i < vendor_cache.count; ++i) {
    if (endpoint == vendor_cache.vendors[i].endpoint) return &vendor_cache.vendors[i];
  }
  return nullptr;
}

}  // namespace

const Vendor& vendor_of(std::string_view endpoint, SnapshotMode mode) {
  const NamedVendor* named = find_named_vendor(endpoint, mode);
  return named == nullptr ? default_vendor() : *named->vendor;
}

bool find_user_space(std::string_view endpoint, UserSpace* space) {
  const NamedVendor* named = find_named_vendor(endpoint, SnapshotMode::kNew);
  if (named == nullptr) return false;
  *space = {named->vendor->name, named->environment};
  return true;
}

namespace {

SecretKind kind_of_secret(std::string_view kind) {
  if (kind == "webhook") return SecretKind::kWebhook;
  if (kind == "api_key") return SecretKind::kApiKey;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the kind of a secret is not recognized"),
                  errhint("Give webhook or api_key.")));
}

void set_secret(std::string_view endpoint, std::string_view kind, int32 ordinal, bool remove, std::string_view value) {
  const SecretKind secret_kind = kind_of_secret(kind);
  if (ordinal < 0 || ordinal >= kMaxSecrets) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("ordinal %d is not possible", ordinal),
                    errhint("Give a number from 0 to %d.", kMaxSecrets - 1)));
  }
  if (!remove) {
    check_secret_value(*vendor_of(endpoint, SnapshotMode::kNew).signatures, secret_kind, value);
  }
  const OwnerScope scope = enter_owner();
  if (run(find_endpoint, {arg_text(endpoint)}) == 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the endpoint of a secret does not exist"),
                    // arguments in the wrong order must not bring the secret into the log
                    errdetail("There is no endpoint \"%.*s\".", static_cast<int>(endpoint.size()), endpoint.data()),
                    errdetail_log("There is no endpoint with the given name."),
                    errhint("Add it with wearables.add_endpoint().")));
  }
  if (remove) {
    run(delete_secret, {arg_text(endpoint), arg_text(kind), arg_int2(static_cast<int16>(ordinal))});
  } else {
    run(upsert_secret, {arg_text(endpoint), arg_text(kind), arg_int2(static_cast<int16>(ordinal)), arg_text(value)});
  }
  leave(scope);
}

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
PG_FUNCTION_INFO_V1(wearables_check_vendor);
PG_FUNCTION_INFO_V1(wearables_default_vendor);

Datum wearables_default_vendor(PG_FUNCTION_ARGS) {
  const std::string_view name = wearables::default_vendor().name;
  PG_RETURN_TEXT_P(cstring_to_text_with_len(name.data(), static_cast<int>(name.size())));
}

Datum wearables_check_vendor(PG_FUNCTION_ARGS) {
  (void)wearables::pg::require_vendor(wearables::pg::view_of(PG_GETARG_TEXT_PP(0)));
  PG_RETURN_BOOL(true);
}

Datum wearables_set_secret(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Confidential frame;
  begin_confidential(&frame);
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("endpoint, kind and ordinal must not be null"),
                    errhint("Only value can be null, which removes the secret.")));
  }
  const std::string_view endpoint = view_of(PG_GETARG_TEXT_PP(0));
  const std::string_view kind = view_of(PG_GETARG_TEXT_PP(1));
  const bool remove = PG_ARGISNULL(3);
  const std::string_view value = remove ? std::string_view() : view_of(PG_GETARG_TEXT_PP(3));
  SPI_connect();
  set_secret(endpoint, kind, PG_GETARG_INT32(2), remove, value);
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

Datum wearables_unreadable_endpoints(PG_FUNCTION_ARGS) { return wearables::pg::unreadable_endpoints(); }
}
