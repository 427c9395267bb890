// What becomes of a job that failed: by its SQLSTATE (trouble.h) and by what was tried before (R12).
#pragma once

#include "pg/queue/job.h"

namespace wearables::pg {

// kBuryAlone: a dead letter whose event could not be marked.
enum class Ruling { kRetry, kPutOff, kBury, kBuryAlone };

struct Recording {
  const Job* job;
  Ruling ruling;
  int sqlstate;
  const char* error;
};

Ruling rule(const Job& job, int sqlstate);

// Records it in a transaction of its own; where that fails, once more, then less of it. Gives a cancel that came in
// between, which the caller raises when all is put in order.
ErrorData* record_failure(Recording recording);

// Seconds until the next attempt.
double delay_after(const Job& job);

// A job of this session has succeeded now: what others meet in the schema is theirs.
void note_success() noexcept;

}  // namespace wearables::pg
