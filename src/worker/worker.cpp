// A worker never ends by an error: what a turn or a step of maintenance raises is caught, logged and waited out.
#include "worker/worker.h"

#include <algorithm>

#include "pg/queue/drain.h"
#include "pg/queue/flight.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/queue/status.h"
#include "pg/queue/wakeup.h"

extern "C" {
#include "commands/extension.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
}

namespace wearables::worker {

namespace {

constexpr int64 kSecond = USECS_PER_SEC;
// A turn ends after so long: settings, maintenance and lost leases must not wait for a long queue.
constexpr int64 kTurn = kSecond;
constexpr int64 kMaintenance = 3600 * kSecond;
constexpr int64 kMaintenanceAgain = 300 * kSecond;
constexpr int64 kMaintenanceBusy = 10 * kSecond;
constexpr int64 kReconcile = 60 * kSecond;
constexpr int64 kShortestNap = kSecond / 20;
// Waits after trouble.
constexpr int64 kShortestRest = kSecond / 4;
constexpr int64 kLongestRest = kSecond;
constexpr int64 kShortestRestAfterError = 2 * kSecond;
constexpr int64 kLongestRestAfterError = 60 * kSecond;

void forget_place(int code, Datum) {
  pg::take_status(nullptr);
  pg::unregister_worker(code != 0);
}

void begin() {
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
}

void end() {
  if (ActiveSnapshotSet()) PopActiveSnapshot();
  CommitTransactionCommand();
  pgstat_report_stat(true);
}

// Runs step(arg) and gives the SQLSTATE of what it raised, 0 for nothing; its transaction is gone then.
int guarded(void (*step)(void*), void* arg) {
  volatile int sqlstate = 0;
  MemoryContext context = CurrentMemoryContext;
  PG_TRY();
  { step(arg); }
  PG_CATCH();
  {
    HOLD_INTERRUPTS();
    sqlstate = geterrcode();
    // who holds a lock for long is no news for the log
    if (sqlstate != ERRCODE_LOCK_NOT_AVAILABLE) EmitErrorReport();
    AbortOutOfAnyTransaction();
    MemoryContextSwitchTo(context);
    FlushErrorState();
    pgstat_report_stat(true);
    RESUME_INTERRUPTS();
  }
  PG_END_TRY();
  MemoryContextSwitchTo(context);
  return sqlstate;
}

// The extension may not be there yet, or may just be going: a normal state, looked up each turn.
bool is_installed() {
  begin();
  const bool installed = OidIsValid(get_extension_oid("wearables_ingest", true));
  end();
  return installed;
}

bool wants_reload() { return ConfigReloadPending != 0; }

// --- Turns

struct TurnOfWorker {
  bool installed;
  pg::Turn turn;
};

void take_turn(void* arg) {
  auto* mine = static_cast<TurnOfWorker*>(arg);
  mine->installed = is_installed();
  if (!mine->installed) return;
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  SPI_connect_ext(SPI_OPT_NONATOMIC);
  mine->turn = pg::drain({0, GetCurrentTimestamp() + kTurn, wants_reload, false});
  SPI_finish();
  end();
}

// --- Maintenance

pg::Statement make_partitions{
    "SELECT wearables.make_event_partitions() WHERE EXISTS (SELECT FROM wearables.endpoints)"};
pg::Statement reclaim_names{"SELECT wearables.reclaim_names() WHERE EXISTS (SELECT FROM wearables.endpoints)"};
// so many an hour: calls that ended long ago, and links that have expired
pg::Statement delete_old_calls{"SELECT wearables_internal.delete_old_calls(10000)"};
pg::Statement delete_unassignable{"SELECT wearables.delete_unassignable_events()"};
pg::Statement check_vendor_pulls{"SELECT wearables.check_vendor_pulls()"};

// Nothing where there is no sender yet: nothing will arrive, and a dump that is being restored may bring partitions of
// its own.
struct Maintenance {
  pg::Statement* statement;
  bool had_sender;
};

void run_maintenance(void* arg) {
  auto* maintenance = static_cast<Maintenance*>(arg);
  begin();
  SPI_connect();
  const pg::OwnerScope scope = pg::enter_job();
  maintenance->had_sender = pg::run(*maintenance->statement, {}) > 0;
  pg::leave(scope);
  SPI_finish();
  end();
}

void note_maintenance(int sqlstate) {
  pg::WorkerStatus* status = pg::own_status();
  if (status == nullptr) return;
  // somebody reads or writes the default partition this moment
  if (sqlstate == ERRCODE_LOCK_NOT_AVAILABLE) return;
  status->maintenance_sqlstate = sqlstate;
  if (sqlstate == 0) status->maintained_at = GetCurrentTimestamp();
}

// After draining, never before it: what it meets must not keep an event from being handled.
void maintain(TimestampTz* due) {
  const TimestampTz now = GetCurrentTimestamp();
  if (now < *due) return;
  pg::note_doing(pg::Doing::kMaintaining);
  pgstat_report_activity(STATE_RUNNING, "wearables_ingest: maintenance");
  Maintenance partitions{&make_partitions, false};
  int sqlstate = guarded(run_maintenance, &partitions);
  if (sqlstate == 0 && !partitions.had_sender) return;
  Maintenance names{&reclaim_names, false};
  Maintenance calls{&delete_old_calls, false};
  Maintenance vendor_pulls{&check_vendor_pulls, false};
  Maintenance unassignable{&delete_unassignable, false};
  for (Maintenance* step : {&names, &calls, &vendor_pulls, &unassignable}) {
    const int after = guarded(run_maintenance, step);
    if (sqlstate == 0) sqlstate = after;
  }
  note_maintenance(sqlstate);
  *due = now + (sqlstate == 0                            ? kMaintenance
                : sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ? kMaintenanceBusy
                                                         : kMaintenanceAgain);
}

// --- Reconciling

// One worker asks at a time: the others' calls return at once.
pg::Statement reconcile{R"(
  SELECT wearables.reconcile(greatest(current_setting('wearables_ingest.reconcile_interval')::interval, '1 hour'))
  WHERE EXISTS (SELECT FROM wearables.endpoints e WHERE e.base_url IS NOT NULL))"};

// After draining, too: events come before what is asked for again.
void reconcile_if_due(TimestampTz* due) {
  const TimestampTz now = GetCurrentTimestamp();
  if (now < *due || pg::settings().reconcile_seconds == 0) return;
  pg::note_doing(pg::Doing::kMaintaining);
  pgstat_report_activity(STATE_RUNNING, "wearables_ingest: reconciling");
  Maintenance asking{&reconcile, false};
  const int sqlstate = guarded(run_maintenance, &asking);
  if (sqlstate != 0) pg::note_error(sqlstate, 0);
  *due = now + (sqlstate == 0 || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ? kReconcile : kMaintenanceAgain);
}

// --- Waiting

struct Rest {
  int64 length;  // of the last rest after trouble, in microseconds; 0: there was none
};

void handle_signals() {
  ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
}

void reload_if_wanted() {
  if (!ConfigReloadPending) return;
  ConfigReloadPending = false;
  ProcessConfigFile(PGC_SIGHUP);
}

void wait_until(TimestampTz until, bool deaf) {
  for (;;) {
    const TimestampTz now = GetCurrentTimestamp();
    if (now >= until || ConfigReloadPending) break;
    // a millisecond longer than too early
    const long milliseconds = static_cast<long>((until - now) / 1000) + 1;
    const pgsocket flights = pg::flights_fd();
    const int wanted = flights == PGINVALID_SOCKET || deaf ? 0 : WL_SOCKET_READABLE;
    const int events = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | wanted, flights,
                                         milliseconds, PG_WAIT_EXTENSION);
    handle_signals();
    if ((events & (WL_LATCH_SET | WL_SOCKET_READABLE)) != 0 && !deaf) break;
  }
  handle_signals();
  reload_if_wanted();
}

// What does not pass is tried less and less, whatever arrives meanwhile.
void rest(Rest* rest_so_far, int64 shortest, int64 longest) {
  pg::note_doing(pg::Doing::kInTrouble);
  rest_so_far->length = std::clamp(2 * rest_so_far->length, shortest, longest);
  wait_until(GetCurrentTimestamp() + rest_so_far->length, true);
}

pg::Doing doing_after(const TurnOfWorker& mine) {
  if (mine.installed && !mine.turn.schema_fits) return pg::Doing::kWaitingForSchema;
  if (mine.installed && mine.turn.paused) return pg::Doing::kPaused;
  return pg::Doing::kIdle;
}

void sleep_after(const TurnOfWorker& mine) {
  if (mine.turn.more) {
    handle_signals();
    return reload_if_wanted();
  }
  pg::note_doing(doing_after(mine));
  if (pg::flight_count() > 0) {
    pgstat_report_activity(STATE_RUNNING,
                           psprintf("wearables_ingest: waiting for %d response(s) of vendors", pg::flight_count()));
  } else {
    pgstat_report_activity(STATE_IDLE, nullptr);
  }
  const TimestampTz now = GetCurrentTimestamp();
  // what is due and was not claimed is in another session's hands this moment
  const TimestampTz due = std::max(mine.turn.due, now + kShortestNap);
  wait_until(std::min(now + pg::settings().naptime_seconds * kSecond, due), false);
}

void note_turn(const TurnOfWorker& mine, int sqlstate) {
  pg::WorkerStatus* status = pg::own_status();
  if (status == nullptr) return;
  status->done += mine.turn.done;
  status->failed += mine.turn.failed;
  status->memory = static_cast<int64>(MemoryContextMemAllocated(TopMemoryContext, true));
  if (sqlstate != 0) pg::note_error(sqlstate, 0);
}

void complain_of_schema(const TurnOfWorker& mine) {
  constinit static bool complained = false;
  const bool misfit = mine.installed && !mine.turn.schema_fits;
  if (misfit && !complained) {
    ereport(LOG, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("wearables_ingest: the library does not match the installed version of the extension"),
                  errhint("Run ALTER EXTENSION wearables_ingest UPDATE. The queue waits until then.")));
  }
  complained = misfit;
}

