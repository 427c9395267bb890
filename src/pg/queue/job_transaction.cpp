// Each step of the queue's work runs in a subtransaction of a transaction that is committed at once: an error undoes
// the step, is copied into the caller's context and leaves the connection usable. Every lock of a step ends with its
// transaction; none is awaited for longer than wait_milliseconds().
#include "pg/queue/job_transaction.h"

#include "pg/server/spi.h"
#include "pg/server/stop_point.h"
#include "pg/server/subtransaction.h"

extern "C" {
#include "tcop/pquery.h"
}

namespace wearables::pg {

namespace {

// How long the work of the queue waits for what another session holds. After a wait in vain the next ones are short for
// a while: waiting must not take more than a fifth of a session's time.
constexpr int kWaitMilliseconds = 100;
constexpr int kShortWaitMilliseconds = 1;
constinit TimestampTz wait_again_at = 0;

int wait_milliseconds(Patience patience) {
  if (is_stepped()) return kShortWaitMilliseconds;
  const bool waited = patience == Patience::kUsual && GetCurrentTimestamp() < wait_again_at;
  return waited ? kShortWaitMilliseconds : kWaitMilliseconds;
}

void note_wait_in_vain() { wait_again_at = GetCurrentTimestamp() + INT64CONST(5000) * kWaitMilliseconds; }

// Whatever the site's defaults are: a job writes, and looks anew with each statement.
void set_transaction_modes() {
  XactReadOnly = RecoveryInProgress();
  XactIsoLevel = XACT_READ_COMMITTED;
}

// Under a CALL the portal holds the snapshot below our statements. A worker has no portal: it holds one itself, which
// must be down when the transaction ends.
void commit() {
  const bool without_portal = ActivePortal == nullptr;
  if (without_portal && ActiveSnapshotSet()) PopActiveSnapshot();
  SPI_commit();
  set_transaction_modes();
  if (without_portal) PushActiveSnapshot(GetTransactionSnapshot());
}

// Constraints and triggers that are deferred fail here, and NOTIFY. SPI has begun a new transaction then.
ErrorData* try_commit() {
  MemoryContext caller = CurrentMemoryContext;
  const bool without_portal = ActivePortal == nullptr;
  ErrorData* volatile error = nullptr;
  PG_TRY();
  { commit(); }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    error = CopyErrorData();
    FlushErrorState();
    set_transaction_modes();
    if (without_portal) PushActiveSnapshot(GetTransactionSnapshot());
  }
  PG_END_TRY();
  MemoryContextSwitchTo(caller);
  return error;
}

struct Step {
  void (*work)(void*);
  void* arg;
};

void as_owner(void* arg) {
  const auto* step = static_cast<Step*>(arg);
  const OwnerScope scope = enter_job();
  step->work(step->arg);
  leave(scope);
}

// R10: the job and the event are durable since they were received; doing the job twice is harmless.
void do_not_wait_for_disk() {
  (void)set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

}  // namespace

void begin_job_transactions() { commit(); }

ErrorData* in_transaction(void (*work)(void*), void* arg, Durable durable, Patience patience) {
  Step step{work, arg};
  // the variable of lock_timeout itself: to set it by its name for each event costs a twentieth of a small one
  const int lock_timeout = LockTimeout;
  LockTimeout = wait_milliseconds(patience);
  ErrorData* error = in_subtransaction(as_owner, &step);
  LockTimeout = lock_timeout;
  if (durable == Durable::kNow) {
    ForceSyncCommit();
  } else {
    do_not_wait_for_disk();
  }
  ErrorData* at_commit = try_commit();
  if (error == nullptr) error = at_commit;
  if (error != nullptr && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE) note_wait_in_vain();
  return error;
}

ErrorData* in_patient_transaction(void (*work)(void*), void* arg) {
  return in_transaction(work, arg, Durable::kSoon, Patience::kFull);
}

ErrorData* look_in_transaction(void (*work)(void*), void* arg, Durable durable) {
  constexpr int kLooks = 5;
  for (int look = 1;; ++look) {
    ErrorData* error = in_transaction(work, arg, durable, look == 1 ? Patience::kUsual : Patience::kFull);
    if (error == nullptr || error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || look == kLooks) return error;
  }
}

// SPI has begun the transaction that the next step runs in. It stays empty: no snapshot, so that no vacuum is held up,
// no lock and no transaction id.
ErrorData* in_no_transaction(void (*work)(void*), void* arg) {
  const bool without_portal = ActivePortal == nullptr;
  if (without_portal && ActiveSnapshotSet()) PopActiveSnapshot();
  InvalidateCatalogSnapshotConditionally();
  Assert(!TransactionIdIsValid(GetTopTransactionIdIfAny()) && !TransactionIdIsValid(MyProc->xmin));
  ErrorData* error = in_subtransaction(work, arg);
  Assert(!TransactionIdIsValid(GetTopTransactionIdIfAny()));
  if (without_portal) PushActiveSnapshot(GetTransactionSnapshot());
  return error;
}

bool is_cancel(const ErrorData* error) noexcept { return error->sqlerrcode == ERRCODE_QUERY_CANCELED; }

}  // namespace wearables::pg
