// The queue: claim in a short durable transaction, one transaction per event, failure recorded apart.
#pragma once

#include "pg/server.h"

namespace wearables::pg {

// What a session does between two looks at the clock. Runs within a non-atomic SPI connection: it commits.
struct DrainResult {
  int64 done;      // jobs worked on, failed ones included
  bool more;       // stopped by max_jobs, not by want of ready jobs
};

// Takes back jobs whose holder is gone or whose lease has run out, then works until no job is ready or
// max_jobs (0: no bound) are done. Refuses any isolation but READ COMMITTED. A caller that is no portal's
// has an active snapshot, and has one again afterwards.
DrainResult drain(int64 max_jobs);

}  // namespace wearables::pg
