#include "core/write/sample.h"

#include <algorithm>

#include "pg/receive/activity.h"
#include "pg/server/allocator.h"
#include "pg/queue/drain.h"
#include "pg/ingest/ingest.h"
#include "pg/queue/job.h"
#include "pg/queue/job_failure.h"
#include "pg/queue/job_transaction.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/queue/status.h"
#include "pg/server/stop_point.h"
#include "pg/queue/trouble.h"

namespace wearables::pg {

namespace {

// --- A turn

struct State {
  Budget budget;
  Turn turn;
  ErrorData* cancel;     // the session was cancelled: raised when all is put in order
  int unbegun;           // claimed jobs that are not begun
  int troubles, blocked;  // put off in a row: for anything but a lock, for a lock
};

// So many in a row, and the next would meet the same: it is not the jobs.
constexpr int kMostTroubles = 8;
constexpr int kMostBlocked = 256;

int64 worked_on(const Turn& turn) { return turn.done + turn.failed + turn.put_off; }

bool is_spent(const State& state) {
  const Budget& budget = state.budget;
  if (state.cancel != nullptr || state.turn.trouble || QueryCancelPending) return true;
  if (budget.jobs > 0 && worked_on(state.turn) >= budget.jobs) return true;
  if (budget.stop != nullptr && budget.stop()) return true;
  return budget.until != DT_NOEND && GetCurrentTimestamp() >= budget.until;
}

// --- Ends of a job

void put_on_record(State* state, const Recording& recording) {
  ErrorData* cancel = record_failure(recording);
  if (cancel != nullptr) state->cancel = cancel;
}

void note_trouble(State* state, const Recording& recording) {
  if (recording.ruling != Ruling::kPutOff) return;
  if (recording.sqlstate == ERRCODE_LOCK_NOT_AVAILABLE) {
    ++state->blocked;
  } else {
    ++state->troubles;
  }
  state->turn.trouble = state->troubles >= kMostTroubles || state->blocked >= kMostBlocked;
}

void failed(State* state, const Job& job, int sqlstate, const char* message) {
  note_error(sqlstate, job.job_id);
  const Recording recording{&job, rule(job, sqlstate), sqlstate, describe(sqlstate, message)};
  ++(recording.ruling == Ruling::kPutOff ? state->turn.put_off : state->turn.failed);
  put_on_record(state, recording);
  note_trouble(state, recording);
}

void failed(State* state, const Job& job, ErrorData* error) {
  if (is_cancel(error)) state->cancel = error;
  failed(state, job, error->sqlerrcode, error->message);
}

void succeeded(State* state) {
  ++state->turn.done;
  state->troubles = state->blocked = 0;
  note_success();
}

// --- The work

// What triggers and constraints of the site have put off to the commit is done here, where it can be told from others.
void run_deferred_triggers() {
  auto* all = makeNode(ConstraintsSetStmt);
  all->deferred = false;
  AfterTriggerSetState(all);
}

void work_on(void* arg) {
  auto* job = static_cast<Job*>(arg);
  stop_point("begin");
  if (!finish_job(*job)) return;
  stop_point("finished");
  Event event;
  // while a dump is restored the queue is there before the events are: they come
  if (!load_event(job->event_id, job->received_at, &event)) {
    ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("the event is not there")));
  }
  stop_point("loaded");
  job->revision = event.revision;
  job->body_size = event.body.size();
  ingest(event, {Locks::kTake, &job->missing, job->closed});
  stop_point("ingested");
  run_deferred_triggers();
  stop_point("before commit");
}

struct Making {
  MissingNames* missing;
  bool made;
};

void make(void* arg) {
  auto* making = static_cast<Making*>(arg);
  stop_point("names");
  making->made = make_names(making->missing, false);
}

void work_through(State* state, Job& job) {
  // a name may be taken away between its making and its use: that must not go on for ever
  constexpr int kMostRounds = 10;
  note_job(job.job_id, job.event_id);
  for (int round = 0; round < kMostRounds; ++round) {
    job.missing = {};
    job.missing.context = CurrentMemoryContext;
    ErrorData* error = in_transaction(work_on, &job);
    give_back_after(job.body_size);
    if (error == nullptr) return succeeded(state);
    if (!is_names_missing(error->sqlerrcode)) return failed(state, job, error);
    // in a transaction of its own: nobody waits for a name longer than that lasts
    Making making{&job.missing, false};
    error = in_transaction(make, &making);
    if (error != nullptr) return failed(state, job, error);
    if (!making.made) break;
    job.closed = closed_names(job.missing, CurrentMemoryContext);
  }
  failed(state, job, ERRCODE_LOCK_NOT_AVAILABLE, "another transaction is making a name that the event needs");
}