void live() {
  TimestampTz maintenance_due = 0;
  TimestampTz reconcile_due = 0;
  Rest resting{0};
  // where SPI keeps what must outlive a transaction; an error leaves it behind
  PortalContext = AllocSetContextCreate(TopMemoryContext, "wearables turn", ALLOCSET_DEFAULT_SIZES);
  for (;;) {
    MemoryContextReset(PortalContext);
    MemoryContextSwitchTo(PortalContext);
    TurnOfWorker mine{};
    mine.turn.due = DT_NOEND;
    pg::note_doing(pg::Doing::kDraining);
    pgstat_report_activity(STATE_RUNNING, "wearables_ingest: looking for jobs");
    const int sqlstate = guarded(take_turn, &mine);
    note_turn(mine, sqlstate);
    if (sqlstate != 0) {
      const bool passes = sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_QUERY_CANCELED;
      rest(&resting, passes ? kShortestRest : kShortestRestAfterError, passes ? kLongestRest : kLongestRestAfterError);
      continue;
    }
    complain_of_schema(mine);
    if (mine.installed && mine.turn.schema_fits) {
      maintain(&maintenance_due);
      reconcile_if_due(&reconcile_due);
    }
    if (mine.turn.trouble) {
      rest(&resting, kShortestRest, kLongestRest);
    } else {
      resting.length = 0;
      sleep_after(mine);
    }
  }
}

