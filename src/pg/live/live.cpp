// What waits to be told lies in shared memory, one board a database, under one lightweight lock that is held while a
// list of bounded length is merged or copied, never while anything is sent. Who copies notices moves the time of the
// next ones under that lock, so two sessions do not send the same, unless one takes longer than until then: a notice
// that is sent twice does no harm.
//
// What a transaction changed is kept by the session until its end, by levels of subtransactions.
#include "pg/live/live.h"

#include <algorithm>

#include "pg/queue/status.h"
#include "pg/queue/wakeup.h"
#include "pg/server/instant.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

constexpr int kBoards = 8;  // of the whole server
// Between two transactions that send notices, so that what happens at once is told at once.
constexpr int64 kInterval = USECS_PER_SEC / 10;
constexpr int64 kIntervalAfterFailure = 10 * static_cast<int64>(USECS_PER_SEC);

struct Board {
  Oid database;  // InvalidOid: free
  TimestampTz used_at;
  TimestampTz paid_until;  // so much of the limit is used up
  TimestampTz not_before;
  bool any_unsettled;  // a notice of any user was copied, and nobody has told yet that it was sent
  ChangeList changes;

  bool empty() const noexcept { return changes.empty() && !any_unsettled; }
};

struct Boards {
  Board boards[kBoards];
};

constinit Boards* shared = nullptr;
constinit LWLock* lock = nullptr;
// Of the transaction; made when something is changed first.
constinit ChangeList* own = nullptr;

// That of this database; null if it has none.
Board* find_board() noexcept {
  if (shared == nullptr) return nullptr;
  for (Board& board : shared->boards) {
    if (board.database == MyDatabaseId) return &board;
  }
  return nullptr;
}

// Of more databases than there are boards, the one that has been quiet for longest loses its own.
Board* find_or_make_board() noexcept {
  if (Board* found = find_board(); found != nullptr) return found;
  Board* board = &shared->boards[0];
  for (Board& other : shared->boards) {
    if (other.database == InvalidOid) {
      board = &other;
      break;
    }
    if (other.used_at < board->used_at) board = &other;
  }
  board->database = MyDatabaseId;
  board->paid_until = board->not_before = 0;
  board->any_unsettled = false;
  board->changes.clear();
  return board;
}

// The time that one notice uses up.
int64 cost() noexcept { return USECS_PER_SEC / settings().notify_samples; }

TimestampTz next_time(const Board& board) noexcept { return std::max(board.paid_until + cost(), board.not_before); }

void add(const UserChange& change) {
  if (shared == nullptr || settings().notify_samples == 0 || change.metric_count == 0) return;
  if (own == nullptr) own = static_cast<ChangeList*>(MemoryContextAllocZero(TopMemoryContext, sizeof(ChangeList)));
  own->add(change, GetCurrentSubTransactionId());
}

// After the commit: what is told can be read.
void post() {
  LWLockAcquire(lock, LW_EXCLUSIVE);
  Board* board = find_or_make_board();
  const bool was_empty = board->empty();
  board->used_at = GetCurrentTimestamp();
  for (int i = 0; i < own->count(); ++i) board->changes.add((*own)[i], kOutermostLevel);
  if (own->any_user()) board->changes.add_any_user(kOutermostLevel);
  LWLockRelease(lock);
  own->clear();
  // what waited already has somebody who will send it, and so has what a worker wrote
  if (was_empty && own_status() == nullptr) wake_now();
}

}  // namespace

void note_changed(int64 user_id, const Touched& touched) { add(change_of(user_id, touched)); }

TimestampTz next_notice_at() noexcept {
  if (settings().notify_samples == 0) return DT_NOEND;
  const Board* board = find_board();
  return board == nullptr || board->empty() ? DT_NOEND : next_time(*board);
}

