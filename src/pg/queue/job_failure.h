// What becomes of a job that failed: by its SQLSTATE (trouble.h), its kind's retry rule and what was tried before
// (R12).
#pragma once

#include "pg/queue/job.h"

namespace wearables::pg {

// kFailAlone: a dead letter whose kind could not note the failure.
enum class FailureAction { kRetry, kPutOff, kFail, kFailAlone };

struct JobFailure {
  const Job* job;
  FailureAction action;
  int sqlstate;
  const char* error;
};

FailureAction decide_failure(const Job& job, int sqlstate);

// Records it in a transaction of its own; where that fails, once more, then less of it. Gives a cancel that came in
// between, which the caller raises when all is put in order.
ErrorData* record_failure(JobFailure failure);

// Seconds until the next attempt.
double delay_after(const Job& job);

// A job of this session has succeeded now: what others meet in the schema is theirs.
void note_success() noexcept;

}  // namespace wearables::pg
