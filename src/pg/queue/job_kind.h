// Kinds of jobs. The queue claims, works on and finishes jobs of any kind that is registered here; what a kind does is
// its handler's affair, in the room of its feature. A kind is known by its value of wearables.job_kind. Jobs of a kind
// that this library does not know, made by a newer schema, stay in the queue untouched.
#pragma once

#include <cstddef>
#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

struct Job;

// How many jobs of a kind run at once. A session that claims jobs of a kind with a limit takes that kind's claim lock,
// counts what runs of it by an index range of running rows, and claims no more than is free: waiting jobs of a kind at
// its limit are not read. Each kind has its own range in the index of ready jobs, so they are in no other kind's way.
struct ConcurrencyRule {
  int (*max_running)() noexcept;  // in the database; null: any number
  bool one_per_subject;           // two jobs with one jobs.subject never run at once
  int max_claimed;                // by one claim of one session; kMaxClaim or less
};

// When a job that failed comes again. What the environment is to blame for (trouble.h) is always put off and costs no
// attempt; bad data and what is too large is given up at once.
struct RetryRule {
  int max_attempts;     // 0: wearables_ingest.max_attempts
  double base_seconds;  // negative: wearables_ingest.retry_base
  double cap_seconds;
  double jitter;               // share of the delay that is drawn, 0 to 1
  const int* put_off_classes;  // SQLSTATE classes that are put off, too, as ERRCODE_TO_CATEGORY() gives them
  int put_off_count;
};

// What is to become of a job whose handler has ended well.
struct JobEnd {
  bool done;
  double again_after;  // seconds, where it is not done: it comes again, which is no attempt (a page, a throttled pull)
};

// A kind has one of two shapes:
// - one transaction: `work`. The job's row is deleted in the same transaction before it, so that the row is locked and
//   an abort brings it back.
// - with work outside of any transaction, such as HTTP: `begin` in a transaction, then the work outside, then `end` in
//   a transaction. The row stays claimed under its lease in between. A session whose lease was lost meanwhile does not
//   get to `end` (R8). The work is done by `outside`, while its session works on nothing else: then it must end by
//   itself within a bounded time, and should look at stop_requested(). Or it goes on beside other jobs: `flight`.
//
// Handlers run as the owner, within SPI, under lock_timeout; they raise what makes the attempt fail. The work outside
// has no snapshot, lock and transaction id and may use none.
// Work outside that goes on by itself, of several jobs of a session at once. Each must end within a bounded time that
// is shorter than the lease.
struct Flight {
  int (*room)();              // how many more may be started now
  void (*start)(Job* job);    // does not wait; raises what makes the attempt fail
  void (*drive)();            // goes on with all of them, as far as nothing has to be waited for
  Job* (*take)();             // one whose work has ended; null: none has
  void (*abandon)(Job* job);  // its result is not wanted any more; nothing where it has ended
  int (*readiness_fd)();      // readable when drive() has something to do
};

struct JobKind {
  const char* name;   // constant, its value of wearables.job_kind
  size_t state_size;  // bytes of Job::state, zeroed for each attempt
  void (*work)(Job* job);
  void (*begin)(Job* job);  // may be null
  void (*outside)(Job* job);
  const Flight* flight;  // in place of `outside`
  JobEnd (*end)(Job* job);

  // `work` may need something that must be committed before it, which it says by an error. prepare() makes it, in a
  // transaction of its own, and `work` is tried again at once. It gives null, or why that is not possible now: then the
  // job is put off. Both null for a kind without such needs.
  bool (*needs_preparation)(int sqlstate);
  const char* (*prepare)(Job* job);

  // In the transaction that makes the job a dead letter: notes the failure where the kind keeps it. False: there is
  // nothing failed after all, and the row is deleted. May be null.
  bool (*give_up)(const Job& job, int sqlstate, const char* error);

  // Where nothing is ready: makes jobs of what has become due by itself, in a transaction of its own; whether there are
  // any now. Cheap where there are none. May be null.
  bool (*feed)();

  // Outside of the transaction, after each round of an attempt: gives memory back. May be null.
  void (*release)(const Job& job);

  ConcurrencyRule concurrency;
  RetryRule retry;
};

inline constexpr int kMaxJobKinds = 32;
inline constexpr int kMaxClaim = 64;

// A kind of one transaction for whose end nobody waits: attempts come up to an hour apart. `max_claimed` as in
// ConcurrencyRule.
constexpr JobKind background_kind(const char* name, void (*work)(Job* job), int max_claimed) {
  constexpr double kLongestRetryDelay = 3600.0;
  JobKind kind{};
  kind.name = name;
  kind.work = work;
  kind.concurrency = {nullptr, false, max_claimed};
  kind.retry = {0, -1.0, kLongestRetryDelay, 0.5, nullptr, 0};
  return kind;
}

// In _PG_init. The descriptor lives for ever.
void register_job_kind(const JobKind* kind);

int job_kind_count() noexcept;
const JobKind& job_kind(int index) noexcept;

// By its name; null: this library does not know it.
const JobKind* find_job_kind(std::string_view name) noexcept;

// Those of the registered kinds that may be worked on, by their index.
struct JobKindSet {
  bool has[kMaxJobKinds];
};

int max_attempts(const JobKind& kind) noexcept;

inline bool works_outside(const JobKind& kind) noexcept { return kind.work == nullptr; }

}  // namespace wearables::pg
