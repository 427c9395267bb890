// The rows of the queue. Whoever claims a job holds it under a lease. A claim is known by its session and its instant,
// so that a session whose lease was lost changes nothing of what another one does with the job (R8).
// All within SPI, as owner; the caller commits.
#pragma once

#include "pg/queue/job_kind.h"
#include "pg/server/server.h"

namespace wearables::pg {

struct Job {
  const JobKind* kind;
  int64 job_id;
  int64 event_id;           // 0: it is about no event
  TimestampTz received_at;  // of the event
  Jsonb* argument;          // null: none; owned by `context`
  int32 leased_by;          // with leased_at: this claim
  TimestampTz leased_at;
  TimestampTz waiting_since;  // 0: it was not put off
  int32 attempt;              // the number of this one
  bool suspect;               // claimed alone, its attempt counted already
  MemoryContext context;      // outlives the attempt
  void* state;                // of the kind's handler, JobKind::state_size bytes
};

// The number of that name in the job's argument; 0 where there is none.
int64 id_in_argument(const Job& job, const char* name);

// Claims up to `wanted` jobs of these kinds that are due, into `jobs`, and returns how many. Jobs of priority 0 of all
// kinds come before others. Within a kind the order is priority, then age; the kinds take turns at being asked first.
// The jobs stand in the order of their ids, those with work outside of a transaction last. Commit durably before the
// work. What the jobs hold lives in `context`.
int claim_jobs(const JobKindSet& kinds, Job* jobs, int wanted, MemoryContext context);

// When it is worth to claim again, where the last claim_jobs() did not look at jobs of some kind: another session was
// claiming of it, or a scan is dear at the moment. 0: it has looked at all.
TimestampTz claim_skipped_until(const JobKindSet& kinds);

// Claims one job whose session was lost, if no other such is worked on anywhere, of whatever kind: whatever took its
// holder down is then the only one that pays for it. Its attempt is counted: commit durably before the work.
bool claim_suspect(const JobKindSet& kinds, Job* job, MemoryContext context);

// Locks the job's row until the transaction ends. False when the claim was lost; so for all that follow.
bool hold_claim(const Job& job);

// Deletes the job. Before its work the row is then ours until the transaction ends, and an abort brings it back.
bool finish_job(const Job& job);

// The job comes again after `delay` seconds, with its attempts as they were.
bool reschedule_job(const Job& job, double delay);

// After an attempt that counts; `delay` in seconds.
bool retry_job(const Job& job, double delay, int sqlstate, const char* error);
// For something outside the job: no attempt, and longer each time.
bool put_off_job(const Job& job, int sqlstate, const char* error);
// A dead letter from now on.
bool fail_job(const Job& job, int sqlstate, const char* error);

// A dead letter of which something was made after all.
void delete_dead_letter(const Job& job);

// Those of events that have not failed, after all. Leaves alone what another session has locked.
void delete_dead_letters(Datum* event_ids, int count);

// What this session has claimed and not worked on, as it was before.
void release_claims();

// A claim whose session left it behind, or whose lease has run out.
struct LostClaim {
  Job job;
  enum class Why {
    kOwn,      // of this session: nothing is known against the job
    kInOrder,  // its session ended by a request or by an error of its own, not by a crash
    kUnknown   // by a crash, or it takes longer than its lease
  } why;
};

// Finds up to `most` of them, of kinds that are known, and locks their rows. Looks seldom where a look takes long.
int find_lost_claims(LostClaim* lost, int most);

// It is to be claimed alone from now on, not before `delay` seconds.
void suspect_job(const LostClaim& lost, double delay);

// When the next job of these kinds is due; DT_NOEND when none is. A kind that the last claim found at its limit is left
// out: whoever ends a job of it wakes the workers.
TimestampTz next_due(const JobKindSet& kinds);

}  // namespace wearables::pg
