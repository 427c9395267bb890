// A worker: drains the queue of one database until told to stop. Woken by the latch at commit of whoever
// made work (pg/queue/wakeup.h), and by a slow poll as safety net.
#pragma once

#include "pg/server/server.h"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace wearables::worker {

inline constexpr const char* kLibrary = "wearables_ingest";
inline constexpr int kRestartSeconds = 2;

// Starts one worker of the database; false when the server has no place for it.
bool start_worker(Oid database, int ordinal, BackgroundWorkerHandle** handle);

}  // namespace wearables::worker
