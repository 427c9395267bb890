#include "pg/receive/activity.h"

#include <algorithm>
#include <cstring>

#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/subtransaction.h"

namespace wearables::pg {

namespace {

constexpr int kSlots = 256;  // of the whole server: endpoints times reasons
constexpr int kNameSize = 64;
constexpr int kIdSize = 65;
constexpr int64 kFlushEvery = USECS_PER_SEC;
constexpr int64 kLogEvery = 10 * static_cast<int64>(USECS_PER_SEC);

// The extension may be dropped and made anew: what was counted for the former one is nobody's.
struct Slot {
  Oid database;  // InvalidOid: free
  Oid schema;
  Fate fate;
  char endpoint[kNameSize];
  char message_id[kIdSize];  // a sample; empty: none was well-formed
  int64 count, written;
  TimestampTz first, last;  // since the last flush
  TimestampTz logged_at;
};

struct Activity {
  TimestampTz flushed_at;
  Slot slots[kSlots];
};

constinit Activity own{};  // without preloading
constinit Activity* activity = &own;
constinit LWLock* lock = nullptr;

// What this transaction has written, and the acceptances that count when it commits.
struct Pending {
  int count;
  struct {
    int slot;
    int64 written;
  } flushed[kSlots];
  int accepted;
  Oid schema;
  char endpoint[kNameSize];  // of the last acceptance; a transaction rarely has several, and then of one sender
  char message_id[kIdSize];
};
constinit Pending pending{};

void acquire() {
  if (lock != nullptr) LWLockAcquire(lock, LW_EXCLUSIVE);
}
void release() {
  if (lock != nullptr) LWLockRelease(lock);
}

bool is_ours(const Slot& slot, Oid schema) { return slot.database == MyDatabaseId && slot.schema == schema; }

Oid our_schema() { return get_namespace_oid("wearables", true); }

Slot* free_slot(Oid schema) {
  Slot* oldest = nullptr;
  for (Slot& slot : activity->slots) {
    if (slot.database == InvalidOid || (slot.database == MyDatabaseId && slot.schema != schema)) return &slot;
    if (slot.count == slot.written && (oldest == nullptr || slot.last < oldest->last)) oldest = &slot;
  }
  return oldest;
}

Slot* slot_of(Oid schema, const char* endpoint, Fate fate) {
  for (Slot& slot : activity->slots) {
    if (slot.database == InvalidOid) break;
    if (is_ours(slot, schema) && slot.fate == fate && strcmp(slot.endpoint, endpoint) == 0) return &slot;
  }
  Slot* slot = free_slot(schema);
  if (slot == nullptr) return nullptr;
  *slot = {};
  slot->database = MyDatabaseId;
  slot->schema = schema;
  slot->fate = fate;
  strlcpy(slot->endpoint, endpoint, kNameSize);
  return slot;
}

void copy_id(char* to, std::string_view message_id) {
  if (!is_plain_id(message_id)) return;
  memcpy(to, message_id.data(), message_id.size());
  to[message_id.size()] = '\0';
}

bool count_delivery(Oid schema, const char* endpoint, Fate fate, std::string_view message_id, int count) {
  const TimestampTz now = GetCurrentTimestamp();
  bool worth_a_line = false;
  acquire();
  Slot* slot = slot_of(schema, endpoint, fate);
  if (slot != nullptr) {
    if (slot->count == slot->written) slot->first = now;
    slot->last = now;
    slot->count += count;
    copy_id(slot->message_id, message_id);
    worth_a_line = now - slot->logged_at >= kLogEvery;
    if (worth_a_line) slot->logged_at = now;
  }
  release();
  return worth_a_line;
}

// --- Writing

// `streak`: refusals since the endpoint last accepted something; where none matched, without a day's pause. A gap that
// is longer than the longest, or that is the first in 14 days, takes its place.
#define KEEPS_GAP "a.longest_gap > $4 - a.last_at AND a.longest_gap_at > $4 - interval '14 days'"
#define NEW_STREAK "a.streak = 0 OR a.endpoint = '-' AND a.last_at < $4 - interval '1 day'"

Statement upsert_statement{R"(
  INSERT INTO wearables.endpoint_activity AS a
    (endpoint, reason, count, first_at, last_at, message_id, streak, streak_from)
  VALUES ($1, $2, $3, $4, $5, $6, $3, $4)
  ON CONFLICT (endpoint, reason) DO UPDATE
  SET count = a.count + $3, last_at = $5, message_id = coalesce($6, a.message_id),
      longest_gap = CASE WHEN )" KEEPS_GAP R"( THEN a.longest_gap ELSE $4 - a.last_at END,
      longest_gap_at = CASE WHEN )" KEEPS_GAP R"( THEN a.longest_gap_at ELSE $4 END,
      streak = CASE WHEN )" NEW_STREAK R"( THEN $3 ELSE a.streak + $3 END,
      streak_from = CASE WHEN )" NEW_STREAK R"( THEN $4 ELSE a.streak_from END)"};

// What was refused for longer than a day is what senders give up (ours after 27.6 hours): it is told until somebody has
// seen to it.
#define LASTED "a.last_at - a.streak_from >= interval '1 day'"

Statement end_streaks{R"(
  UPDATE wearables.endpoint_activity a
  SET streak = 0, streak_from = NULL,
      lost_from = CASE WHEN )" LASTED R"( THEN least(a.lost_from, a.streak_from) ELSE a.lost_from END,
      lost_to = CASE WHEN )" LASTED R"( THEN a.last_at ELSE a.lost_to END,
      lost = CASE WHEN )" LASTED R"( THEN a.lost + a.streak ELSE a.lost END
  FROM wearables.endpoint_activity b
  WHERE b.endpoint = a.endpoint AND b.reason = 'accepted' AND a.reason <> 'accepted' AND a.streak > 0
    AND a.last_at <= b.last_at)"};

struct Copied {
  int slot;
  int64 count;
  Slot row;
};

int copy_unwritten(Copied* copied) {
  const Oid schema = our_schema();
  int count = 0;
  acquire();
  for (int i = 0; i < kSlots; ++i) {
    const Slot& slot = activity->slots[i];
    if (is_ours(slot, schema) && slot.count > slot.written) copied[count++] = {i, slot.count - slot.written, slot};
  }
  activity->flushed_at = GetCurrentTimestamp();
  release();
  return count;
}

void write(const Copied& copied) {
  const Slot& row = copied.row;
  run(upsert_statement, {arg_text(row.endpoint), arg_text(name_of(row.fate)), arg_int8(copied.count),
                         arg_instant(row.first), arg_instant(row.last), arg_text_or_null(row.message_id)});
  pending.flushed[pending.count++] = {copied.slot, copied.count};
}

void settle(bool committed) {
  if (committed && pending.count > 0) {
    acquire();
    for (int i = 0; i < pending.count; ++i) {
      Slot& slot = activity->slots[pending.flushed[i].slot];
      slot.written = std::min(slot.count, slot.written + pending.flushed[i].written);
    }
    release();
  }
  pending.count = 0;
  const int accepted = pending.accepted;
  pending.accepted = 0;
  if (committed && accepted > 0)
    (void)count_delivery(pending.schema, pending.endpoint, Fate::kAccepted, pending.message_id, accepted);
}

}  // namespace

const char* name_of(Fate fate) noexcept {
  switch (fate) {
    case Fate::kAccepted:
      return "accepted";
    case Fate::kBadSignature:
      return "bad_signature";
    case Fate::kAsymmetric:
      return "asymmetric_signature";
    case Fate::kMissingHeader:
      return "missing_header";
    case Fate::kStaleTimestamp:
      return "stale_timestamp";
    case Fate::kBadTimestamp:
      return "bad_timestamp";
    case Fate::kNoSecret:
      return "no_secret";
    case Fate::kSecretUnreadable:
      return "secret_unreadable";
    case Fate::kDisabled:
      return "disabled";
    case Fate::kUnknownEndpoint:
      return "unknown_endpoint";
    case Fate::kNoEndpoint:
      return "no_endpoint";
    case Fate::kTooLarge:
      return "too_large";
    case Fate::kBadMessageId:
      return "bad_message_id";
    case Fate::kRollbackAsked:
      return "rollback_asked";
  }
  return "refused";
}

bool is_plain_id(std::string_view message_id) noexcept {
  const auto plain = [](unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !message_id.empty() && message_id.size() < kIdSize && std::all_of(message_id.begin(), message_id.end(), plain);
}

bool note_delivery(const char* endpoint, Fate fate, std::string_view message_id) {
  if (fate != Fate::kAccepted) return count_delivery(our_schema(), endpoint, fate, message_id, 1);
  ++pending.accepted;
  pending.schema = our_schema();
  strlcpy(pending.endpoint, endpoint, kNameSize);
  pending.message_id[0] = '\0';
  copy_id(pending.message_id, message_id);
  return false;
}

bool flush_is_due() noexcept {
  if (pending.count > 0) return false;
  if (lock != nullptr && GetCurrentTimestamp() - activity->flushed_at < kFlushEvery) return false;
  // read without the lock: what is missed now is seen the next time
  for (const Slot& slot : activity->slots) {
    if (slot.database == MyDatabaseId && slot.count > slot.written) return true;
  }
  return false;
}

namespace {

void flush(void*) {
  if (!try_lock_activity()) return;
  auto* copied = static_cast<Copied*>(palloc(sizeof(Copied) * kSlots));
  const int count = copy_unwritten(copied);
  for (int i = 0; i < count; ++i) write(copied[i]);
  if (count > 0) run(end_streaks, {});
}

}  // namespace

void flush_activity() {
  if (pending.count > 0) return;
  constexpr int kWaitMilliseconds = 10;
  const int lock_timeout = LockTimeout;
  LockTimeout = kWaitMilliseconds;
  ErrorData* error = in_subtransaction(flush, nullptr);
  LockTimeout = lock_timeout;
  if (error == nullptr) return;
  // nothing of it is written
  pending.count = 0;
  if (error->sqlerrcode == ERRCODE_QUERY_CANCELED) ReThrowError(error);
  FreeErrorData(error);
}

void activity_at_transaction_end(XactEvent event) {
  if (pending.count == 0 && pending.accepted == 0) return;
  if (event == XACT_EVENT_COMMIT) settle(true);
  if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) settle(false);
}

size_t activity_size() noexcept { return MAXALIGN(sizeof(Activity)); }

void attach_activity(void* place, bool is_new, LWLock* of_memory) noexcept {
  activity = static_cast<Activity*>(place);
  lock = of_memory;
  if (is_new) memset(place, 0, sizeof(Activity));
}

}  // namespace wearables::pg

namespace {

using namespace wearables::pg;

void put_slot(ReturnSetInfo* result, const Slot& slot) {
  Datum values[6] = {CStringGetTextDatum(slot.endpoint),       CStringGetTextDatum(name_of(slot.fate)),
                     Int64GetDatum(slot.count - slot.written), TimestampTzGetDatum(slot.first),
                     TimestampTzGetDatum(slot.last),           CStringGetTextDatum(slot.message_id)};
  bool nulls[6] = {false, false, false, false, false, slot.message_id[0] == '\0'};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace

extern "C" {
PG_FUNCTION_INFO_V1(wearables_unwritten_activity);

Datum wearables_unwritten_activity(PG_FUNCTION_ARGS) {
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  auto* copied = static_cast<Slot*>(palloc(sizeof(Slot) * kSlots));
  int count = 0;
  const Oid schema = our_schema();
  acquire();
  for (const Slot& slot : activity->slots) {
    if (is_ours(slot, schema) && slot.count > slot.written) copied[count++] = slot;
  }
  release();
  for (int i = 0; i < count; ++i) put_slot(result, copied[i]);
  return Datum{0};
}
}
