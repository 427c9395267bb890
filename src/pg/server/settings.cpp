#include "pg/server/settings.h"

#include <algorithm>
#include <climits>

#include "pg/server/server.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

constinit Settings current{};

constexpr int kReconcileSeconds = 86400;  // a day

void define_int(const char* name, const char* what, int* place, int initial, int low, int high, GucContext context,
                int flags) {
  DefineCustomIntVariable(name, what, nullptr, place, initial, low, high, context, flags, nullptr, nullptr, nullptr);
}

void define_flag(const char* name, const char* what, bool* place, GucContext context, bool initial = false) {
  DefineCustomBoolVariable(name, what, nullptr, place, initial, context, 0, nullptr, nullptr, nullptr);
}

// Empty at first, and changed by the configuration file alone.
void define_text(const char* name, const char* what, char** place, int flags) {
  DefineCustomStringVariable(name, what, nullptr, place, "", PGC_SIGHUP, flags, nullptr, nullptr, nullptr);
}

void define_word(const char* name, const char* what, char** place, const char* initial, GucContext context) {
  DefineCustomStringVariable(name, what, nullptr, place, initial, context, 0, nullptr, nullptr, nullptr);
}

// Of what is asked of vendors.
void define_vendor_settings() {
  define_int("wearables_ingest.reconcile_interval",
             "Sets how often workers pull the recent days of each user again, at least an hour. 0: never.",
             &current.reconcile_seconds, kReconcileSeconds, 0, 365 * kReconcileSeconds, PGC_SIGHUP, GUC_UNIT_S);
  define_int(
      "wearables_ingest.http_concurrency",
      "Sets the number of simultaneous requests for history in one database. Calls and streams have four more each.",
      &current.http_concurrency, 16, 1, 64, PGC_SUSET, 0);
  define_int("wearables_ingest.http_timeout", "Sets how long a request to a vendor may take.",
             &current.http_timeout_seconds, 120, 1, 3600, PGC_SUSET, GUC_UNIT_S);
  define_int("wearables_ingest.http_body_limit", "Sets the largest response that is accepted from a vendor.",
             &current.http_body_limit_kb, 64 * 1024, 1, 256 * 1024, PGC_SUSET, GUC_UNIT_KB);
  define_int("wearables_ingest.pull_state_interval",
             "Sets how often a vendor is asked for the state of its own pulls of one user. 0: never.",
             &current.pull_state_minutes, 6 * 60, 0, 30 * 24 * 60, PGC_SIGHUP, GUC_UNIT_MIN);
  define_flag("wearables_ingest.allow_loopback_http",
              "Allows requests to vendors by plain http to loopback addresses. For tests.",
              &current.allow_loopback_http, PGC_SUSET);
  define_flag("wearables_ingest.notify_progress",
              "Sends the notification wearables_progress with the user's id when a backfill starts or ends.",
              &current.notify_progress, PGC_SUSET);
  define_text(
      "wearables_ingest.http_ca_file",
      "Sets the PEM file of certificate authorities to trust for requests to vendors. Empty: those of the system.",
      &current.http_ca_file, GUC_SUPERUSER_ONLY);
}

// The configuration file alone sets them: for no session, a superuser's neither, can the record be switched off.
void define_access_settings() {
  define_flag("wearables_ingest.access_record", "Records which role read whose data by which function, in accesses.",
              &current.access_record, PGC_SIGHUP);
  define_int("wearables_ingest.access_record_interval",
             "Sets for how long equal reads are counted together before they are written to accesses.",
             &current.access_seconds, 60, 1, 3600, PGC_SIGHUP, GUC_UNIT_S);
}

}  // namespace

const Settings& settings() noexcept { return current; }

int chunk_rows() noexcept { return std::clamp(current.chunk_rows, kMinChunkRows, kMaxChunkRows); }

