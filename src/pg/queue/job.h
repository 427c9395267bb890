// The rows of the queue. Whoever claims a job holds it under a lease. A claim is known by its session and its instant,
// so that a session whose lease was lost changes nothing of what another one does with the job (R8).
// All within SPI, as owner; the caller commits.
#pragma once

#include "pg/parse/names.h"
#include "pg/server/server.h"

namespace wearables::pg {

struct Job {
  int64 job_id;
  int64 event_id;
  TimestampTz received_at;
  int32 leased_by;            // with leased_at: this claim
  TimestampTz leased_at;
  TimestampTz waiting_since;  // 0: it was not put off
  int32 attempt;              // the number of this one
  bool suspect;               // claimed alone, its attempt counted already
  // of the work
  int64 revision;  // of the mappings of this attempt, -1 before it has the event
  size_t body_size;
  MissingNames missing;
  const ClosedNames* closed;
};

inline constexpr int kMaxClaim = 64;

// Claims up to `wanted` jobs that are due, by priority and age, into `jobs`; returns how many, in the order of their
// ids. Commit durably before the work.
int claim_jobs(Job* jobs, int wanted);

// Claims one job whose session was lost, if no other such is worked on anywhere: whatever took its holder down is then
// the only one that pays for it. Its attempt is counted: commit durably before the work.
bool claim_suspect(Job* job);

// Deletes the job at the beginning of its work: the row is ours until the transaction ends, and an abort brings it
// back. False when the claim was lost.
bool finish_job(const Job& job);

// After an attempt that counts; `delay` in seconds. The three are false when the claim was lost.
bool retry_job(const Job& job, double delay, int sqlstate, const char* error);
// For something outside the job: no attempt, and longer each time.
bool put_off_job(const Job& job, int sqlstate, const char* error);
// A dead letter from now on.
bool bury_job(const Job& job, int sqlstate, const char* error);

// A dead letter of which a replay has made something meanwhile.
void drop_dead_letter(const Job& job);

// What this session has claimed and not worked on, as it was before.
void give_back_claimed();

// A claim whose session left it behind, or whose lease has run out.
struct Lost {
  Job job;
  enum class Why {
    kOwn,      // of this session: nothing is known against the job
    kInOrder,  // its session ended by a request or by an error of its own, not by a crash
    kUnknown   // by a crash, or it takes longer than its lease
  } why;
};

// Finds up to `most` of them. Looks seldom where a look takes long.
int find_lost(Lost* lost, int most);

// It is to be claimed alone from now on, not before `delay` seconds.
void suspect_job(const Lost& lost, double delay);

// When the next job is due; DT_NOEND when none is.
TimestampTz next_due();

}  // namespace wearables::pg
