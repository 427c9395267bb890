// An erasure goes on by batches: each job is one transaction, which deletes some of what is stored of the person and
// makes the next job. The lock on events comes before that of the user (lock.h); under both, rows are deleted that no
// other session writes then. Who found the user before looks again when it has that lock (ingest.cpp).
#include "pg/people/erase_job.h"

#include "pg/queue/job.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

Statement erase_statement{"SELECT wearables_internal.erase_some($1)"};

void erase_some(Job* job) {
  const int64 user_id = id_in_argument(*job, "user_id");
  lock_events();
  lock_user(user_id);
  stop_point("erase locked");
  run(erase_statement, {arg_int8(user_id)});
  stop_point("erased some");
}

constexpr JobKind kErase = background_kind("erase", erase_some, 1);

}  // namespace

void register_erase_job_kind() { register_job_kind(&kErase); }

}  // namespace wearables::pg