void set_for_ever(const char* name, const char* value) {
  (void)set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

// Whatever the site has set for the database, the role or the server.
void take_settings() {
  set_for_ever("search_path", "pg_catalog, pg_temp");
  set_for_ever("default_transaction_isolation", "read committed");
  set_for_ever("default_transaction_read_only", "off");
  set_for_ever("default_transaction_deferrable", "off");
  set_for_ever("statement_timeout", "0");
  set_for_ever("idle_in_transaction_session_timeout", "0");
#if PG_VERSION_NUM >= 170000
  set_for_ever("transaction_timeout", "0");
#endif
  // that of maintenance; a job has its own
  set_for_ever("lock_timeout", "100");
  set_for_ever("DateStyle", "ISO");
  set_for_ever("IntervalStyle", "postgres");
  set_for_ever("TimeZone", "UTC");
  set_for_ever("standard_conforming_strings", "on");
  set_for_ever("row_security", "on");
  set_for_ever("session_replication_role", "origin");
}

}  // namespace

bool start_worker(Oid database, int ordinal, BackgroundWorkerHandle** handle) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  // the launcher starts it anew: it knows whether the database is still there
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = ObjectIdGetDatum(database);
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_library_name, kLibrary, sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "wearables_worker_main", sizeof worker.bgw_function_name);
  snprintf(worker.bgw_name, sizeof worker.bgw_name, "wearables_ingest worker %u/%d", database, ordinal);
  strlcpy(worker.bgw_type, "wearables_ingest worker", sizeof worker.bgw_type);
  return RegisterDynamicBackgroundWorker(&worker, handle);
}

}  // namespace wearables::worker

extern "C" {
PGDLLEXPORT void wearables_worker_main(Datum database);

void wearables_worker_main(Datum database) {
  using namespace wearables;
  using namespace wearables::worker;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
  take_settings();
  pgstat_report_appname("wearables_ingest");
  before_shmem_exit(forget_place, Datum{0});
  pg::take_status(pg::register_worker());
  live();
}
}
