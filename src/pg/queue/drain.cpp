// A turn of the queue: claim, work, finish, until there is nothing to do or the budget is spent. A claim is committed
// before its jobs are worked on; a session that ends in between leaves rows that name it, and any session reclaims
// them. Between two transactions nothing is held but the leases. What is claimed and not begun is released before the
// turn ends, by an error or otherwise.
#include <algorithm>

#include "pg/live/live.h"
#include "pg/people/access.h"
#include "pg/queue/attempt.h"
#include "pg/queue/drain.h"
#include "pg/queue/feed.h"
#include "pg/queue/flight.h"
#include "pg/queue/gate.h"
#include "pg/queue/job.h"
#include "pg/queue/job_failure.h"
#include "pg/queue/job_transaction.h"
#include "pg/queue/status.h"
#include "pg/queue/trouble.h"
#include "pg/receive/activity.h"
#include "pg/server/allocator.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

// --- A turn

struct State {
  Budget budget;
  Turn turn;
  JobKindSet kinds;       // that may be worked on
  MemoryContext cycle;    // reset between two claims
  ErrorData* cancel;      // the session was cancelled: raised when all is put in order
  int unbegun;            // claimed jobs that are not begun
  int troubles, blocked;  // put off in a row: for anything but a lock, for a lock
};

// So many in a row, and the next would meet the same: it is not the jobs.
constexpr int kMaxTroubles = 8;
constexpr int kMaxBlocked = 256;

int64 worked_on(const Turn& turn) { return turn.done + turn.failed + turn.put_off + flight_count(); }

bool is_spent(const State& state) {
  const Budget& budget = state.budget;
  if (state.cancel != nullptr || state.turn.trouble || QueryCancelPending) return true;
  if (budget.jobs > 0 && worked_on(state.turn) >= budget.jobs) return true;
  if (budget.stop != nullptr && budget.stop()) return true;
  return budget.until != DT_NOEND && GetCurrentTimestamp() >= budget.until;
}

// --- Work

void note_failure(State* state, const Job& job, const AttemptResult& result) {
  if (result.error != nullptr && is_cancel(result.error)) state->cancel = result.error;
  note_error(result.sqlstate, job.job_id);
  const JobFailure failure{&job, decide_failure(job, result.sqlstate), result.sqlstate,
                           describe(result.sqlstate, result.message)};
  ErrorData* cancel = record_failure(failure);
  if (cancel != nullptr) state->cancel = cancel;
  if (failure.action != FailureAction::kPutOff) {
    ++state->turn.failed;
    return;
  }
  ++state->turn.put_off;
  ++(result.sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ? state->blocked : state->troubles);
  state->turn.trouble = state->troubles >= kMaxTroubles || state->blocked >= kMaxBlocked;
}

void note_result(State* state, const Job& job, const AttemptResult& result) {
  if (!result.succeeded) return note_failure(state, job, result);
  ++state->turn.done;
  state->troubles = state->blocked = 0;
  note_success();
}

void work_on(State* state, Job* job) {
  note_job(job->job_id, job->event_id);
  AttemptResult result;
  if (job->kind->flight == nullptr) {
    result = attempt_job(job);
  } else if (launch_job(*job, &result)) {
    return;
  }
  note_result(state, *job, result);
}

// So much of what has ended outside is put in order before more is begun: with all of it, what ends at one time would
// begin and end together ever after, and nothing be under way meanwhile.
constexpr int kLandings = 4;
// Returns whether anything had ended.
bool land_some(State* state) {
  int landed = 0;
  for (Job* job; state->cancel == nullptr && landed < kLandings && (job = next_landing()) != nullptr; ++landed) {
    note_job(job->job_id, job->event_id);
    const AttemptResult result = land_job(job);
    note_result(state, *job, result);
    retire_job(job);
    stop_point("after job");
  }
  return landed > 0;
}

// Until some work outside can go on, something is due, or the session is told something. What is due now and was not
// claimed is in another session's hands: that is no reason to turn in circles.
void wait_for_work(TimestampTz due) {
  constexpr int64 kShortestWait = 10;   // milliseconds
  constexpr int64 kLongestWait = 1000;  // a job of another session may have become ready
  const int64 until_due = due == DT_NOEND ? kLongestWait : (due - GetCurrentTimestamp()) / 1000 + 1;
  const int outside = flight_count() == 0 ? 0 : WL_SOCKET_READABLE;
  (void)WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | outside, flights_fd(),
                          static_cast<long>(std::clamp(until_due, kShortestWait, kLongestWait)), PG_WAIT_EXTENSION);
  ResetLatch(MyLatch);
}

// --- Claims

struct Claim {
  State* state;
  bool suspect;
  int wanted, count;
  Job jobs[kMaxClaim];
};

