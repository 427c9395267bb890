// A job of one transaction is deleted before its work, in the same transaction: nobody else can take it until that has
// ended, and an abort brings the row back. A job with work outside is locked in its first and its last transaction
// only; in between its lease stands for it, and the last transaction does nothing where the claim has changed hands
// (R8).
#include <algorithm>

#include "pg/queue/attempt.h"

#include "pg/queue/job_transaction.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

// What triggers and constraints of the site have put off to the commit is done here, where it can be told from others.
void run_deferred_triggers() {
  auto* all = makeNode(ConstraintsSetStmt);
  all->deferred = false;
  AfterTriggerSetState(all);
}

// --- One transaction

void work_step(void* arg) {
  auto* job = static_cast<Job*>(arg);
  stop_point("begin");
  if (!finish_job(*job)) return;
  stop_point("finished");
  job->kind->work(job);
  run_deferred_triggers();
  stop_point("before commit");
}

struct Preparation {
  Job* job;
  const char* obstacle;  // null: the work has what it needs
};

void prepare_step(void* arg) {
  auto* preparation = static_cast<Preparation*>(arg);
  preparation->obstacle = preparation->job->kind->prepare(preparation->job);
}

AttemptResult attempt_in_transaction(Job* job) {
  // what is prepared may be taken away before it is used: that must not go on for ever
  constexpr int kMaxRounds = 10;
  const JobKind& kind = *job->kind;
  const char* obstacle = "sources or metrics that the job needs are deleted concurrently";
  for (int round = 0; round < kMaxRounds; ++round) {
    ErrorData* error = in_transaction(work_step, job);
    if (kind.release != nullptr) kind.release(*job);
    if (error == nullptr) return attempt_succeeded();
    if (kind.needs_preparation == nullptr || !kind.needs_preparation(error->sqlerrcode)) return attempt_failed(error);
    Preparation preparation{job, nullptr};
    error = in_transaction(prepare_step, &preparation);
    if (error != nullptr) return attempt_failed(error);
    if (preparation.obstacle != nullptr) {
      obstacle = preparation.obstacle;
      break;
    }
  }
  return {false, ERRCODE_LOCK_NOT_AVAILABLE, obstacle, nullptr};
}

// --- With work outside

struct Outside {
  Job* job;
  bool is_lost;
};

void begin_step(void* arg) {
  auto* outside = static_cast<Outside*>(arg);
  stop_point("begin");
  outside->is_lost = !hold_claim(*outside->job);
  if (!outside->is_lost && outside->job->kind->begin != nullptr) outside->job->kind->begin(outside->job);
}

void outside_step(void* arg) {
  auto* job = static_cast<Job*>(arg);
  job->kind->outside(job);
}

void end_step(void* arg) {
  auto* outside = static_cast<Outside*>(arg);
  Job* job = outside->job;
  outside->is_lost = !hold_claim(*job);
  if (outside->is_lost) return;
  const JobEnd end = job->kind->end(job);
  const bool ended = end.done ? finish_job(*job) : reschedule_job(*job, end.again_after);
  // the row has been locked since hold_claim()
  Assert(ended);
  (void)ended;
  run_deferred_triggers();
  stop_point("before commit");
}

AttemptResult attempt_with_outside(Job* job) {
  const JobKind& kind = *job->kind;
  bool lost = false;
  ErrorData* error = begin_outside(job, &lost);
  if (error == nullptr && !lost) error = in_no_transaction(outside_step, job);
  if (error == nullptr && !lost) error = end_outside(job, &lost);
  if (kind.release != nullptr) kind.release(*job);
  return error == nullptr ? attempt_succeeded() : attempt_failed(error);
}

}  // namespace

AttemptResult attempt_succeeded() noexcept { return {true, 0, nullptr, nullptr}; }
AttemptResult attempt_failed(ErrorData* error) noexcept { return {false, error->sqlerrcode, error->message, error}; }

ErrorData* begin_outside(Job* job, bool* lost) {
  Outside outside{job, false};
  ErrorData* error = in_transaction(begin_step, &outside);
  *lost = outside.is_lost;
  return error;
}

ErrorData* end_outside(Job* job, bool* lost) {
  Outside outside{job, false};
  ErrorData* error = in_transaction(end_step, &outside);
  *lost = outside.is_lost;
  return error;
}

AttemptResult attempt_job(Job* job) {
  Assert(job->kind != nullptr && job->kind->flight == nullptr && job->leased_by == MyProcPid);
  job->state = MemoryContextAllocZero(job->context, std::max<size_t>(job->kind->state_size, 1));
  return job->kind->outside == nullptr ? attempt_in_transaction(job) : attempt_with_outside(job);
}

}  // namespace wearables::pg