// --- Claims

struct Claim {
  Job* jobs;
  int wanted, count;
};

void claim_step(void* arg) {
  auto* claim = static_cast<Claim*>(arg);
  stop_point("claim");
  claim->count = claim_jobs(claim->jobs, claim->wanted);
  stop_point("claimed");
}

void claim_suspect_step(void* arg) {
  auto* claim = static_cast<Claim*>(arg);
  claim->count = claim_suspect(claim->jobs) ? 1 : 0;
  stop_point("claimed alone");
}

void give_back_step(void*) {
  stop_point("give back");
  give_back_claimed();
}

void give_back(State* state) {
  ErrorData* error = in_patient_transaction(give_back_step, nullptr);
  // the cancel itself comes in between
  if (error != nullptr && is_cancel(error)) {
    state->cancel = error;
    error = in_patient_transaction(give_back_step, nullptr);
  }
  // they are found again as this session's own
  if (error != nullptr) note_error(error->sqlerrcode, 0);
  state->unbegun = 0;
}

// In order, or not at all: what is claimed goes back before the error is raised.
[[noreturn]] void end_with(State* state, ErrorData* error) {
  if (state->unbegun > 0) give_back(state);
  ReThrowError(error);
}

int claim(State* state, void (*step)(void*), Job* jobs, int wanted) {
  Claim claim{jobs, wanted, 0};
  ErrorData* error = look_in_transaction(step, &claim, Durable::kNow);
  if (error != nullptr) end_with(state, error);
  stop_point("after claim");
  return claim.count;
}

void work_on_claimed(State* state, Job* jobs, int count) {
  state->unbegun = count;
  for (int i = 0; i < count && !is_spent(*state); ++i) {
    --state->unbegun;
    work_through(state, jobs[i]);
    stop_point("after job");
  }
  if (state->unbegun > 0) give_back(state);
}

bool work_on_suspect(State* state) {
  Job job;
  if (claim(state, claim_suspect_step, &job, 1) == 0) return false;
  work_on_claimed(state, &job, 1);
  return true;
}

bool work_on_batch(State* state) {
  Job jobs[kMaxClaim];
  const int64 left = state->budget.jobs == 0 ? kMaxClaim : state->budget.jobs - worked_on(state->turn);
  const int count = claim(state, claim_step, jobs, static_cast<int>(std::min<int64>(kMaxClaim, left)));
  work_on_claimed(state, jobs, count);
  return count > 0;
}

// --- What others left behind

struct Search {
  Lost lost[kMaxClaim];
  int count;
};

void find_step(void* arg) {
  auto* search = static_cast<Search*>(arg);
  search->count = find_lost(search->lost, kMaxClaim);
}

void suspect_step(void* arg) {
  const auto* lost = static_cast<Lost*>(arg);
  suspect_job(*lost, lost->job.suspect ? delay_after(lost->job) : 0);
}

void take_back(State* state, Lost* lost) {
  constexpr const char* kEnded = "the session that worked on it ended";
  const Job& job = lost->job;
  if (lost->why == Lost::Why::kInOrder) {
    return put_on_record(state, {&job, Ruling::kPutOff, ERRCODE_ADMIN_SHUTDOWN, kEnded});
  }
  if (job.suspect && job.attempt >= settings().max_attempts) {
    return put_on_record(state, {&job, Ruling::kBury, ERRCODE_CRASH_SHUTDOWN,
                                 "the session that worked on it was lost, at every attempt"});
  }
  const ErrorData* error = in_transaction(suspect_step, lost);
  if (error != nullptr) note_error(error->sqlerrcode, job.job_id);
}

void take_back_lost(State* state) {
  auto* search = static_cast<Search*>(palloc(sizeof(Search)));
  search->count = 0;
  ErrorData* error = look_in_transaction(find_step, search, Durable::kSoon);
  if (error != nullptr) end_with(state, error);
  stop_point("found lost");
  bool own = false;
  for (int i = 0; i < search->count; ++i) {
    Lost* lost = &search->lost[i];
    own = own || lost->why == Lost::Why::kOwn;
    if (lost->why != Lost::Why::kOwn) take_back(state, lost);
  }
  if (own) give_back(state);
}

// --- May the queue be worked on?