void claim_step(void* arg) {
  auto* claim = static_cast<Claim*>(arg);
  const State& state = *claim->state;
  if (claim->suspect) {
    claim->count = claim_suspect(state.kinds, claim->jobs, state.cycle) ? 1 : 0;
    stop_point("claimed alone");
    return;
  }
  stop_point("claim");
  claim->count = claim_jobs(state.kinds, claim->jobs, claim->wanted, state.cycle);
  stop_point("claimed");
}

void release_step(void*) {
  stop_point("give back");
  release_claims();
}

void release(State* state) {
  ErrorData* error = in_patient_transaction(release_step, nullptr);
  // the cancel itself comes in between
  if (error != nullptr && is_cancel(error)) {
    state->cancel = error;
    error = in_patient_transaction(release_step, nullptr);
  }
  // they are found again as this session's own
  if (error != nullptr) note_error(error->sqlerrcode, 0);
  state->unbegun = 0;
}

// In order, or not at all: what is claimed is released before the error is raised.
[[noreturn]] void end_with(State* state, ErrorData* error) {
  const bool flying = state->budget.wait && flight_count() > 0;
  if (flying) abandon_flights();
  if (state->unbegun > 0 || flying) release(state);
  ReThrowError(error);
}

// Claims jobs, or one suspect, and works on them; false when there was none.
bool claim_and_work(State* state, bool suspect) {
  MemoryContextReset(state->cycle);
  auto* claim = static_cast<Claim*>(palloc(sizeof(Claim)));
  const int64 left = state->budget.jobs == 0 ? kMaxClaim : state->budget.jobs - worked_on(state->turn);
  claim->state = state;
  claim->suspect = suspect;
  claim->wanted = static_cast<int>(std::min<int64>(kMaxClaim, left));
  claim->count = 0;
  ErrorData* error = look_in_transaction(claim_step, claim, Durable::kNow);
  if (error != nullptr) end_with(state, error);
  stop_point("after claim");
  state->unbegun = claim->count;
  // what goes on outside first: it does so while the others are worked on
  for (const bool outside : {true, false}) {
    for (int i = 0; i < claim->count && !is_spent(*state); ++i) {
      if ((claim->jobs[i].kind->flight != nullptr) != outside) continue;
      --state->unbegun;
      work_on(state, &claim->jobs[i]);
      stop_point("after job");
    }
  }
  Assert(state->unbegun >= 0);
  if (state->unbegun > 0) release(state);
  return claim->count > 0;
}

// --- What others left behind

struct LostClaims {
  LostClaim lost[kMaxClaim];
  int count;
};

void find_lost_step(void* arg) {
  auto* found = static_cast<LostClaims*>(arg);
  found->count = find_lost_claims(found->lost, kMaxClaim);
}

void suspect_step(void* arg) {
  const auto* lost = static_cast<LostClaim*>(arg);
  suspect_job(*lost, lost->job.suspect ? delay_after(lost->job) : 0);
}

void reclaim_lost(State* state, LostClaim* lost) {
  const Job& job = lost->job;
  ErrorData* error;
  if (lost->why == LostClaim::Why::kInOrder) {
    error =
        record_failure({&job, FailureAction::kPutOff, ERRCODE_ADMIN_SHUTDOWN, "the session that ran the job ended"});
  } else if (job.suspect && job.attempt >= max_attempts(*job.kind)) {
    error = record_failure({&job, FailureAction::kFail, ERRCODE_CRASH_SHUTDOWN,
                            "the session that ran the job was lost, at every attempt"});
  } else {
    error = in_transaction(suspect_step, lost);
    if (error != nullptr) note_error(error->sqlerrcode, job.job_id);
    return;
  }
  if (error != nullptr) state->cancel = error;
}

void reclaim_all_lost(State* state) {
  auto* found = static_cast<LostClaims*>(palloc(sizeof(LostClaims)));
  found->count = 0;
  ErrorData* error = look_in_transaction(find_lost_step, found, Durable::kSoon);
  if (error != nullptr) end_with(state, error);
  stop_point("found lost");
  bool own = false;
  for (int i = 0; i < found->count; ++i) {
    LostClaim* lost = &found->lost[i];
    own = own || lost->why == LostClaim::Why::kOwn;
    if (lost->why != LostClaim::Why::kOwn) reclaim_lost(state, lost);
  }
  if (own) release(state);
}

// --- May the queue be worked on?

// An older schema has no such function, one that is half made no such table.
void look_at_gate(State* state) {
  Gate gate{};
  ErrorData* error = in_transaction(read_gate, &gate);
  state->turn.schema_fits = error == nullptr && gate.schema_fits;
  state->turn.paused = error == nullptr && gate.paused;
  if (error == nullptr) {
    state->kinds = gate.kinds;
  } else if (trouble_of(error->sqlerrcode) != Trouble::kSchema) {
    end_with(state, error);
  }
}

// --- The turn

// Whether the step has made something to do now. It is done later where somebody holds what it needs.
bool comes_of(State* state, void (*step)(void* feeding)) {
  Feeding feeding{state->kinds, false};
  ErrorData* error = in_transaction(step, &feeding);
  if (error == nullptr) return feeding.any;
  if (trouble_of(error->sqlerrcode) != Trouble::kEnvironment) end_with(state, error);
  return false;
}

