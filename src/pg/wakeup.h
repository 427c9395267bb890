// Waking the workers of this database when the transaction that made work commits. The latches stand in
// shared memory; without preloading there are none, and waking does nothing.
#pragma once

#include <cstdint>

namespace wearables::pg {

inline constexpr int kMaxWorkers = 64;  // of the whole server

// In _PG_init, while preloading: asks for the shared memory.
void request_wakeup_memory();

// Once per transaction; the latches are set after the commit is visible.
void wake_at_commit();

// A worker puts its latch where committing sessions find it; false when all places are taken.
bool register_worker();
void unregister_worker() noexcept;

// Workers of this database, -1 when the library is not preloaded.
int registered_workers() noexcept;

// When the shared memory was made: no lease older than this has a living holder. 0 without preloading.
std::int64_t shared_memory_made_at() noexcept;

}  // namespace wearables::pg
