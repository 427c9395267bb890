#include "worker/worker.h"

#include "pg/job.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "pg/wakeup.h"

extern "C" {
#include "commands/extension.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
}

namespace wearables::worker {

namespace {

constexpr int64 kMaintenanceMicroseconds = 3600 * static_cast<int64>(USECS_PER_SEC);

void forget_place(int, Datum) { pg::unregister_worker(); }

void begin() {
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
}

void end() {
  if (ActiveSnapshotSet()) PopActiveSnapshot();
  CommitTransactionCommand();
  pgstat_report_stat(true);
  pgstat_report_activity(STATE_IDLE, nullptr);
}

// The extension may not be there yet, or may just be going: a normal state, looked up each turn.
bool is_installed() {
  begin();
  const bool installed = OidIsValid(get_extension_oid("wearables_ingest", true));
  end();
  return installed;
}

// False where there is no sender yet: nothing will arrive, and a dump that is being restored may bring
// partitions of its own.
bool make_partitions() {
  begin();
  SPI_connect();
  const pg::OwnerScope scope = pg::enter_owner();
  static pg::Statement statement{
      "SELECT wearables.make_event_partitions(), wearables.reclaim_names() WHERE EXISTS (SELECT FROM wearables.endpoints)"};
  const bool made = pg::run(statement, {}) > 0;
  pg::leave(scope);
  SPI_finish();
  end();
  return made;
}

void maintain(TimestampTz* due) {
  const TimestampTz now = GetCurrentTimestamp();
  if (now < *due) return;
  pgstat_report_activity(STATE_RUNNING, "wearables.make_event_partitions()");
  if (make_partitions()) *due = now + kMaintenanceMicroseconds;
}

void drain_queue() {
  pgstat_report_activity(STATE_RUNNING, "wearables.drain()");
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  SPI_connect_ext(SPI_OPT_NONATOMIC);
  pg::drain(0);
  SPI_finish();
  end();
}

void wait_for_work() {
  (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                  pg::settings().naptime_seconds * 1000L, PG_WAIT_EXTENSION);
  ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
  }
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
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
  (void)set_config_option("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
  pgstat_report_appname("wearables_ingest");
  before_shmem_exit(forget_place, Datum{0});
  (void)pg::register_worker();
  TimestampTz maintenance_due = 0;
  for (;;) {
    if (is_installed()) {
      maintain(&maintenance_due);
      drain_queue();
    }
    wait_for_work();
  }
}
}
