// Whether anybody was erased is kept by the session, for the receive step asks for each delivery and almost nobody ever
// was. A trigger on erased_ids makes every session that sees a change look again: at its commit, or at once for the
// session that makes it. Messages are accepted before each answer, so that who waited for the lock of a user whom
// another session has erased meanwhile is told so. No lock is taken here.
#include "pg/people/erasure.h"

#include "core/write/version.h"

#include "pg/server/spi.h"
#include "pg/server/trigger.h"

extern "C" {
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

Statement select_any{"SELECT EXISTS (SELECT FROM wearables.erased_ids)"};
enum { kAny = 1 };

// The hashes are those of external_id_hash() and client_id_hash() (31_erasure.sql), written out: to call a function for
// each costs more than all the rest.
Statement select_erased{R"(
  SELECT EXISTS (
    SELECT FROM wearables.erased_ids t
    WHERE t.id_hash = ANY (ARRAY[
        (SELECT sha256(s.salt || convert_to(jsonb_build_array('external', e.vendor, e.environment, $2)::text, 'UTF8'))
         FROM wearables_internal.erasure_salt s CROSS JOIN wearables.endpoints e
         WHERE e.name = $1 AND $2 IS NOT NULL),
        (SELECT sha256(s.salt || convert_to(jsonb_build_array('client', $3)::text, 'UTF8'))
         FROM wearables_internal.erasure_salt s WHERE $3 IS NOT NULL)])
      AND (t.again_at IS NULL OR $4 < extract(epoch FROM t.again_at) * 1000)))"};
enum { kErased = 1 };

Statement erase_statement{"SELECT wearables_internal.erase_events(ARRAY[$1], ARRAY[$2])"};

struct Known {
  bool valid;
  bool any;
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
  run(select_any, {});
  const bool any = get_bool(0, kAny);
  // an old snapshot may have shown what a message told before has changed
  known = {changes_heard == changes && !IsolationUsesXactSnapshot(), any};
  return any;
}

}  // namespace

bool is_erased(const NamedIds& ids, int64 origin_ms) {
  if (ids.external_user_id.empty() && ids.client_user_id.empty()) return false;
  if (!anybody_erased()) return false;
  run(select_erased, {arg_text(ids.endpoint), arg_text_or_null(ids.external_user_id),
                      arg_text_or_null(ids.client_user_id), arg_int8(origin_ms)});
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
