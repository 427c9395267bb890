// Noted reads lie in one hash table of the whole server, under one lightweight lock that is held while an entry is
// looked up, or while all entries are walked over, never while anything is written.
//
// Of each entry two tallies are kept: what was noted since it was last copied, and what was copied and is not known to
// be committed. A copy that comes to nothing is added to the next one.
#include "pg/people/access.h"

#include <algorithm>

#include "pg/people/access_memory.h"
#include "pg/people/claim.h"
#include "pg/queue/job_transaction.h"
#include "pg/queue/wakeup.h"
#include "pg/server/lock.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"

extern "C" {
#include "utils/inval.h"
#include "utils/syscache.h"
}

namespace wearables::pg {

namespace {

// A database whose reads nobody writes leaves the others a quarter.
constexpr int kMostOfOne = kAccessEntries / 4 * 3;
constexpr int kWriteEarly = kMostOfOne / 2;  // so many are written before their time
constexpr int kBatch = 1000;                 // rows of one transaction
constexpr int64 kAgainAfterFailure = 10 * static_cast<int64>(USECS_PER_SEC);

constinit LWLock* lock = nullptr;
// This transaction has written what is marked as copied.
constinit bool written = false;

AccessMemory& memory() noexcept { return access_memory(); }

Oid our_schema() { return get_namespace_oid("wearables", true); }

// --- Noting

// Cut where it is too long, between two characters.
template <size_t Size>
void copy_cut(char (&to)[Size], std::string_view from) {
  memcpy(to, from.data(), static_cast<size_t>(pg_mbcliplen(from.data(), static_cast<int>(from.size()), Size - 1)));
}

AccessKey key_of(std::string_view function, int64 user_id) {
  AccessKey key;
  memset(&key, 0, sizeof key);
  key.database = MyDatabaseId;
  key.schema = our_schema();
  key.session_role = GetSessionUserId();
  // that of SET ROLE: within a function of SECURITY DEFINER the current one is its owner
  key.role = GetOuterUserId();
  key.user_id = user_id;
  copy_cut(key.function, function);
  if (const char* claim = claimed_id(); claim != nullptr) copy_cut(key.claim, claim);
  return key;
}

// Whether a worker should look: for when to write, or to write at once.
bool note(const AccessKey& key) {
  const TimestampTz now = GetCurrentTimestamp();
  AccessBoard* board = memory().board_of(key.database);
  if (board == nullptr) {
    memory().boards->lost_elsewhere.add(now);
    return false;
  }
  board->make_older(now);
  bool found;
  const HASHACTION action = board->entries < kMostOfOne ? HASH_ENTER_NULL : HASH_FIND;
  auto* entry = static_cast<AccessEntry*>(hash_search(memory().entries, &key, action, &found));
  if (entry == nullptr) {
    board->lost.add(now);
    return false;
  }
  if (!found) {
    entry->noted = entry->copied = {};
    entry->in_batch = false;
    entry->statement = 0;
    ++board->entries;
  }
  // A plan may call a function for each row, and a parallel query in each of its processes.
  const TimestampTz statement = GetCurrentStatementStartTimestamp();
  if (entry->statement == statement && entry->noted.count > 0) {
    entry->noted.last = now;
  } else {
    entry->noted.add(now);
  }
  entry->statement = statement;
  return !found && (board->entries == 1 || board->entries == kWriteEarly);
}

// --- Writing

void forget_entries(Oid database, Oid except_schema) {
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, memory().entries);
  while (auto* entry = static_cast<AccessEntry*>(hash_seq_search(&scan))) {
    if (entry->key.database != database || entry->key.schema == except_schema) continue;
    (void)hash_search(memory().entries, &entry->key, HASH_REMOVE, nullptr);
    --memory().board_of(database)->entries;
  }
}

// What was noted in databases that are no more would take room for ever.
void forget_dropped_databases() {
  Oid databases[kAccessBoards];
  int count = 0;
  LWLockAcquire(lock, LW_SHARED);
  for (const AccessBoard& board : memory().boards->boards) {
    if (!board.is_empty() && board.database != MyDatabaseId) databases[count++] = board.database;
  }
  LWLockRelease(lock);
  AcceptInvalidationMessages();
  for (int i = 0; i < count; ++i) {
    if (SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(databases[i]))) continue;
    LWLockAcquire(lock, LW_EXCLUSIVE);
    forget_entries(databases[i], InvalidOid);
    *memory().board_of(databases[i]) = {};
    LWLockRelease(lock);
  }
}

