// The settings: wearables_ingest.<noun>.
#pragma once

namespace wearables::pg {

struct Settings {
  int body_limit_kb;         // largest body that receive() takes, in kB
  int chunk_rows;            // rows per write
  int max_attempts;          // of a job, before it is a dead letter
  int lease_seconds;         // after which a silent worker's job is taken back
  int retry_base_seconds;    // wait after the first failure; doubles
  int workers;               // per database
  int naptime_seconds;       // safety poll of an idle worker
  int reconcile_seconds;     // between two pulls of a person's recent past; 0: none are made by a worker
  int http_concurrency;      // transfers at once, in the database
  int http_timeout_seconds;  // of one transfer
  int http_body_limit_kb;    // of one answer
  int unassignable_minutes;  // that an event is kept in which no user could be read; 0: for ever
  int pull_state_minutes;    // between two questions about the vendor's own pulls; 0: never
  int rollup_delay_seconds;  // from the first write that a rollup does not hold to the job that makes it anew
  int rollup_readings;       // of a day, from which on it is rolled up
  bool use_rollups;          // by charts of this session
  bool allow_loopback_http;  // plain http to an address of the machine itself
  bool notify_progress;      // NOTIFY wearables_progress; each takes a lock of the whole cluster at commit
  bool access_record;        // reads of people's data are noted
  int access_seconds;        // that they are gathered for
  int notify_samples;        // NOTIFY wearables_samples a second, in the database; 0: none
  char* http_ca_file;        // authorities to trust; empty: those of the system
  int max_sources;           // in the whole database
  int max_extended_metrics;  // that fields of a sample name
  char* databases;           // comma-separated
  char* secret_directory;    // below which file: secrets lie; empty: nowhere
  char* user_claim;          // of a token: the claim that holds client_user_id
  char* secret_env_prefix;   // of the variables that env: secrets may name; empty: none
};

// Values in force; read-only for everybody but the server's settings machinery.
const Settings& settings() noexcept;

// chunk_rows within the bounds that no setting can leave (R7).
int chunk_rows() noexcept;

inline constexpr int kMinChunkRows = 100;
inline constexpr int kMaxChunkRows = 20000;

void define_settings();

}  // namespace wearables::pg
