// A vendor's id is linked to another person: the events that came under it are queued once more, at low priority, and
// whoever handles one moves what it wrote under the locks of both persons (ingest.cpp). The job comes again until no
// event is left with a former person.
//
// The change holds the lock of the former person until it commits (77_user_link.sql). So what was handled before is
// seen here, and what is handled after looks again whose it is.
#include "pg/ingest/link_job.h"

#include "pg/queue/job.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

Statement follow_statement{R"(
  SELECT wearables_internal.follow_link($1 ->> 'endpoint', $1 ->> 'external_user_id',
    ARRAY(SELECT f::bigint FROM jsonb_array_elements_text(coalesce($1 -> 'formers', '[]')) f),
    ($1 ->> 'paused')::interval))"};

void follow(Job* job) {
  lock_events();
  stop_point("link changed");
  run(follow_statement, {arg_datum(JSONBOID, JsonbPGetDatum(job->argument))});
  stop_point("link followed");
}

constexpr JobKind kLink = background_kind("link", follow, 1);

}  // namespace

void register_link_job_kind() { register_job_kind(&kLink); }

}  // namespace wearables::pg
