#include "core/queue/retry.h"

#include "pg/ingest/ingest.h"
#include "pg/queue/job_failure.h"
#include "pg/queue/job_transaction.h"
#include "pg/server/settings.h"
#include "pg/queue/status.h"
#include "pg/server/stop_point.h"
#include "pg/queue/trouble.h"

extern "C" {
#include "common/pg_prng.h"
}

namespace wearables::pg {

namespace {

// Of this session: the last time that any job succeeded.
constinit TimestampTz last_success = 0;

// What the schema refuses may be an upgrade under way. But where others succeed meanwhile, it is this event; and where
// it has failed by itself before.
bool is_this_event(const Job& job) {
  return job.attempt > 1 || (job.waiting_since != 0 && last_success > job.waiting_since);
}

Ruling attempt_failed(const Job& job) {
  return job.attempt >= settings().max_attempts ? Ruling::kBury : Ruling::kRetry;
}

// A dead letter, and its event marked.
void bury(const Recording& recording) {
  const Job& job = *recording.job;
  if (!bury_job(job, recording.sqlstate, recording.error)) return;
  const Failed failed{recording.error, job.revision};
  Event event;
  if (trouble_of(recording.sqlstate) == Trouble::kBadData && load_event_head(job.event_id, job.received_at, &event)) {
    if (refuse(&event, failed, Locks::kTake).status != Status::kFailed) drop_dead_letter(job);
  } else {
    mark_failed(job.event_id, job.received_at, failed, false);
  }
}

void record(void* arg) {
  const auto* recording = static_cast<Recording*>(arg);
  const Job& job = *recording->job;
  stop_point("record");
  switch (recording->ruling) {
    case Ruling::kRetry:
      (void)retry_job(job, delay_after(job), recording->sqlstate, recording->error);
      break;
    case Ruling::kPutOff:
      (void)put_off_job(job, recording->sqlstate, recording->error);
      break;
    case Ruling::kBury:
      bury(*recording);
      break;
    case Ruling::kBuryAlone:
      (void)bury_job(job, recording->sqlstate, recording->error);
      break;
  }
}

// What the recording itself met. Where that will pass, the job comes again; else it is given up without its event.
void record_less(Recording* recording, const ErrorData* error) {
  if (recording->ruling == Ruling::kBury && trouble_of(error->sqlerrcode) != Trouble::kEnvironment) {
    recording->ruling = Ruling::kBuryAlone;
    recording->error = psprintf("%s; the event could not be marked: %s", recording->error,
                                describe(error->sqlerrcode, error->message));
  } else if (recording->ruling != Ruling::kBuryAlone) {
    recording->ruling = Ruling::kPutOff;
  }
}

}  // namespace

Ruling rule(const Job& job, int sqlstate) {
  switch (trouble_of(sqlstate)) {
    case Trouble::kBadData:
    case Trouble::kTooLarge:
      return Ruling::kBury;
    case Trouble::kEnvironment:
      return Ruling::kPutOff;
    case Trouble::kSchema:
      return is_this_event(job) ? attempt_failed(job) : Ruling::kPutOff;
    case Trouble::kCanceled:
      return is_statement_timeout() ? attempt_failed(job) : Ruling::kPutOff;
    case Trouble::kOther:
      break;
  }
  return attempt_failed(job);
}

double delay_after(const Job& job) {
  const RetryPolicy policy{static_cast<double>(settings().retry_base_seconds), 3600.0};
  return retry_delay_seconds(policy, job.attempt, pg_prng_double(&pg_global_prng_state));
}

void note_success() noexcept { last_success = GetCurrentTimestamp(); }

// Nobody would come back to the event of a dead letter: so what is not of the environment is tried once more as it is.
// The chain ends with a job that stays under its lease: this session takes it back at its next turn.
ErrorData* record_failure(Recording recording) {
  ErrorData* cancel = nullptr;
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    ErrorData* error = in_patient_transaction(record, &recording);
    if (error == nullptr) break;
    if (is_cancel(error)) cancel = error;
    else if (round > 0 || trouble_of(error->sqlerrcode) == Trouble::kEnvironment) record_less(&recording, error);
    if (round < kRounds - 1) continue;
    note_error(error->sqlerrcode, recording.job->job_id);
    ereport(LOG, (errcode(error->sqlerrcode),
                  errmsg("wearables_ingest could not record the failure of job %lld", static_cast<long long>(recording.job->job_id)),
                  errdetail("SQLSTATE %s.", unpack_sql_state(error->sqlerrcode)),
                  errhint("It is tried again. Look for a trigger or constraint of your own on wearables.jobs.")));
  }
  return cancel;
}

}  // namespace wearables::pg
