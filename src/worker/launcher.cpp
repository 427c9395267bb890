// Looks once a second which databases are to have workers, starts what is missing and stops what is too many. It is
// connected to no database, holds no lock beyond a scan of pg_database, and keeps what it started in memory that lives
// as long as the process. A worker that ended is started anew after kRestartSeconds.
// RENAME, DROP, SET TABLESPACE and CREATE DATABASE ... TEMPLATE lock the database against new sessions and then wait
// five seconds for those that are there. That lock is looked for once a second, and the workers of such a database are
// stopped in time. They come back when it is gone, for until then nobody could connect either.
#include "worker/launcher.h"

#include "pg/server/settings.h"
#include "pg/queue/wakeup.h"
#include "worker/worker.h"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "postmaster/interrupt.h"
#include "tcop/tcopprot.h"
#include "utils/varlena.h"
}

namespace wearables::worker {

namespace {

constexpr int kPollMilliseconds = 1000;

struct Slot {
  Oid database;
  int ordinal;
  TimestampTz started_at;
  BackgroundWorkerHandle* handle;  // null: has ended, and rests before it is started anew
};

struct Slots {
  Slot slots[pg::kMaxWorkers];
  int count;
  bool complained;  // once per want of a place, not once per turn
};

struct DatabaseList {
  Oid databases[pg::kMaxWorkers];
  int count;
};

// Whether a session that connects now would get the lock that it needs. The lock is not kept.
bool can_be_connected_to(Oid database) {
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
  if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL) return false;
  LockRelease(&tag, RowExclusiveLock, false);
  return true;
}

// The configured names that can be connected to. A missing database is not an error: it may come.
DatabaseList wanted_databases() {
  DatabaseList wanted{};
  char* names = pstrdup(pg::settings().databases == nullptr ? "" : pg::settings().databases);
  List* list = NIL;
  if (!SplitIdentifierString(names, ',', &list)) return wanted;
  Relation relation = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(relation, 0, nullptr);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection))) {
    const auto* database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    if (!database->datallowconn || database->datistemplate) continue;
    ListCell* cell;
    foreach (cell, list) {
      if (strcmp(static_cast<char*>(lfirst(cell)), NameStr(database->datname)) != 0) continue;
      if (wanted.count < pg::kMaxWorkers && can_be_connected_to(database->oid))
        wanted.databases[wanted.count++] = database->oid;
      break;
    }
  }
  table_endscan(scan);
  table_close(relation, AccessShareLock);
  return wanted;
}

bool is_wanted(const DatabaseList& wanted, const Slot& slot) {
  if (slot.ordinal >= pg::settings().workers) return false;
  for (int i = 0; i < wanted.count; ++i) {
    if (wanted.databases[i] == slot.database) return true;
  }
  return false;
}

bool has_ended(BackgroundWorkerHandle* handle) {
  pid_t pid;
  return GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}

// A worker that fails at once must not be started at once, again and again.
bool rests(const Slot& slot) {
  return !TimestampDifferenceExceeds(slot.started_at, GetCurrentTimestamp(), kRestartSeconds * 1000);
}

// Its end is no failure that problems should tell of.
void stop(const Slot& slot) {
  pid_t pid;
  if (GetBackgroundWorkerPid(slot.handle, &pid) == BGWH_STARTED) pg::expect_exit(pid);
  TerminateBackgroundWorker(slot.handle);
}

// Forgets workers that ended, stops those no longer asked for.
void sweep(Slots* slots, const DatabaseList& wanted) {
  int kept = 0;
  for (int i = 0; i < slots->count; ++i) {
    Slot slot = slots->slots[i];
    if (slot.handle != nullptr && has_ended(slot.handle)) {
      pfree(slot.handle);
      slot.handle = nullptr;
    }
    if (slot.handle == nullptr && !rests(slot)) continue;
    if (slot.handle != nullptr && !is_wanted(wanted, slot)) stop(slot);
    slots->slots[kept++] = slot;
  }
  slots->count = kept;
}

bool runs(const Slots& slots, Oid database, int ordinal) {
  for (int i = 0; i < slots.count; ++i) {
    if (slots.slots[i].database == database && slots.slots[i].ordinal == ordinal) return true;
  }
  return false;
}

void complain_once(Slots* slots) {
  if (slots->complained) return;
  slots->complained = true;
  ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                errmsg("wearables_ingest could not start another worker"), errhint("Increase max_worker_processes.")));
}

void start_missing(Slots* slots, const DatabaseList& wanted) {
  for (int i = 0; i < wanted.count; ++i) {
    for (int ordinal = 0; ordinal < pg::settings().workers; ++ordinal) {
      if (slots->count == pg::kMaxWorkers || runs(*slots, wanted.databases[i], ordinal)) continue;
      Slot slot{wanted.databases[i], ordinal, GetCurrentTimestamp(), nullptr};
      MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
      const bool started = start_worker(slot.database, ordinal, &slot.handle);
      MemoryContextSwitchTo(old);
      if (!started) {
        complain_once(slots);
        return;
      }
      slots->complained = false;
      slots->slots[slots->count++] = slot;
    }
  }
}

void turn(Slots* slots) {
  StartTransactionCommand();
  (void)GetTransactionSnapshot();
  const DatabaseList wanted = wanted_databases();
  CommitTransactionCommand();
  sweep(slots, wanted);
  start_missing(slots, wanted);
}

void wait_for_something() {
  (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMilliseconds, PG_WAIT_EXTENSION);
  ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
  }
}

}  // namespace

void register_launcher() {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = kRestartSeconds;
  strlcpy(worker.bgw_library_name, kLibrary, sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "wearables_launcher_main", sizeof worker.bgw_function_name);
  strlcpy(worker.bgw_name, "wearables_ingest launcher", sizeof worker.bgw_name);
  strlcpy(worker.bgw_type, "wearables_ingest launcher", sizeof worker.bgw_type);
  RegisterBackgroundWorker(&worker);
}

}  // namespace wearables::worker

extern "C" {
PGDLLEXPORT void wearables_launcher_main(Datum);

void wearables_launcher_main(Datum) {
  using namespace wearables::worker;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  auto* slots = static_cast<Slots*>(MemoryContextAllocZero(TopMemoryContext, sizeof(Slots)));
  for (;;) {
    turn(slots);
    wait_for_something();
  }
}
}
