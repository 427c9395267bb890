#include "worker/launcher.h"

#include "pg/call/call_job.h"
#include "pg/ingest/normalize_job.h"
#include "pg/ingest/link_job.h"
#include "pg/ingest/zone_job.h"
#include "pg/live/live.h"
#include "pg/parse/mapping.h"
#include "pg/parse/names.h"
#include "pg/people/access.h"
#include "pg/people/erase_job.h"
#include "pg/pull/pull_job.h"
#include "pg/pull/stream_job.h"
#include "pg/retention/retention_job.h"
#include "pg/server/planning.h"
#include "pg/rollup/rollup.h"
#include "pg/write/write.h"
#include "pg/receive/activity.h"
#include "pg/server/settings.h"
#include "pg/queue/test_job.h"
#include "pg/queue/wakeup.h"

extern "C" {
#include "utils/inval.h"
#include "utils/syscache.h"
}

namespace wearables::pg {

namespace {

// What a transaction has read of its own rows is right only if it commits. A prepared one may be rolled back later.
void at_transaction_end(XactEvent event, void*) {
  activity_at_transaction_end(event);
  live_at_transaction_end(event);
  accesses_at_transaction_end(event);
  if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT || event == XACT_EVENT_PREPARE) {
    forget_names();
    forget_plan();
    forget_pending_inserts(TopSubTransactionId);
    forget_own_write();
  }
  // the callback is also called before the transaction ends, when it may still abort
  if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PARALLEL_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE) {
    keep_plan();
    forget_name_locks();
  }
}

void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void*) {
  live_at_subtransaction_end(event, mine, parent);
  if (event != SUBXACT_EVENT_ABORT_SUB) return;
  forget_written_accesses();
  forget_names();
  forget_plan();
  forget_pending_inserts(mine);
  forget_own_write();
}

// The extension may be dropped and made anew while a session lives: ids and revisions then begin again.
void at_schema_change(Datum, int, uint32) {
  forget_names();
  forget_plan_for_good();
}

// Most of what users call is PL/pgSQL. Loaded once by the postmaster, its library need not be loaded by each session in
// its first call: a sixth of the first chart of a week. Not where it is missing, for the server would not start.
void preload_procedural_language() {
  char path[MAXPGPATH];
  snprintf(path, sizeof path, "%s/plpgsql%s", pkglib_path, DLSUFFIX);
  if (access(path, R_OK) == 0) load_file(path, false);
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "wearables_ingest");
#else
PG_MODULE_MAGIC;
#endif

PGDLLEXPORT void _PG_init(void);

void _PG_init(void) {
  using namespace wearables;
  pg::define_settings();
  pg::install_planning();
  pg::register_event_job_kinds();
  pg::register_zone_job_kind();
  pg::register_link_job_kind();
  pg::register_pull_job_kind();
  pg::register_stream_job_kind();
  pg::register_call_job_kind();
  pg::register_erase_job_kind();
  pg::register_rollup_job_kind();
  pg::register_retention_job_kind();
  pg::register_test_job_kinds();  // none without stop_point.h
  RegisterXactCallback(pg::at_transaction_end, nullptr);
  RegisterSubXactCallback(pg::at_subtransaction_end, nullptr);
  CacheRegisterSyscacheCallback(NAMESPACEOID, pg::at_schema_change, Datum{0});
  // pg_upgrade starts the server to load the catalog, not to work
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  pg::preload_procedural_language();
  pg::request_wakeup_memory();
  worker::register_launcher();
}
}
