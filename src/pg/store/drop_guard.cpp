// The event trigger that refuses to drop the extension with its data, unless CASCADE says that this is meant. It fires
// before the command has checked any right or taken any lock. Who could not drop the extension anyway gets the
// server's own error, and learns nothing of the tables. The tables are read without a lock first, so that a refusal
// waits for nobody. Only when they are empty are they locked and read again, with a snapshot newer than the locks: a
// row that was committed in between is seen. The extension is locked before its tables, as everywhere
// (hold_extension).
#include "pg/server/server.h"
#include "pg/server/spi.h"

extern "C" {
#include "catalog/pg_extension.h"
#include "commands/event_trigger.h"
#include "nodes/parsenodes.h"
}

namespace wearables::pg {

namespace {

constexpr const char* kExtension = "wearables_ingest";

Statement select_extension{
    "SELECT e.oid, e.extowner FROM pg_catalog.pg_extension e WHERE e.extname = 'wearables_ingest'"};
enum { kExtensionOid = 1, kExtensionOwner };

Statement select_tables_with_rows{R"(
  SELECT string_agg(t.name, ', ' ORDER BY t.ordinal)
  FROM (SELECT 1, 'webhook_events' WHERE EXISTS (SELECT FROM wearables.webhook_events)
        UNION ALL SELECT 2, 'deliveries' WHERE EXISTS (SELECT FROM wearables.deliveries)
        UNION ALL SELECT 3, 'sample_points' WHERE EXISTS (SELECT FROM wearables.sample_points)
        UNION ALL SELECT 4, 'summaries' WHERE EXISTS (SELECT FROM wearables.summaries)) t (ordinal, name))"};
enum { kTablesWithRows = 1 };

// In the order in which most sessions take them; the partitions with their parent.
Statement lock_tables{R"(
  LOCK TABLE wearables.webhook_events, wearables.deliveries, wearables.sample_points, wearables.summaries
  IN ACCESS EXCLUSIVE MODE)"};

struct Extension {
  Oid oid;  // InvalidOid: there is none
  Oid owner;
};

Extension find_extension() {
  if (run(select_extension, {}) == 0) return {InvalidOid, InvalidOid};
  bool null;
  return {DatumGetObjectId(get(0, kExtensionOid, &null)), DatumGetObjectId(get(0, kExtensionOwner, &null))};
}

bool names_extension(const DropStmt* drop) {
  ListCell* cell;
  foreach (cell, drop->objects) {
    if (strcmp(strVal(lfirst(cell)), kExtension) == 0) return true;
  }
  return false;
}

bool names_role(const DropOwnedStmt* drop, Oid role) {
  ListCell* cell;
  foreach (cell, drop->roles) {
    if (get_rolespec_oid(lfirst_node(RoleSpec, cell), true) == role) return true;
  }
  return false;
}

// Whether the command drops the extension without CASCADE, as far as the caller's rights go.
bool drops_without_cascade(const Node* command, const Extension& extension) {
  if (!has_privs_of_role(GetUserId(), extension.owner)) return false;
  if (IsA(command, DropStmt)) {
    const auto* drop = reinterpret_cast<const DropStmt*>(command);
    return drop->removeType == OBJECT_EXTENSION && drop->behavior != DROP_CASCADE && names_extension(drop);
  }
  if (IsA(command, DropOwnedStmt)) {
    const auto* drop = reinterpret_cast<const DropOwnedStmt*>(command);
    return drop->behavior != DROP_CASCADE && names_role(drop, extension.owner);
  }
  return false;
}

void refuse_if_rows(const char* command) {
  run(select_tables_with_rows, {}, SnapshotMode::kCallers);
  const char* tables = copy_text(0, kTablesWithRows, CurrentMemoryContext);
  if (tables == nullptr) return;
  ereport(ERROR,
          (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
           errmsg("cannot drop extension %s because its tables hold data", kExtension),
           errdetail("These tables of schema wearables are not empty: %s. They would be dropped with the extension.",
                     tables),
           errhint("Back up the database with pg_dump, then use %s ... CASCADE to drop the extension with all its "
                   "data. To restore a backup, use a new database instead of pg_restore --clean.",
                   command)));
}

void refuse_if_rows_by_latest_snapshot(const char* command) {
  PushActiveSnapshot(GetLatestSnapshot());
  refuse_if_rows(command);
  PopActiveSnapshot();
}

void guard(const EventTriggerData* data) {
  SPI_connect();
  const Extension extension = find_extension();
  if (OidIsValid(extension.oid) && drops_without_cascade(data->parsetree, extension)) {
    const char* command = IsA(data->parsetree, DropStmt) ? "DROP EXTENSION" : "DROP OWNED BY";
    // row-level security must not hide a row from the question whether there is one
    Oid user;
    int security;
    GetUserIdAndSecContext(&user, &security);
    SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
    refuse_if_rows_by_latest_snapshot(command);
    LockDatabaseObject(ExtensionRelationId, extension.oid, 0, AccessExclusiveLock);
    run(lock_tables, {});
    refuse_if_rows_by_latest_snapshot(command);
    SetUserIdAndSecContext(user, security);
  }
  SPI_finish();
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_refuse_drop);

Datum wearables_refuse_drop(PG_FUNCTION_ARGS) {
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("refuse_drop() was not called by an event trigger")));
  }
  wearables::pg::guard(reinterpret_cast<const EventTriggerData*>(fcinfo->context));
  PG_RETURN_VOID();
}
}