void define_settings() {
  define_int("wearables_ingest.body_limit", "Sets the largest request body that receive() accepts.",
             &current.body_limit_kb, 16 * 1024, 1, 256 * 1024, PGC_SUSET, GUC_UNIT_KB);
  define_int(
      "wearables_ingest.chunk_rows",
      "Sets the number of samples written by one statement. Values outside of 100 to 20000 count as the nearest limit.",
      &current.chunk_rows, 5000, INT_MIN, INT_MAX, PGC_USERSET, 0);
  define_int("wearables_ingest.max_attempts", "Sets the number of failed attempts after which a job is given up.",
             &current.max_attempts, 8, 1, 100, PGC_SUSET, 0);
  define_int("wearables_ingest.lease", "Sets how long a session may work on a job before another session may claim it.",
             &current.lease_seconds, 600, 1, 86400, PGC_SUSET, GUC_UNIT_S);
  define_int("wearables_ingest.retry_base",
             "Sets the wait after the first failed attempt of a job. It doubles with each further attempt.",
             &current.retry_base_seconds, 2, 0, 3600, PGC_SUSET, GUC_UNIT_S);
  define_int("wearables_ingest.naptime", "Sets how long an idle worker sleeps at most before it looks for jobs.",
             &current.naptime_seconds, 5, 1, 3600, PGC_SIGHUP, GUC_UNIT_S);
  define_int("wearables_ingest.unassignable_retention",
             "Sets how long workers keep a processed event in which no user could be read. 0: for ever.",
             &current.unassignable_minutes, 30 * 24 * 60, 0, 10 * 365 * 24 * 60, PGC_SIGHUP, GUC_UNIT_MIN);
  define_vendor_settings();
  define_access_settings();
  define_int("wearables_ingest.rollup_delay",
             "Sets how long after a write the days that it touched are rolled up, for faster charts.",
             &current.rollup_delay_seconds, 600, 0, 86400, PGC_SUSET, GUC_UNIT_S);
  // a row takes as long to read as a few dozen samples
  define_int("wearables_ingest.rollup_readings", "Sets how many samples of a metric a day must have to be rolled up.",
             &current.rollup_readings, 48, 1, 86400, PGC_SUSET, 0);
  define_flag("wearables_ingest.use_rollups",
              "Lets charts use rollups of past days. Off: they read every sample. The answers are the same.",
              &current.use_rollups, PGC_USERSET, true);
  define_int("wearables_ingest.max_sources",
             "Sets how many sources can exist. Readings of further ones are quarantined.", &current.max_sources, 10000,
             1, 32767, PGC_SUSET, 0);
  define_int("wearables_ingest.notify_samples",
             "Sets how many notifications wearables_samples are sent in one second in one database. 0: none.",
             &current.notify_samples, 0, 0, 1000, PGC_SUSET, 0);
  define_int(
      "wearables_ingest.max_extended_metrics",
      "Sets how many metrics can be added automatically for sub-metrics. Readings of further ones are quarantined.",
      &current.max_extended_metrics, 10000, 0, 22768, PGC_SUSET, 0);
  define_text("wearables_ingest.secret_directory",
              "Sets the directory below which files with secrets must lie. Empty: secrets cannot be in files.",
              &current.secret_directory, GUC_SUPERUSER_ONLY);
  define_text("wearables_ingest.secret_env_prefix",
              "Sets the prefix of environment variables that may hold secrets. Empty: secrets cannot be in variables.",
              &current.secret_env_prefix, GUC_SUPERUSER_ONLY);
  // whoever could change it would choose what a token says
  define_word("wearables_ingest.user_claim",
              "Sets the claim of request.jwt.claims that holds the client_user_id of the caller.", &current.user_claim,
              "sub", PGC_SUSET);
  if (process_shared_preload_libraries_in_progress) {
    define_text("wearables_ingest.databases", "Lists the databases in which workers run, separated by commas.",
                &current.databases, GUC_LIST_INPUT);
    define_int("wearables_ingest.workers", "Sets the number of workers in each of these databases.", &current.workers,
               1, 0, 32, PGC_SIGHUP, 0);
  }
  define_stop_points();
  MarkGUCPrefixReserved("wearables_ingest");
}

}  // namespace wearables::pg
