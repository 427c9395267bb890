// What the workers are doing, where every session sees it: slots in shared memory, one a worker. Without preloading
// there are none, and nothing is noted.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

inline constexpr int kMaxWorkers = 64;  // of the whole server

enum class Doing { kIdle, kDraining, kMaintaining, kPaused, kWaitingForSchema, kInTrouble };

// Numbers only: an error is its SQLSTATE, for its text may be anybody's. Written by its worker, read by all; a reader
// may see fields of two moments.
struct WorkerStatus {
  Doing doing;
  int64 job_id, event_id;  // 0: none
  TimestampTz since;       // of this
  TimestampTz started_at;
  int64 done, failed;    // jobs since it started
  int last_sqlstate;     // 0: none yet
  int64 last_error_job;  // 0: not of a job
  TimestampTz last_error_at;
  int maintenance_sqlstate;   // of the last maintenance that failed; 0: it succeeded
  TimestampTz maintained_at;  // when it last succeeded
  int64 memory;               // bytes in its memory contexts, now and then
};

// A worker's slot, once it has one; null for any other session.
void take_status(WorkerStatus* status) noexcept;
WorkerStatus* own_status() noexcept;

void note_doing(Doing doing) noexcept;
void note_job(int64 job_id, int64 event_id) noexcept;
void note_error(int sqlstate, int64 job_id) noexcept;

}  // namespace wearables::pg