void due_step(void* arg) { static_cast<State*>(arg)->turn.due = next_due(static_cast<State*>(arg)->kinds); }
void look_ahead(State* state) {
  ErrorData* error = in_transaction(due_step, state);
  if (error != nullptr) end_with(state, error);
}

void flush_step(void*) { flush_activity(); }
// What was counted at the door.
void flush_counts(State* state) {
  if (!flush_is_due()) return;
  ErrorData* error = in_transaction(flush_step, nullptr);
  if (error != nullptr && is_cancel(error)) state->cancel = error;
}

// What failed is tried again later, and keeps no job waiting.
void note_for_later(State* state, ErrorData* error) {
  if (error == nullptr) return;
  note_error(error->sqlerrcode, 0);
  if (is_cancel(error)) state->cancel = error;
}

void notify_step(void* arg) { send_notices(*static_cast<Notices*>(arg)); }

void notify_listeners(State* state) {
  if (next_notice_at() > GetCurrentTimestamp()) return;
  auto* notices = static_cast<Notices*>(palloc(sizeof(Notices)));
  copy_notices(notices);
  ErrorData* error = in_transaction(notify_step, notices);
  settle_notices(*notices, error == nullptr);
  pfree(notices);
  note_for_later(state, error);
}

void work(State* state) {
  reclaim_all_lost(state);
  // first, or under a steady load they would never have their chance
  if (!is_spent(*state)) (void)claim_and_work(state, true);
  bool asked_for_room = false;
  while (!is_spent(*state)) {
    notify_listeners(state);
    const bool landed = land_some(state);
    if (is_spent(*state) || claim_and_work(state, false)) continue;
    if (is_spent(*state) || claim_and_work(state, true)) continue;
    if (landed) continue;
    // once: what there is still no room for would come again and again
    if (!asked_for_room && comes_of(state, queue_refused)) {
      asked_for_room = true;
      continue;
    }
    if (feed_is_due(state->budget.wait) && comes_of(state, feed)) continue;
    // before a later statement of this turn claims anything
    const TimestampTz skipped = claim_skipped_until(state->kinds);
    look_ahead(state);
    if (!state->budget.wait || (flight_count() == 0 && skipped == 0)) return;
    wait_for_work(skipped == 0 ? state->turn.due : std::min(skipped, state->turn.due));
  }
  state->turn.more = !state->turn.trouble;
}

}  // namespace

Turn drain(const Budget& budget) {
  State state{};
  state.budget = budget;
  state.turn.due = DT_NOEND;
  keep_freed_memory();
  MemoryContext caller = CurrentMemoryContext;
  state.cycle = AllocSetContextCreate(caller, "wearables drain", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(state.cycle);
  begin_job_transactions();
  look_at_gate(&state);
  if (state.turn.schema_fits) {
    flush_counts(&state);
    note_for_later(&state, write_accesses(budget.wait));
    notify_listeners(&state);
  }
  if (state.turn.schema_fits && !state.turn.paused) work(&state);
  // a pause, and the end of a call, let what is outside come to its end
  while (flight_count() > 0 && state.cancel == nullptr && !QueryCancelPending && (budget.wait || state.turn.paused)) {
    bool landed = false;
    while (land_some(&state)) landed = true;
    if (!landed) wait_for_work(DT_NOEND);
    if (!budget.wait) break;
  }
  if (budget.wait && flight_count() > 0) {
    abandon_flights();
    release(&state);
  }
  state.turn.in_flight = flight_count();
  if (state.turn.schema_fits) state.turn.due = std::min({state.turn.due, next_notice_at(), next_access_write_at()});
  if (state.cancel != nullptr) ReThrowError(state.cancel);
  CHECK_FOR_INTERRUPTS();
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(state.cycle);
  return state.turn;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_drain);

Datum wearables_drain(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const auto* context = castNode(CallContext, fcinfo->context);
  if (context == nullptr || context->atomic) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
                    errmsg("drain() cannot run inside a transaction block or a function"),
                    errdetail("It commits after each event."), errhint("Run it as a separate statement.")));
  }
  const int32 max_jobs = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
  if (!PG_ARGISNULL(0) && max_jobs <= 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_jobs %d is not positive", max_jobs),
                    errhint("Give a positive number, or NULL for no limit.")));
  }
  SPI_connect_ext(SPI_OPT_NONATOMIC);
  const Turn turn = drain({max_jobs, DT_NOEND, nullptr, true});
  if (!turn.schema_fits) raise_misfit();
  if (turn.paused) ereport(NOTICE, (errmsg("the queue is paused"), errhint("Run SELECT wearables.resume_queue().")));
  SPI_finish();
  // the session's own defaults again, for what comes after it in a DO block
  XactReadOnly = DefaultXactReadOnly;
  XactIsoLevel = DefaultXactIsoLevel;
  PG_RETURN_VOID();
}
}