void copy_notices(Notices* notices) {
  notices->any_user = false;
  notices->count = 0;
  if (settings().notify_samples == 0) return;
  const TimestampTz now = GetCurrentTimestamp();
  LWLockAcquire(lock, LW_EXCLUSIVE);
  Board* board = find_board();
  if (board != nullptr && next_time(*board) <= now) {
    // what was not used is kept for one interval only
    board->paid_until = std::max(board->paid_until, now - std::max(kInterval, cost()));
    board->not_before = now + kInterval;
    notices->any_user = board->any_unsettled = board->any_unsettled || board->changes.any_user();
    // any user covers each of them; what changes from here on is another notice
    if (notices->any_user) board->changes.clear();
    const int64 most = std::min<int64>((now - board->paid_until) / cost(), Notices::kMost);
    notices->count = static_cast<int>(std::min<int64>(most, board->changes.count()));
    for (int i = 0; i < notices->count; ++i) notices->users[i] = board->changes[i];
    board->paid_until += cost() * (notices->any_user ? 1 : notices->count);
  }
  LWLockRelease(lock);
}

void settle_notices(const Notices& notices, bool sent) {
  LWLockAcquire(lock, LW_EXCLUSIVE);
  Board* board = find_board();
  if (board != nullptr && !sent) board->not_before = GetCurrentTimestamp() + kIntervalAfterFailure;
  if (board != nullptr && sent) {
    if (notices.any_user) board->any_unsettled = false;
    for (int i = 0; i < notices.count; ++i) board->changes.remove(notices.users[i]);
  }
  LWLockRelease(lock);
}

// --- Sending

namespace {

// The names of metrics that are listed may be too long for a payload, which must be shorter than 8000 bytes: then they
// are not listed.
Statement notify_statement{R"(
  SELECT pg_notify('wearables_samples', format('{"user_id": %s, "metrics": %s, "from": %s, "to": %s}',
      coalesce($1::text, 'null'),
      CASE WHEN octet_length(m.names) < 7800 THEN m.names ELSE 'null' END,
      coalesce(to_json(to_char($3 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text, 'null'),
      coalesce(to_json(to_char($4 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text, 'null')))
  FROM (SELECT json_agg(x.name ORDER BY x.name)::text AS names
        FROM wearables.metrics x WHERE x.metric_id = ANY ($2)) m)"};

Arg instant_or_null(Micros at, bool null) { return arg_datum(TIMESTAMPTZOID, null ? 0 : to_server(at), null); }

Arg metrics_or_null(const UserChange& change) {
  if (change.metric_count == UserChange::kAnyMetric) return arg_datum(INT2ARRAYOID, 0, true);
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * kMaxChangedMetrics));
  for (int i = 0; i < change.metric_count; ++i) values[i] = Int16GetDatum(change.metrics[i]);
  return arg_array(INT2OID, values, nullptr, change.metric_count);
}

void send(const UserChange& change, bool any_user) {
  const bool all_time = change.range == kAllTime;
  // the end is exclusive, as in all functions that take a range
  run(notify_statement, {arg_datum(INT8OID, Int64GetDatum(change.user_id), any_user), metrics_or_null(change),
                         instant_or_null(change.range.from, all_time), instant_or_null(change.range.to + 1, all_time)});
}

}  // namespace

void send_notices(const Notices& notices) {
  if (notices.any_user) send(whole_change_of(0), true);
  for (int i = 0; i < notices.count; ++i) send(notices.users[i], false);
}

// --- Callbacks

void live_at_transaction_end(XactEvent event) {
  if (own == nullptr || own->empty()) return;
  switch (event) {
    case XACT_EVENT_COMMIT:
      post();
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      own->clear();
      break;
    default:
      break;
  }
}

void live_at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent) noexcept {
  if (own == nullptr || own->empty()) return;
  if (event == SUBXACT_EVENT_ABORT_SUB) own->forget(mine);
  if (event == SUBXACT_EVENT_COMMIT_SUB) own->hand_up(mine, parent);
}

size_t live_size() noexcept { return MAXALIGN(sizeof(Boards)); }

void attach_live(void* place, bool is_new, LWLock* of_memory) noexcept {
  shared = static_cast<Boards*>(place);
  lock = of_memory;
  if (is_new) memset(place, 0, sizeof(Boards));
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_note_all_changed);

Datum wearables_note_all_changed(PG_FUNCTION_ARGS) {
  wearables::pg::add(wearables::whole_change_of(PG_GETARG_INT64(0)));
  PG_RETURN_VOID();
}
}
