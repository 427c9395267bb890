// Whether anybody was erased is kept by the session, for the receive step asks for each delivery and almost nobody ever
// was; and the salt of their hashes, which is made once and never changed. A trigger on erased_ids makes every session
// that sees a change look again: at its commit, or at once for the session that makes it. Messages are accepted before
// each answer, so that who waited for the lock of a user whom another session has erased meanwhile is told so. No lock
// is taken here.
#include "pg/people/erasure.h"

#include "core/base/bytes.h"
#include "core/write/version.h"

#include <cstring>

#include "pg/receive/endpoint.h"
#include "pg/server/boundary.h"
#include "pg/server/spi.h"
#include "pg/server/trigger.h"

extern "C" {
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

// A dump may be restored in any order: the ids before the salt.
Statement select_salt{R"(
  SELECT EXISTS (SELECT FROM wearables.erased_ids), (SELECT s.salt FROM wearables_internal.erasure_salt s))"};
enum { kAny = 1, kSalt };

Statement select_erased{R"(
  SELECT EXISTS (SELECT FROM wearables.erased_ids t
                 WHERE t.id_hash = ANY (ARRAY[$1, $2])
                   AND (t.again_at IS NULL OR $3 < extract(epoch FROM t.again_at) * 1000)))"};
enum { kErased = 1 };

Statement erase_statement{"SELECT wearables_internal.erase_events(ARRAY[$1], ARRAY[$2])"};

struct Known {
  bool valid;
  bool any;
  Digest salt;  // where any
};

constinit Known known{};
constinit Oid erased_ids = InvalidOid;
constinit uint64 changes_heard = 0;

void forget(Datum, Oid table) {
  if (OidIsValid(table) && table != erased_ids) return;
  known.valid = false;
  ++changes_heard;
}

void listen() {
  constinit static bool listening = false;
  if (!listening) CacheRegisterRelcacheCallback(forget, Datum{0});
  listening = true;
  erased_ids = get_relname_relid("erased_ids", get_namespace_oid("wearables", false));
}

bool anybody_erased() {
  AcceptInvalidationMessages();
  if (known.valid) return known.any;
  listen();
  const uint64 changes = changes_heard;
  run(select_salt, {});
  const bool any = get_bool(0, kAny);
  bool null = true;
  const Datum salt = get(0, kSalt, &null);
  // an old snapshot may have shown what a message told before has changed
  known = {changes_heard == changes && !IsolationUsesXactSnapshot() && !(any && null), any && !null, {}};
  if (known.any) memcpy(known.salt.data(), VARDATA_ANY(DatumGetByteaPP(salt)), known.salt.size());
  return known.any;
}

// sha256(salt || convert_to(jsonb_build_array(words)::text, 'UTF8')) of SQL (31_erasure.sql), whose functions would
// cost more than the look-up. In the current context.
Arg hash_of(std::initializer_list<std::string_view> words) {
  StringInfoData text;
  initStringInfo(&text);
  for (const std::string_view word : words) {
    appendStringInfoString(&text, text.len == 0 ? "[" : ", ");
    escape_json(&text, pnstrdup(word.data(), word.size()));
  }
  appendStringInfoChar(&text, ']');
  StringInfoData salted;
  initStringInfo(&salted);
  appendBinaryStringInfo(&salted, reinterpret_cast<const char*>(known.salt.data()),
                         static_cast<int>(known.salt.size()));
  appendStringInfoString(&salted, pg_server_to_any(text.data, text.len, PG_UTF8));
  const std::string_view message(salted.data, salted.len);
  const Digest digest = call_core([&]() -> Result<Digest> { return sha256(message); });
  const std::string_view hash = bytes_of(digest);
  return arg_datum(BYTEAOID, PointerGetDatum(cstring_to_text_with_len(hash.data(), static_cast<int>(hash.size()))));
}

}  // namespace

bool is_erased(const NamedIds& ids, int64 origin_ms) {
  if (ids.external_user_id.empty() && ids.client_user_id.empty()) return false;
  if (!anybody_erased()) return false;
  const Arg none = arg_datum(BYTEAOID, Datum{0}, true);
  UserSpace space;
  const bool named = !ids.external_user_id.empty() && find_user_space(ids.endpoint, &space);
  run(select_erased,
      {named ? hash_of({"external", space.vendor, space.environment, ids.external_user_id}) : none,
       ids.client_user_id.empty() ? none : hash_of({"client", ids.client_user_id}), arg_int8(origin_ms)});
  return get_bool(0, kErased);
}

bool is_erased(const Event& event) {
  return is_erased({event.endpoint, event.external_user_id, event.client_user_id}, version_origin_ms(event.version));
}

uint64 erasures_told() {
  (void)anybody_erased();
  return changes_heard;
}

void erase_event(const Event& event) {
  run(erase_statement, {arg_int8(event.event_id), arg_instant(event.received_at)});
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_erased_ids_changed);

Datum wearables_erased_ids_changed(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TriggerData* data = trigger_on(fcinfo, "erased_ids_changed", {"erased_ids"});
  CacheInvalidateRelcache(data->tg_relation);
  return PointerGetDatum(nullptr);
}
}
