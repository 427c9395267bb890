// A user's time zone was changed: the events that were read in another one are queued once more, at low priority. One
// job does that for some events in a transaction of its own and makes the next, so that neither the change nor the
// worker waits for a user with many.
//
// The zone is read, here and by whoever handles an event, under the user's lock, which is held until the commit. So
// what was handled before this job has it is found by the zone it was marked with, and what is handled after reads the
// new one: also a job of an event that is claimed already, beside which no other is made.
//
// The last event comes first: what an older one gives up after that, a newer one does not claim (claimant.h).
#include "pg/ingest/zone_job.h"

#include "pg/people/user.h"
#include "pg/queue/job.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"
#include "pg/store/event.h"

namespace wearables::pg {

namespace {

// Of one transaction: nobody parks an event meanwhile.
constexpr int kMostEvents = 500;

Statement read_argument{R"(
  SELECT ($1 ->> 'user_id')::bigint, $1 ->> 'time_zone', ($1 ->> 'before')::bigint)"};
enum { kUserId = 1, kTimeZone, kBefore };

Statement queue_found{"SELECT wearables_internal.queue_events($1, $2)"};

// The same argument with the event that it has come to.
Statement queue_rest{R"(
  SELECT wearables_internal.enqueue_job(
    'zone', format('zone:%s:%s:before:%s', $1 ->> 'user_id', $1 ->> 'time_zone', $2),
    $1 || jsonb_build_object('before', $2), $1 ->> 'user_id', 10))"};

void queue_events_again(Job* job) {
  const Arg argument = arg_datum(JSONBOID, JsonbPGetDatum(job->argument));
  run(read_argument, {argument});
  const int64 user_id = get_int8(0, kUserId);
  const char* wanted = copy_text(0, kTimeZone, CurrentMemoryContext);
  const int64 before = get_int8(0, kBefore, PG_INT64_MAX);
  lock_events();
  // which making jobs takes: a replay that parks something holds it before it locks its users
  lock_parking();
  lock_user(user_id);
  stop_point("zone locked");
  Zone zone;
  find_zone_of(user_id, &zone);
  // it was changed again since, and that has a job
  if (strcmp(zone.name, wanted) != 0) return;
  int found;
  const EventKey* events = find_events_of_other_zone(user_id, zone.name, before, kMostEvents, &found);
  auto* ids = static_cast<Datum*>(palloc(sizeof(Datum) * (found + 1)));
  auto* received = static_cast<Datum*>(palloc(sizeof(Datum) * (found + 1)));
  for (int i = 0; i < found; ++i) {
    ids[i] = Int64GetDatum(events[i].event_id);
    received[i] = TimestampTzGetDatum(events[i].received_at);
  }
  if (found > 0) {
    run(queue_found, {arg_array(INT8OID, ids, nullptr, found), arg_array(TIMESTAMPTZOID, received, nullptr, found)});
  }
  if (found == kMostEvents) run(queue_rest, {argument, arg_int8(events[found - 1].event_id)});
  stop_point("zone queued");
}

constexpr JobKind kZone = background_kind("zone", queue_events_again, kMaxClaim);

}  // namespace

void register_zone_job_kind() { register_job_kind(&kZone); }

}  // namespace wearables::pg
