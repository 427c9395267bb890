// The job of a user who is due: rolls up the days that have no rollup, some thousand samples in a transaction, and
// makes the next job of what is left, so that no writer of the user waits long.
//
// The lock of the user comes first, then the one that keeps SQL past the writer out, which is only tried. Every
// statement afterwards has a snapshot of its own (READ COMMITTED). So it sees all that former holders have committed,
// and nobody changes samples of the user until this transaction has ended. The first job of a series takes the days
// over from rollup_users: what is written between two jobs makes the user due again.
#include "core/rollup/day_rollup.h"

#include <algorithm>
#include <string>

#include "pg/queue/job.h"
#include "pg/rollup/readings.h"
#include "pg/rollup/rollup.h"
#include "pg/rollup/rollup_tables.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

extern "C" {
#include "utils/rls.h"
}

namespace wearables::pg {

namespace {

// Samples that one transaction reads at most, but for the day that it is at. It takes some tens of milliseconds.
constexpr int64 kMostReadings = 50'000;
constexpr int kLowPriority = 10;

Statement read_argument{R"(
  SELECT ($1 ->> 'user_id')::bigint, ($1 ->> 'from')::date, ($1 ->> 'to')::date, ($1 ->> 'metric_id')::smallint,
         ($1 ->> 'day')::date)"};
enum ArgumentColumn { kUserId = 1, kFrom, kTo, kMetricId, kDay };

Statement read_state{R"(
  SELECT u.epoch, u.due_from, u.due_to FROM wearables_internal.rollup_users u WHERE u.user_id = $1)"};
enum StateColumn { kEpoch = 1, kDueFrom, kDueTo };

// $2: the epoch; $3 and $4: days that stay due, and when. What else was due is the job's.
Statement take_over{R"(
  INSERT INTO wearables_internal.rollup_users AS u (user_id, epoch, due_from, due_to, due_at)
  VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (user_id) DO UPDATE
    SET epoch = excluded.epoch, due_from = excluded.due_from, due_to = excluded.due_to, due_at = excluded.due_at)"};

Statement delete_old_epochs{"DELETE FROM wearables_internal.rollups r WHERE r.user_id = $1 AND r.epoch <> $2"};

// The metrics of the user from $2 on that are rolled up, by the key of their samples.
Statement select_metrics{R"(
  WITH RECURSIVE mine (metric_id) AS (
    (SELECT p.metric_id FROM wearables.sample_points p
     WHERE p.user_id = $1 AND p.metric_id >= $2 ORDER BY p.metric_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.metric_id FROM wearables.sample_points p
            WHERE p.user_id = $1 AND p.metric_id > o.metric_id ORDER BY p.metric_id LIMIT 1)
    FROM mine o WHERE o.metric_id IS NOT NULL)
  SELECT m.metric_id FROM mine o JOIN wearables.metrics m ON m.metric_id = o.metric_id
  WHERE NOT EXISTS (SELECT FROM wearables_internal.metrics_not_rolled_up n WHERE n.metric = m.name)
  ORDER BY m.metric_id)"};

Statement select_days{R"(
  SELECT r.day FROM wearables_internal.rollups r
  WHERE r.user_id = $1 AND r.metric_id = $2 AND r.day BETWEEN $3 AND $4 AND r.epoch = $5 ORDER BY r.day)"};

Statement insert_rollup{R"(
  INSERT INTO wearables_internal.rollups AS r (user_id, metric_id, day, epoch, entries) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (user_id, metric_id, day) DO UPDATE SET epoch = excluded.epoch, entries = excluded.entries)"};

Statement widen_rolled{R"(
  UPDATE wearables_internal.rollup_users u
  SET rolled_from = least(u.rolled_from, $2), rolled_to = greatest(u.rolled_to, $3)
  WHERE u.user_id = $1 AND (u.rolled_from > $2 OR u.rolled_to < $3))"};

Statement queue_rest{R"(
  SELECT wearables_internal.enqueue_job(
    'rollup', 'rollup:' || $1, jsonb_build_object('user_id', $1, 'from', $2, 'to', $3, 'metric_id', $4, 'day', $5),
    $1::text, $6))"};

Statement put_off_user{"UPDATE wearables_internal.rollup_users u SET due_at = 'infinity' WHERE u.user_id = $1"};

// No epoch is -1: all of the user's rollups are made anew.
Statement rebuild_user{R"(
  INSERT INTO wearables_internal.rollup_users AS u (user_id, epoch, due_at) VALUES ($1, -1, now())
  ON CONFLICT (user_id) DO UPDATE SET epoch = excluded.epoch, due_at = excluded.due_at)"};

// --- One user

struct Pass {
  int64 user_id;
  int64 epoch;
  DayRange days;      // to be rolled up where they are not
  int16 metric_id;    // where it goes on, or is to go on; before the first metric at first
  DateADT day;        // of that metric
  int64 left;         // readings that may still be read
  bool stopped;       // there are more than those
  DayRange rolled;    // what has been stored
  DayRollup* rollup;  // of `open_day`
  DateADT open_day;
  std::string* bytes;
  RollupReading* page;  // kReadingPage
};

constexpr DateADT kNoDay = DATEVAL_NOBEGIN;

DateADT get_date(uint64 row, int column, DateADT if_null) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetDateADT(value);
}

void close_day(Pass* pass, int16 metric_id) {
  if (pass->open_day != kNoDay && pass->rollup->stands_for(static_cast<size_t>(settings().rollup_readings))) {
    call_core([&]() -> Result<Done> { return pass->rollup->encode(*pass->bytes), Done{}; });
    bytea* entries = copy_bytes(*pass->bytes);
    run(insert_rollup, {arg_int8(pass->user_id), arg_int2(metric_id), arg_date(pass->open_day), arg_int8(pass->epoch),
                        arg_datum(BYTEAOID, PointerGetDatum(entries))});
    pfree(entries);
    pass->rolled.add({pass->open_day, pass->open_day});
  }
  pass->open_day = kNoDay;
}

void open_day(Pass* pass, DateADT day) {
  pass->open_day = day;
  pass->rollup->begin(to_core(start_of(day)));
}

Result<Done> add_all(DayRollup& rollup, const RollupReading* begin, const RollupReading* end) {
  for (const RollupReading* reading = begin; reading < end; ++reading) rollup.add(*reading);
  return Done{};
}

// Adds the readings of a page, each day at its turn. Stops before the day that there is no room for.
void add_page(Pass* pass, int16 metric_id, int count) {
  for (int begin = 0; begin < count;) {
    const DateADT day = utc_day(to_server(pass->page[begin].ts));
    if (day != pass->open_day) {
      close_day(pass, metric_id);
      if (pass->left <= 0) {
        pass->stopped = true;
        pass->metric_id = metric_id;
        pass->day = day;
        return;
      }
      open_day(pass, day);
    }
    const Micros end_of_day = to_core(start_of(day + 1));
    int end = begin;
    while (end < count && pass->page[end].ts < end_of_day) ++end;
    call_core([&] { return add_all(*pass->rollup, pass->page + begin, pass->page + end); });
    pass->left -= end - begin;
    begin = end;
  }
}

void roll_up_days(Pass* pass, int16 metric_id, const DayRange& days) {
  if (days.empty() || pass->stopped) return;
  Cursor cursor = open_readings(pass->user_id, metric_id, start_of(days.from), start_of(days.to + 1));
  for (int rows; !pass->stopped && (rows = fetch_readings(cursor, pass->page)) > 0;) {
    CHECK_FOR_INTERRUPTS();
    add_page(pass, metric_id, rows);
  }
  close_day(pass, metric_id);
  close_cursor(cursor);
}

// The days between those that have their rollups.
void roll_up_metric(Pass* pass, int16 metric_id) {
  DayRange days = pass->days;
  if (metric_id == pass->metric_id) days.from = std::max(days.from, pass->day);
  if (days.empty()) return;
  const uint64 count = run(select_days, {arg_int8(pass->user_id), arg_int2(metric_id), arg_date(days.from),
                                         arg_date(days.to), arg_int8(pass->epoch)});
  auto* there = static_cast<DateADT*>(palloc(sizeof(DateADT) * (count + 1)));
  for (uint64 row = 0; row < count; ++row) there[row] = get_date(row, 1, kNoDay);
  DateADT from = days.from;
  for (uint64 i = 0; i < count && !pass->stopped; ++i) {
    roll_up_days(pass, metric_id, {from, there[i] - 1});
    from = there[i] + 1;
  }
  roll_up_days(pass, metric_id, {from, days.to});
  pfree(there);
}

void roll_up_metrics(Pass* pass) {
  const uint64 count = run(select_metrics, {arg_int8(pass->user_id), arg_int2(pass->metric_id)});
  auto* metrics = static_cast<int16*>(palloc(sizeof(int16) * (count + 1)));
  for (uint64 row = 0; row < count; ++row) metrics[row] = get_int2(row, 1);
  for (uint64 i = 0; i < count && !pass->stopped; ++i) roll_up_metric(pass, metrics[i]);
}

// Which days the job is about. Takes them over from the state of the user, unless a former job has done so and nothing
// has invalidated all rollups since.
void find_days(Pass* pass, const Job& job, bool can_hold) {
  constexpr DateADT kFirstDay = -36524;  // 1900-01-01: no sample is earlier
  run(read_argument, {arg_datum(JSONBOID, JsonbPGetDatum(job.argument))});
  pass->days = {get_date(0, kFrom, DATEVAL_NOEND), get_date(0, kTo, DATEVAL_NOBEGIN)};
  pass->metric_id = get_int2(0, kMetricId, PG_INT16_MIN);
  pass->day = get_date(0, kDay, kNoDay);
  DayRange due;
  bool is_whole = true;
  if (run(read_state, {arg_int8(pass->user_id)}) > 0) {
    is_whole = get_int8(0, kEpoch) != pass->epoch;
    due = {get_date(0, kDueFrom, DATEVAL_NOEND), get_date(0, kDueTo, DATEVAL_NOBEGIN)};
  }
  const DateADT today = utc_day(GetCurrentTimestamp());
  if (is_whole || pass->days.empty()) {
    pass->metric_id = PG_INT16_MIN;
    pass->day = kNoDay;
    pass->days = is_whole ? DayRange{kFirstDay, today} : due;
    due.add(pass->days);
    DayRange rest{today, due.to};
    if (!can_hold || rest.empty()) rest = {};
    run(take_over, {arg_int8(pass->user_id), arg_int8(pass->epoch), arg_date(rest.from), arg_date(rest.to),
                    arg_instant(rest.empty() ? DT_NOEND : rollup_due_time(pass->user_id, rest.from))});
  }
  if (is_whole) run(delete_old_epochs, {arg_int8(pass->user_id), arg_int8(pass->epoch)});
  pass->days.to = std::min(pass->days.to, today - 1);
}

bool sample_points_can_hold() {
  const Oid relation = get_relname_relid("sample_points", get_namespace_oid("wearables", false));
  if (!OidIsValid(relation)) return false;
  // so that the trigger is not disabled meanwhile
  Relation points = table_open(relation, RowExclusiveLock);
  // FORCE ROW LEVEL SECURITY hides samples from the owner, as whom a job works
  const bool sees_all = check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
  const bool holds = sees_all && rollups_can_hold(points);
  table_close(points, NoLock);
  return holds;
}

void roll_up(Job* job) {
  Pass pass{};
  pass.user_id = id_in_argument(*job, "user_id");
  pass.left = kMostReadings;
  pass.open_day = kNoDay;
  if (pass.user_id == 0) return;
  lock_user(pass.user_id);
  if (!try_lock_rollups()) {
    ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("samples are being changed by SQL")));
  }
  const bool can_hold = sample_points_can_hold();
  stop_point("rollup locked");
  // a reset that comes after this one is not the transaction's affair: its epoch is a later one
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  (void)find_rollup_epoch(snapshot, &pass.epoch);
  UnregisterSnapshot(snapshot);
  find_days(&pass, *job, can_hold);
  if (!can_hold || pass.days.empty()) return;
  pass.rollup = owned_by<DayRollup>(CurrentMemoryContext);
  pass.bytes = owned_by<std::string>(CurrentMemoryContext);
  pass.page = static_cast<RollupReading*>(palloc(sizeof(RollupReading) * kReadingPage));
  roll_up_metrics(&pass);
  if (!pass.rolled.empty()) {
    run(widen_rolled, {arg_int8(pass.user_id), arg_date(pass.rolled.from), arg_date(pass.rolled.to)});
  }
  if (pass.stopped) {
    run(queue_rest, {arg_int8(pass.user_id), arg_date(pass.days.from), arg_date(pass.days.to), arg_int2(pass.metric_id),
                     arg_date(pass.day), arg_int4(kLowPriority)});
  }
  stop_point("rolled up");
}

