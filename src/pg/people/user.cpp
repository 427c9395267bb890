// Whose an event is. Rows of users and links are found by key and not locked. make_links() and park() take the parking
// lock: the session holds no user's lock then, or takes no other after it, so that no two wait for each other. A link
// that a registration is making is not waited for under that lock, which the registration wants when it commits. What
// is copied lives in the caller's context.
#include "pg/people/user.h"

#include "pg/people/erasure.h"
#include "pg/people/zone.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"
#include "pg/server/trigger.h"

extern "C" {
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

Statement select_linked{R"(
  SELECT u.user_id, u.erased_at IS NOT NULL
  FROM wearables.user_links l JOIN wearables.users u ON u.user_id = l.user_id
  WHERE l.endpoint = $1 AND l.external_user_id = $2)"};

Statement select_by_client{R"(
  SELECT u.user_id, u.erased_at IS NOT NULL FROM wearables.users u WHERE u.client_user_id = $1)"};

// In the order of the key: of two sessions neither waits for the other's. Who erases the user at this moment is waited
// for, and then there is none.
Statement insert_links{R"(
  INSERT INTO wearables.user_links AS l (endpoint, external_user_id, user_id)
  SELECT n.endpoint, n.external_user_id, u.user_id
  FROM (SELECT DISTINCT ON (x.endpoint COLLATE "C", x.external_user_id COLLATE "C") x.*
        FROM unnest($1::text[], $2::text[], $3::bigint[]) x (endpoint, external_user_id, user_id)
        ORDER BY x.endpoint COLLATE "C", x.external_user_id COLLATE "C") n
  JOIN wearables.users u ON u.user_id = n.user_id AND u.erased_at IS NULL
  ORDER BY n.endpoint COLLATE "C", n.external_user_id COLLATE "C"
  FOR KEY SHARE OF u
  ON CONFLICT (endpoint, external_user_id) DO NOTHING
  RETURNING l.endpoint, l.external_user_id)"};
enum { kMadeEndpoint = 1, kMadeExternalId };

Statement free_parked{"SELECT wearables_internal.free_parked($1, $2, NULL)"};

Statement insert_parked{R"(
  INSERT INTO wearables.parked_events (event_id, received_at, endpoint, external_user_id, client_user_id)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (event_id) DO NOTHING)"};

Statement delete_parked{"DELETE FROM wearables.parked_events p WHERE p.event_id = $1"};

Statement delete_stale_parked{R"(
  DELETE FROM wearables.parked_events p
  WHERE p.event_id = $1 AND NOT EXISTS (
    SELECT FROM wearables.webhook_events e WHERE e.event_id = $1 AND e.received_at = $2 AND e.status = 'parked'))"};

Statement select_zone{"SELECT u.time_zone FROM wearables.users u WHERE u.user_id = $1"};

Statement select_user{"SELECT 1 FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL"};

constinit Oid user_links = InvalidOid;
constinit uint64 link_changes = 0;

void hear_of_links(Datum, Oid table) {
  if (!OidIsValid(table) || table == user_links) ++link_changes;
}

// The columns of select_linked and select_by_client.
enum { kUserId = 1, kUserErased };

int64 found_user() { return get_bool(0, kUserErased) ? -1 : get_int8(0, kUserId); }

}  // namespace

uint64 links_told() {
  constinit static bool listening = false;
  if (!listening) {
    CacheRegisterRelcacheCallback(hear_of_links, Datum{0});
    listening = true;
  }
  user_links = get_relname_relid("user_links", get_namespace_oid("wearables", false));
  AcceptInvalidationMessages();
  return link_changes;
}

int64 user_of(const Event& event, bool* lacks_link) {
  *lacks_link = false;
  if (!event.external_user_id.empty() &&
      run(select_linked, {arg_text(event.endpoint), arg_text(event.external_user_id)}) > 0) {
    return found_user();
  }
  if (event.client_user_id.empty() || run(select_by_client, {arg_text(event.client_user_id)}) == 0) {
    // by whose ids nobody is found any more
    return is_erased(event) ? -1 : 0;
  }
  const int64 user_id = found_user();
  *lacks_link = user_id > 0 && !event.external_user_id.empty();
  return user_id;
}

int64 user_of(const Event& event) {
  bool lacks_link;
  return user_of(event, &lacks_link);
}

int64 identify(const Event& event) {
  bool lacks_link;
  const int64 user_id = user_of(event, &lacks_link);
  if (!lacks_link) return user_id;
  NewLinks links{};
  add_link(event, user_id, &links);
  make_links(links);
  // another session may have made one of that id meanwhile
  return user_of(event);
}

void add_link(const Event& event, int64 user_id, NewLinks* links) {
  if (links->count == links->capacity) {
    links->capacity = Max(8, 2 * links->capacity);
    for (Datum** column : {&links->endpoints, &links->external_ids, &links->users}) {
      const Size size = sizeof(Datum) * links->capacity;
      *column = static_cast<Datum*>(*column == nullptr ? palloc(size) : repalloc_huge(*column, size));
    }
  }
  links->endpoints[links->count] = arg_text(event.endpoint).value;
  links->external_ids[links->count] = arg_text(event.external_user_id).value;
  links->users[links->count++] = Int64GetDatum(user_id);
}

// An event that names the person both ways frees those that name them by the vendor's id alone.
void make_links(const NewLinks& links) {
  const uint64 made = run(insert_links, {arg_array(TEXTOID, links.endpoints, nullptr, links.count),
                                         arg_array(TEXTOID, links.external_ids, nullptr, links.count),
                                         arg_array(INT8OID, links.users, nullptr, links.count)});
  if (made == 0) return;
  auto* endpoints = static_cast<char**>(palloc(sizeof(char*) * made));
  auto* external_ids = static_cast<char**>(palloc(sizeof(char*) * made));
  for (uint64 i = 0; i < made; ++i) {
    endpoints[i] = copy_text(i, kMadeEndpoint, CurrentMemoryContext);
    external_ids[i] = copy_text(i, kMadeExternalId, CurrentMemoryContext);
  }
  lock_parking();
  for (uint64 i = 0; i < made; ++i) run(free_parked, {arg_text(endpoints[i]), arg_text(external_ids[i])});
}

int64 park(const Event& event) {
  Assert(names_somebody(event));
  // A registration frees what is parked under this lock when it commits: without a second look under it, an event could
  // be parked just after, and lie there for ever.
  stop_point("park");
  lock_parking();
  stop_point("parking");
  const int64 user_id = user_of(event);
  if (user_id != 0) return user_id;
  run(insert_parked, {arg_int8(event.event_id), arg_instant(event.received_at), arg_text(event.endpoint),
                      arg_text_or_null(event.external_user_id), arg_text_or_null(event.client_user_id)});
  return 0;
}

void unpark(int64 event_id) { run(delete_parked, {arg_int8(event_id)}); }

void unpark_unless_marked(const Event& event) {
  run(delete_stale_parked, {arg_int8(event.event_id), arg_instant(event.received_at)});
}

bool is_user(int64 user_id) { return run(select_user, {arg_int8(user_id)}) > 0; }

void find_zone_of(int64 user_id, Zone* zone) {
  const bool found = run(select_zone, {arg_int8(user_id)}) > 0;
  // what is stored was known when it was stored
  require_zone(found ? copy_text(0, 1, CurrentMemoryContext) : "UTC", zone);
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_user_links_changed);

Datum wearables_user_links_changed(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TriggerData* data = trigger_on(fcinfo, "user_links_changed", {"user_links"});
  CacheInvalidateRelcache(data->tg_relation);
  return PointerGetDatum(nullptr);
}
}
