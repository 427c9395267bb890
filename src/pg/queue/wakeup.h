// Waking the workers of this database when the transaction that made work commits. The latches stand in
// shared memory; without preloading there are none, and waking does nothing.
#pragma once

#include <cstdint>

#include "pg/queue/status.h"

namespace wearables::pg {

// In _PG_init, while preloading: asks for the shared memory.
void request_wakeup_memory();

// Once per transaction; the latches are set after the commit is visible.
void wake_at_commit();

// The same at once, for one whose transaction has ended.
void wake_now() noexcept;

// A worker puts its latch where committing sessions find it, and gets the slot of its status; null when all are taken.
WorkerStatus* register_worker();
// `by_error`: the session ends otherwise than by returning from its main function.
void unregister_worker(bool by_error) noexcept;
// The launcher is about to stop the worker of that process id: its end does not count as one by error.
void expect_exit(int pid) noexcept;

// When this database's workers ended by error, the last kMaxExits of the whole server; returns how many.
inline constexpr int kMaxExits = 64;
int copy_exits(TimestampTz* exits) noexcept;

// The slots of this database's workers, copied into `workers`; returns how many, -1 when the library is not preloaded.
struct WorkerInfo {
  int pid;
  WorkerStatus status;
};
int copy_workers(WorkerInfo* workers);

// Workers of this database, -1 when the library is not preloaded.
int registered_workers() noexcept;

// When the shared memory was made: no lease older than this has a living holder. 0 without preloading.
std::int64_t shared_memory_made_at() noexcept;

}  // namespace wearables::pg