// The user stays due for whoever looks at rollup_users, and is not queued again by itself.
bool give_up_user(const Job& job, int, const char*) {
  const int64 user_id = id_in_argument(job, "user_id");
  lock_user(user_id);
  run(put_off_user, {arg_int8(user_id)});
  return true;
}

// --- Who is due

Statement queue_rollups{"SELECT wearables_internal.queue_rollups(make_interval(secs => $1), $2)"};

// Jobs of this kind that are ready at most, so that they do not make the queue long.
constexpr int kMostQueued = 200;

// One session at a time, or two would make the same jobs.
bool queue_due_users() {
  if (!try_lock_job_kind("rollup")) return false;
  run(queue_rollups, {arg_seconds(settings().rollup_delay_seconds), arg_int4(kMostQueued)});
  return get_int8(0, 1) > 0;
}

constexpr JobKind rollup_kind() {
  JobKind kind{};
  kind.name = "rollup";
  kind.work = roll_up;
  kind.give_up = give_up_user;
  kind.feed = queue_due_users;
  kind.concurrency = {nullptr, false, kMaxClaim};
  constexpr double kLongestRetryDelay = 3600.0;
  kind.retry = {0, -1.0, kLongestRetryDelay, 0.5, nullptr, 0};
  return kind;
}

constexpr JobKind kRollup = rollup_kind();

}  // namespace

void register_rollup_job_kind() { register_job_kind(&kRollup); }

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_rebuild_rollups);

// user_id bigint
Datum wearables_rebuild_rollups(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const int64 user_id = PG_GETARG_INT64(0);
  // who changes rollup_users holds it
  lock_user(user_id);
  SPI_connect();
  run(rebuild_user, {arg_int8(user_id)});
  SPI_finish();
  PG_RETURN_VOID();
}
}