struct Batch {
  int count;
  bool more;
  AccessTally lost;
  AccessRow rows[kBatch];
};

void copy_entries(Batch* batch) {
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, memory().entries);
  while (auto* entry = static_cast<AccessEntry*>(hash_seq_search(&scan))) {
    if (entry->key.database != MyDatabaseId) continue;
    entry->in_batch = batch->count < kBatch;
    if (!entry->in_batch) {
      batch->more = true;
      continue;
    }
    entry->copied.add(entry->noted);
    entry->noted = {};
    batch->rows[batch->count++] = {entry->key, entry->copied};
  }
}

void copy_batch(Batch* batch) {
  const Oid schema = our_schema();
  LWLockAcquire(lock, LW_EXCLUSIVE);
  AccessBoard* board = memory().board_of(MyDatabaseId);
  if (board != nullptr) {
    // the extension was dropped and made anew: its users were others
    forget_entries(MyDatabaseId, schema);
    copy_entries(batch);
    board->lost_copied.add(board->lost);
    board->lost = {};
    batch->lost = board->lost_copied;
  }
  LWLockRelease(lock);
}

// A claim that names an erased person is not stored, however long its token is valid.
Statement insert_rows{R"(
  INSERT INTO wearables.accesses (first_at, last_at, session_role, role, claim, function, user_id, reads)
  SELECT r.first_at, r.last_at, pg_get_userbyid(r.session_role), pg_get_userbyid(r.role),
         CASE WHEN NOT EXISTS (
           SELECT FROM wearables.erased_ids e
           WHERE e.id_hash = wearables_internal.client_id_hash(r.claim) AND e.again_at IS NULL) THEN r.claim END,
         r.function, r.user_id, r.reads
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
    AS r (first_at, last_at, session_role, role, claim, function, user_id, reads)
  ORDER BY r.first_at)"};

Statement insert_lost{"INSERT INTO wearables.accesses (first_at, last_at, reads) VALUES ($1, $2, $3)"};

void insert(const Batch& batch) {
  enum { kFirst, kLast, kSession, kRole, kClaim, kFunction, kUser, kReads, kColumns };
  constexpr Oid kTypes[kColumns] = {TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, OIDOID, TEXTOID, TEXTOID, INT8OID, INT8OID};
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * kColumns * kBatch));
  auto* nulls = static_cast<bool*>(palloc0(kBatch));
  for (int i = 0; i < batch.count; ++i) {
    const AccessKey& key = batch.rows[i].key;
    const AccessTally& tally = batch.rows[i].tally;
    const Datum row[kColumns] = {TimestampTzGetDatum(tally.first),   TimestampTzGetDatum(tally.last),
                                 ObjectIdGetDatum(key.session_role), ObjectIdGetDatum(key.role),
                                 CStringGetTextDatum(key.claim),     CStringGetTextDatum(key.function),
                                 Int64GetDatum(key.user_id),         Int64GetDatum(tally.count)};
    for (int column = 0; column < kColumns; ++column) values[column * kBatch + i] = row[column];
    nulls[i] = key.claim[0] == '\0';
  }
  Arg args[kColumns];
  for (int column = 0; column < kColumns; ++column)
    args[column] = arg_array(kTypes[column], values + column * kBatch, column == kClaim ? nulls : nullptr, batch.count);
  run(insert_rows, std::span<const Arg>(args));
}

// Of this database, after what is in the batch was written.
void settle() {
  TimestampTz oldest = DT_NOEND;
  HASH_SEQ_STATUS scan;
  LWLockAcquire(lock, LW_EXCLUSIVE);
  AccessBoard* board = memory().board_of(MyDatabaseId);
  Assert(board != nullptr);
  hash_seq_init(&scan, memory().entries);
  while (auto* entry = static_cast<AccessEntry*>(hash_seq_search(&scan))) {
    if (entry->key.database != MyDatabaseId) continue;
    if (entry->in_batch) entry->copied = {};
    entry->in_batch = false;
    if (entry->noted.count == 0 && entry->copied.count == 0) {
      (void)hash_search(memory().entries, &entry->key, HASH_REMOVE, nullptr);
      --board->entries;
    } else {
      oldest = std::min(oldest, entry->copied.count > 0 ? entry->copied.first : entry->noted.first);
    }
  }
  board->lost_copied = {};
  if (board->lost.count > 0) oldest = std::min(oldest, board->lost.first);
  board->oldest_at = oldest;
  LWLockRelease(lock);
}