// Goes up with every change of the tables or functions that this library uses. An update script changes
// wearables_internal.schema_version() with them.
constexpr int kSchemaVersion = 2;

Statement gate{
    "SELECT wearables_internal.schema_version(), EXISTS (SELECT FROM wearables_internal.queue_pause)"};

void read_gate(void* arg) {
  auto* turn = static_cast<Turn*>(arg);
  run(gate, {});
  turn->schema_fits = get_int4(0, 1) == kSchemaVersion;
  turn->paused = get_bool(0, 2);
}

// An older schema has no such function, one that is half made no such table.
void look_at_gate(State* state) {
  ErrorData* error = in_transaction(read_gate, &state->turn);
  if (error == nullptr) return;
  if (trouble_of(error->sqlerrcode) != Trouble::kSchema) end_with(state, error);
  state->turn.schema_fits = false;
}

// --- The turn

Statement queue_no_more_names{"SELECT wearables_internal.queue_no_more_names(false)"};

void queue_refused_step(void* arg) {
  *static_cast<bool*>(arg) = run(queue_no_more_names, {}) > 0 && get_int4(0, 1) > 0;
}

// What there was no room for, once there is; returns whether there is something to do now. It is done later where
// somebody holds what it needs.
bool queue_refused(State* state) {
  bool any = false;
  ErrorData* error = in_transaction(queue_refused_step, &any);
  if (error == nullptr) return any;
  if (trouble_of(error->sqlerrcode) != Trouble::kEnvironment) end_with(state, error);
  return false;
}

void due_step(void* arg) { *static_cast<TimestampTz*>(arg) = next_due(); }

void look_ahead(State* state) {
  ErrorData* error = in_transaction(due_step, &state->turn.due);
  if (error != nullptr) end_with(state, error);
}

void flush_step(void*) { flush_activity(); }

// What was counted at the door.
void flush_counts(State* state) {
  if (!flush_is_due()) return;
  ErrorData* error = in_transaction(flush_step, nullptr);
  if (error != nullptr && is_cancel(error)) state->cancel = error;
}

void work(State* state, MemoryContext cycle) {
  take_back_lost(state);
  // first, or under a steady load they would never have their chance
  if (!is_spent(*state)) (void)work_on_suspect(state);
  bool asked_for_room = false;
  while (!is_spent(*state)) {
    MemoryContextReset(cycle);
    if (work_on_batch(state)) continue;
    if (is_spent(*state) || work_on_suspect(state)) continue;
    // once: what there is still no room for would come again and again
    if (asked_for_room || !queue_refused(state)) return look_ahead(state);
    asked_for_room = true;
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
  MemoryContext cycle = AllocSetContextCreate(caller, "wearables drain", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(cycle);
  begin_job_transactions();
  look_at_gate(&state);
  if (state.turn.schema_fits) flush_counts(&state);
  if (state.turn.schema_fits && !state.turn.paused) work(&state, cycle);
  if (state.cancel != nullptr) ReThrowError(state.cancel);
  CHECK_FOR_INTERRUPTS();
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(cycle);
  return state.turn;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_drain);
PG_FUNCTION_INFO_V1(wearables_library_version);

Datum wearables_library_version(PG_FUNCTION_ARGS) { PG_RETURN_INT32(wearables::pg::kSchemaVersion); }

Datum wearables_drain(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const auto* context = castNode(CallContext, fcinfo->context);
  if (context == nullptr || context->atomic) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
                    errmsg("drain() cannot run inside a transaction block or a function"),
                    errdetail("It commits after each event."), errhint("CALL it on its own.")));
  }
  const int32 max_jobs = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
  if (!PG_ARGISNULL(0) && max_jobs <= 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_jobs %d is not positive", max_jobs),
                    errhint("Give a positive number, or NULL for no bound.")));
  }
  SPI_connect_ext(SPI_OPT_NONATOMIC);
  const Turn turn = drain({max_jobs, DT_NOEND, nullptr});
  if (!turn.schema_fits) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the library does not fit the installed version of extension wearables_ingest"),
                    errhint("ALTER EXTENSION wearables_ingest UPDATE; or install the library that belongs to it.")));
  }
  if (turn.paused) ereport(NOTICE, (errmsg("the queue is paused"), errhint("SELECT wearables.resume_queue().")));
  SPI_finish();
  // the session's own defaults again, for what comes after it in a DO block
  XactReadOnly = DefaultXactReadOnly;
  XactIsoLevel = DefaultXactIsoLevel;
  PG_RETURN_VOID();
}
}
