// One attempt of a claimed job: the transactions that its kind's handler runs in.
#pragma once

#include "pg/queue/job.h"

namespace wearables::pg {

// How it ended. `error` is what was raised, null where nothing was; all in the current context.
struct AttemptResult {
  bool succeeded;
  int sqlstate;
  const char* message;
  ErrorData* error;
};

// Runs the handler. Afterwards the job's row is gone, or comes again as the handler said, where the attempt succeeded;
// else it is still claimed. A claim that was lost counts as success: what becomes of the job is another session's
// affair.
AttemptResult attempt_job(Job* job);

// The transactions before and after work outside: what went wrong, null for nothing. `lost`: the claim was lost, and
// nothing is to be done any more.
ErrorData* begin_outside(Job* job, bool* lost);
ErrorData* end_outside(Job* job, bool* lost);

AttemptResult attempt_succeeded() noexcept;
AttemptResult attempt_failed(ErrorData* error) noexcept;

}  // namespace wearables::pg