// Unless another session writes.
void write_batch(void* more) {
  if (!try_lock_accesses()) return;
  forget_access_file();
  forget_dropped_databases();
  auto* batch = static_cast<Batch*>(palloc(sizeof(Batch)));
  batch->count = 0;
  batch->more = false;
  batch->lost = {};
  copy_batch(batch);
  const AccessTally& lost = batch->lost;
  if (batch->count > 0) insert(*batch);
  if (lost.count > 0) run(insert_lost, {arg_instant(lost.first), arg_instant(lost.last), arg_int8(lost.count)});
  written = batch->count > 0 || lost.count > 0;
  *static_cast<bool*>(more) = batch->more;
}

void put_off() {
  LWLockAcquire(lock, LW_EXCLUSIVE);
  if (AccessBoard* board = memory().find_board(MyDatabaseId); board != nullptr)
    board->not_before = GetCurrentTimestamp() + kAgainAfterFailure;
  LWLockRelease(lock);
}

}  // namespace

void note_access(std::string_view function, int64 user_id) {
  if (!settings().access_record || lock == nullptr) return;
  const AccessKey key = key_of(function, user_id);
  LWLockAcquire(lock, LW_EXCLUSIVE);
  const bool worth_a_look = note(key);
  LWLockRelease(lock);
  if (worth_a_look) wake_now();
}

TimestampTz next_access_write_at() noexcept {
  if (lock == nullptr) return DT_NOEND;
  const AccessBoard* board = memory().find_board(MyDatabaseId);
  if (board == nullptr || board->is_empty()) return DT_NOEND;
  const TimestampTz due = board->oldest_at + settings().access_seconds * USECS_PER_SEC;
  return std::max(board->entries >= kWriteEarly ? board->oldest_at : due, board->not_before);
}

ErrorData* write_accesses(bool at_once) {
  const TimestampTz due = next_access_write_at();
  if (due == DT_NOEND || (!at_once && due > GetCurrentTimestamp())) return nullptr;
  for (bool more = true; more;) {
    more = false;
    ErrorData* error = in_transaction(write_batch, &more, Durable::kNow);
    if (error == nullptr) continue;
    put_off();
    return error;
  }
  return nullptr;
}

// Before the transaction gives its lock back, or another session would write the same again.
void accesses_at_transaction_end(XactEvent event) noexcept {
  if (!written) return;
  if (event == XACT_EVENT_COMMIT) settle();
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) written = false;
}

void forget_written_accesses() noexcept { written = false; }

size_t accesses_size() noexcept { return access_memory_size(); }

void attach_accesses(LWLock* of_memory) {
  lock = of_memory;
  attach_access_memory();
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_note_access);
PG_FUNCTION_INFO_V1(wearables_access_state);

// True, so that it can stand in a condition.
Datum wearables_note_access(PG_FUNCTION_ARGS) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) PG_RETURN_BOOL(true);
  const text* function = PG_GETARG_TEXT_PP(0);
  wearables::pg::note_access({VARDATA_ANY(function), VARSIZE_ANY_EXHDR(function)}, PG_GETARG_INT64(1));
  PG_RETURN_BOOL(true);
}

Datum wearables_access_state(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  enum { kWanted, kReady, kWaiting, kDueAt, kLost, kLostFrom, kColumns };
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a row type is expected")));
  AccessTally lost{};
  int waiting = 0;
  TimestampTz due = 0;
  if (lock != nullptr) {
    LWLockAcquire(lock, LW_SHARED);
    const AccessBoard* board = memory().find_board(MyDatabaseId);
    lost = memory().boards->lost_elsewhere;
    if (board != nullptr && !board->is_empty()) {
      waiting = board->entries;
      due = board->oldest_at + settings().access_seconds * USECS_PER_SEC;
      lost.add(board->lost);
      lost.add(board->lost_copied);
    }
    LWLockRelease(lock);
  }
  Datum values[kColumns] = {BoolGetDatum(settings().access_record),
                            BoolGetDatum(lock != nullptr),
                            Int32GetDatum(waiting),
                            TimestampTzGetDatum(due),
                            Int64GetDatum(lost.count),
                            TimestampTzGetDatum(lost.first)};
  bool nulls[kColumns] = {false, false, false, due == 0, false, lost.count == 0};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
}
