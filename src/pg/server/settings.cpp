#include "pg/server/settings.h"

#include <algorithm>
#include <climits>

#include "pg/server/server.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

constinit Settings current{};

void define_int(const char* name, const char* what, int* place, int initial, int low, int high, GucContext context,
                int flags) {
  DefineCustomIntVariable(name, what, nullptr, place, initial, low, high, context, flags, nullptr, nullptr, nullptr);
}

void define_flag(const char* name, const char* what, bool* place, GucContext context) {
  DefineCustomBoolVariable(name, what, nullptr, place, false, context, 0, nullptr, nullptr, nullptr);
}

// Empty at first, and changed by the configuration file alone.
void define_text(const char* name, const char* what, char** place, int flags) {
  DefineCustomStringVariable(name, what, nullptr, place, "", PGC_SIGHUP, flags, nullptr, nullptr, nullptr);
}

}  // namespace

const Settings& settings() noexcept { return current; }

int chunk_rows() noexcept { return std::clamp(current.chunk_rows, kMinChunkRows, kMaxChunkRows); }

void define_settings() {
  define_int("wearables_ingest.body_limit", "Largest body that receive() takes.", &current.body_limit_kb, 16 * 1024, 1,
             256 * 1024, PGC_SUSET, GUC_UNIT_KB);
  define_int("wearables_ingest.chunk_rows",
             "Samples per write; values outside 100 to 20000 count as the nearest bound.", &current.chunk_rows, 5000,
             INT_MIN, INT_MAX, PGC_USERSET, 0);
  define_int("wearables_ingest.max_attempts", "Attempts of a job before it is a dead letter.", &current.max_attempts, 8,
             1, 100, PGC_SUSET, 0);
  define_int("wearables_ingest.lease", "How long a job may be worked on before it is taken back.",
             &current.lease_seconds, 600, 1, 86400, PGC_SUSET, GUC_UNIT_S);
  define_int("wearables_ingest.retry_base", "Wait after a job's first failure; doubles each time.",
             &current.retry_base_seconds, 2, 0, 3600, PGC_SUSET, GUC_UNIT_S);
  define_int("wearables_ingest.naptime", "Longest sleep of an idle worker.", &current.naptime_seconds, 5, 1, 3600,
             PGC_SIGHUP, GUC_UNIT_S);
  define_int("wearables_ingest.http_concurrency", "Requests to vendors at once, in a database.",
             &current.http_concurrency, 16, 1, 64, PGC_SUSET, 0);
  define_int("wearables_ingest.http_timeout", "How long a request to a vendor may take.", &current.http_timeout_seconds,
             120, 1, 3600, PGC_SUSET, GUC_UNIT_S);
  define_int("wearables_ingest.http_body_limit", "Largest answer that is taken from a vendor.",
             &current.http_body_limit_kb, 64 * 1024, 1, 256 * 1024, PGC_SUSET, GUC_UNIT_KB);
  define_flag("wearables_ingest.allow_loopback_http",
              "Vendors may be asked by plain http at an address of this machine: for tests.",
              &current.allow_loopback_http, PGC_SUSET);
  define_text("wearables_ingest.http_ca_file", "Authorities to trust in place of the system's, as a file of PEM.",
              &current.http_ca_file, GUC_SUPERUSER_ONLY);
  define_int("wearables_ingest.max_sources",
             "Sources that senders may name in all; readings of a further one are quarantined.", &current.max_sources,
             10000, 1, 32767, PGC_SUSET, 0);
  define_int("wearables_ingest.max_extended_metrics",
             "Metrics that the types of samples may name in all; readings of a further one are quarantined.",
             &current.max_extended_metrics, 10000, 0, 22768, PGC_SUSET, 0);
  define_text("wearables_ingest.secret_directory",
              "Directory below which the files of secrets may lie; empty: none may.", &current.secret_directory,
              GUC_SUPERUSER_ONLY);
  define_text("wearables_ingest.secret_env_prefix",
              "Prefix of the environment variables that may hold secrets; empty: none may.", &current.secret_env_prefix,
              GUC_SUPERUSER_ONLY);
  if (process_shared_preload_libraries_in_progress) {
    define_text("wearables_ingest.databases", "Databases that have workers, separated by commas.", &current.databases,
                GUC_LIST_INPUT);
    define_int("wearables_ingest.workers", "Workers per database.", &current.workers, 1, 0, 32, PGC_SIGHUP, 0);
  }
  define_stop_points();
  MarkGUCPrefixReserved("wearables_ingest");
}

}  // namespace wearables::pg
