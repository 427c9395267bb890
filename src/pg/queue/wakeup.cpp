// Latches and status of the workers, in shared memory under one lightweight lock that is held for a few stores. A
// session that made work sets the latches after its commit, when what it made is visible. A worker writes its own
// status without the lock: numbers that a reader may see of two moments.
#include "pg/live/live.h"
#include "pg/people/access.h"
#include "pg/receive/activity.h"
#include "pg/queue/wakeup.h"

#include "pg/server/server.h"

namespace wearables::pg {

namespace {

struct WorkerSlot {
  Oid database;  // InvalidOid: free
  PGPROC* worker;
  bool exit_expected;
  WorkerStatus status;
};

struct Shared {
  LWLock* lock;
  TimestampTz made_at;
  WorkerSlot slots[kMaxWorkers];
  int64 exit_count;  // since the server started
  struct {
    Oid database;
    TimestampTz at;
  } exits[kMaxExits];  // the last of them, in a ring
};

constinit Shared* shared = nullptr;
constinit shmem_request_hook_type next_request = nullptr;
constinit shmem_startup_hook_type next_startup = nullptr;
constinit bool wake_wanted = false;
constinit bool callback_registered = false;

constexpr const char* kName = "wearables_ingest";

void request_memory() {
  if (next_request != nullptr) next_request();
  RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
  RequestAddinShmemSpace(activity_size());
  RequestAddinShmemSpace(live_size());
  RequestAddinShmemSpace(accesses_size());
  RequestNamedLWLockTranche(kName, 4);
}

void make_memory() {
  if (next_startup != nullptr) next_startup();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found;
  shared = static_cast<Shared*>(ShmemInitStruct(kName, sizeof(Shared), &found));
  if (!found) {
    memset(shared, 0, sizeof(Shared));
    shared->lock = &GetNamedLWLockTranche(kName)->lock;
    shared->made_at = GetCurrentTimestamp();
  }
  void* activity = ShmemInitStruct("wearables_ingest activity", activity_size(), &found);
  attach_activity(activity, !found, &GetNamedLWLockTranche(kName)[1].lock);
  void* live = ShmemInitStruct("wearables_ingest live", live_size(), &found);
  attach_live(live, !found, &GetNamedLWLockTranche(kName)[2].lock);
  attach_accesses(&GetNamedLWLockTranche(kName)[3].lock);
  LWLockRelease(AddinShmemInitLock);
}

void set_latches() {
  LWLockAcquire(shared->lock, LW_SHARED);
  for (const WorkerSlot& slot : shared->slots) {
    if (slot.database == MyDatabaseId) SetLatch(&slot.worker->procLatch);
  }
  LWLockRelease(shared->lock);
}

void at_transaction_end(XactEvent event, void*) {
  if (!wake_wanted) return;
  switch (event) {
    case XACT_EVENT_COMMIT:
      wake_wanted = false;
      set_latches();
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      wake_wanted = false;
      break;
    default:
      break;
  }
}

}  // namespace

void request_wakeup_memory() {
  next_request = shmem_request_hook;
  shmem_request_hook = request_memory;
  next_startup = shmem_startup_hook;
  shmem_startup_hook = make_memory;
}

void wake_at_commit() {
  if (shared == nullptr) return;
  if (!callback_registered) {
    RegisterXactCallback(at_transaction_end, nullptr);
    callback_registered = true;
  }
  wake_wanted = true;
}

void wake_now() noexcept {
  if (shared != nullptr) set_latches();
}

WorkerStatus* register_worker() {
  WorkerStatus* status = nullptr;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  for (WorkerSlot& slot : shared->slots) {
    if (slot.database != InvalidOid) continue;
    slot = {MyDatabaseId, MyProc, false, {}};
    slot.status.started_at = slot.status.since = GetCurrentTimestamp();
    status = &slot.status;
    break;
  }
  LWLockRelease(shared->lock);
  return status;
}

int copy_workers(WorkerInfo* workers) {
  if (shared == nullptr) return -1;
  int count = 0;
  LWLockAcquire(shared->lock, LW_SHARED);
  for (const WorkerSlot& slot : shared->slots) {
    if (slot.database == MyDatabaseId) workers[count++] = {slot.worker->pid, slot.status};
  }
  LWLockRelease(shared->lock);
  return count;
}

void unregister_worker(bool by_error) noexcept {
  if (shared == nullptr) return;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  for (WorkerSlot& slot : shared->slots) {
    if (slot.database == InvalidOid || slot.worker != MyProc) continue;
    if (by_error && !slot.exit_expected)
      shared->exits[shared->exit_count++ % kMaxExits] = {slot.database, GetCurrentTimestamp()};
    slot = {InvalidOid, nullptr, false, {}};
  }
  LWLockRelease(shared->lock);
}

void expect_exit(int pid) noexcept {
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  for (WorkerSlot& slot : shared->slots) {
    if (slot.database != InvalidOid && slot.worker->pid == pid) slot.exit_expected = true;
  }
  LWLockRelease(shared->lock);
}

int registered_workers() noexcept {
  if (shared == nullptr) return -1;
  int count = 0;
  LWLockAcquire(shared->lock, LW_SHARED);
  for (const WorkerSlot& slot : shared->slots) count += slot.database == MyDatabaseId ? 1 : 0;
  LWLockRelease(shared->lock);
  return count;
}

int copy_exits(TimestampTz* exits) noexcept {
  if (shared == nullptr) return 0;
  int count = 0;
  LWLockAcquire(shared->lock, LW_SHARED);
  for (const auto& exit : shared->exits) {
    if (exit.database == MyDatabaseId && exit.at != 0) exits[count++] = exit.at;
  }
  LWLockRelease(shared->lock);
  return count;
}

int64 shared_memory_made_at() noexcept { return shared == nullptr ? 0 : shared->made_at; }

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_wake_workers);
PG_FUNCTION_INFO_V1(wearables_worker_count);
PG_FUNCTION_INFO_V1(wearables_worker_exits);

Datum wearables_wake_workers(PG_FUNCTION_ARGS) {
  wearables::pg::wake_at_commit();
  PG_RETURN_VOID();
}

Datum wearables_worker_count(PG_FUNCTION_ARGS) {
  const int count = wearables::pg::registered_workers();
  if (count < 0) PG_RETURN_NULL();
  PG_RETURN_INT32(count);
}

Datum wearables_worker_exits(PG_FUNCTION_ARGS) {
  InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  TimestampTz exits[wearables::pg::kMaxExits];
  const int count = wearables::pg::copy_exits(exits);
  for (int i = 0; i < count; ++i) {
    Datum value = TimestampTzGetDatum(exits[i]);
    bool null = false;
    tuplestore_putvalues(result->setResult, result->setDesc, &value, &null);
  }
  return Datum{0};
}
}
