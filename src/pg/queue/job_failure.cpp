// A failure is recorded in a transaction of its own, after that of the attempt was rolled back. In it the job's row is
// locked first and whatever the kind marks after it, as the order of locks has it (lock.h). Nobody would come back to a
// dead letter whose recording failed, so the recording itself is retried and then reduced.
#include "core/queue/retry.h"

#include "pg/queue/job_failure.h"
#include "pg/queue/job_transaction.h"
#include "pg/queue/status.h"
#include "pg/queue/trouble.h"
#include "pg/server/settings.h"
#include "pg/server/stop_point.h"

extern "C" {
#include "common/pg_prng.h"
}

namespace wearables::pg {

namespace {

// Of this session: the last time that any job succeeded.
constinit TimestampTz last_success = 0;

// What the schema refuses may be an upgrade under way. But where others succeed meanwhile, it is this job; and where it
// has failed by itself before.
bool is_this_job(const Job& job) {
  return job.attempt > 1 || (job.waiting_since != 0 && last_success > job.waiting_since);
}

bool puts_off(const RetryRule& rule, int sqlstate) {
  for (int i = 0; i < rule.put_off_count; ++i) {
    if (rule.put_off_classes[i] == ERRCODE_TO_CATEGORY(sqlstate)) return true;
  }
  return false;
}

FailureAction count_attempt(const Job& job) {
  return job.attempt >= max_attempts(*job.kind) ? FailureAction::kFail : FailureAction::kRetry;
}

void make_dead_letter(const JobFailure& failure) {
  const Job& job = *failure.job;
  if (!fail_job(job, failure.sqlstate, failure.error)) return;
  if (job.kind->give_up == nullptr) return;
  if (!job.kind->give_up(job, failure.sqlstate, failure.error)) delete_dead_letter(job);
}

void record(void* arg) {
  const auto* failure = static_cast<JobFailure*>(arg);
  const Job& job = *failure->job;
  stop_point("record");
  switch (failure->action) {
    case FailureAction::kRetry:
      (void)retry_job(job, delay_after(job), failure->sqlstate, failure->error);
      break;
    case FailureAction::kPutOff:
      (void)put_off_job(job, failure->sqlstate, failure->error);
      break;
    case FailureAction::kFail:
      make_dead_letter(*failure);
      break;
    case FailureAction::kFailAlone:
      (void)fail_job(job, failure->sqlstate, failure->error);
      break;
  }
}

// What the recording itself met. Where that will pass, the job comes again; else it is a dead letter alone.
void record_less(JobFailure* failure, const ErrorData* error) {
  if (failure->action == FailureAction::kFail && trouble_of(error->sqlerrcode) != Trouble::kEnvironment) {
    failure->action = FailureAction::kFailAlone;
    failure->error =
        psprintf("%s; %s: %s", failure->error,
                 failure->job->event_id != 0 ? "the event could not be updated" : "the failure could not be recorded",
                 describe(error->sqlerrcode, error->message));
  } else if (failure->action != FailureAction::kFailAlone) {
    failure->action = FailureAction::kPutOff;
  }
}

}  // namespace

FailureAction decide_failure(const Job& job, int sqlstate) {
  if (puts_off(job.kind->retry, sqlstate)) return FailureAction::kPutOff;
  switch (trouble_of(sqlstate)) {
    case Trouble::kBadData:
    case Trouble::kTooLarge:
      return FailureAction::kFail;
    case Trouble::kEnvironment:
      return FailureAction::kPutOff;
    case Trouble::kSchema:
      return is_this_job(job) ? count_attempt(job) : FailureAction::kPutOff;
    case Trouble::kCanceled:
      return is_statement_timeout() ? count_attempt(job) : FailureAction::kPutOff;
    case Trouble::kOther:
      break;
  }
  return count_attempt(job);
}

double delay_after(const Job& job) {
  const RetryRule& rule = job.kind->retry;
  const double base = rule.base_seconds < 0 ? settings().retry_base_seconds : rule.base_seconds;
  const RetryPolicy policy{base, rule.cap_seconds, rule.jitter};
  return retry_delay_seconds(policy, job.attempt, pg_prng_double(&pg_global_prng_state));
}

void note_success() noexcept { last_success = GetCurrentTimestamp(); }

// What is not of the environment is tried once more as it is. The chain ends with a job that stays under its lease:
// this session reclaims it at its next turn.
ErrorData* record_failure(JobFailure failure) {
  Assert(failure.job->kind != nullptr);
  ErrorData* cancel = nullptr;
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    ErrorData* error = in_patient_transaction(record, &failure);
    if (error == nullptr) break;
    if (is_cancel(error)) {
      cancel = error;
    } else if (round > 0 || trouble_of(error->sqlerrcode) == Trouble::kEnvironment) {
      record_less(&failure, error);
    }
    if (round < kRounds - 1) continue;
    note_error(error->sqlerrcode, failure.job->job_id);
    ereport(LOG,
            (errcode(error->sqlerrcode),
             errmsg("wearables_ingest could not record the failure of job %lld",
                    static_cast<long long>(failure.job->job_id)),
             errdetail("SQLSTATE %s.", unpack_sql_state(error->sqlerrcode)),
             errhint("The job is tried again. Check whether a trigger or constraint was added to wearables.jobs.")));
  }
  return cancel;
}

}  // namespace wearables::pg
