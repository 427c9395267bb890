// The file is written by the postmaster when all other processes have ended, as the statistics of the server are: so it
// holds the last read of the last session, and what no worker could write. An immediate shutdown leaves one, too. It is
// deleted before anything of it is written to a table, so that nothing is written twice; a start that fails keeps it.
#include "pg/people/access_memory.h"

#include <algorithm>

extern "C" {
#include "pgstat.h"
#include "storage/fd.h"
}

namespace wearables::pg {

namespace {

constexpr const char* kFile = PGSTAT_STAT_PERMANENT_DIRECTORY "/wearables_ingest.accesses";
constexpr const char* kNewFile = PGSTAT_STAT_PERMANENT_DIRECTORY "/wearables_ingest.accesses.new";

constinit AccessMemory memory{nullptr, nullptr};

struct Header {
  uint32 format, row_size;
  int32 rows, losses;
};
constexpr uint32 kFormat = 0x57414331;

// Of one database.
struct Loss {
  Oid database;
  AccessTally tally;
};

bool write(FILE* file, const void* what, size_t size) { return fwrite(what, size, 1, file) == 1; }
bool read(FILE* file, void* what, size_t size) { return fread(what, size, 1, file) == 1; }

AccessTally all_lost(const AccessBoard& board) {
  AccessTally all = board.lost_copied;
  all.add(board.lost);
  return all;
}

bool write_all(FILE* file) {
  Header header{kFormat, sizeof(AccessRow), static_cast<int32>(hash_get_num_entries(memory.entries)), 0};
  for (const AccessBoard& board : memory.boards->boards) header.losses += all_lost(board).count > 0 ? 1 : 0;
  bool good = write(file, &header, sizeof header);
  for (const AccessBoard& board : memory.boards->boards) {
    const Loss loss{board.database, all_lost(board)};
    if (loss.tally.count > 0) good = good && write(file, &loss, sizeof loss);
  }
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, memory.entries);
  while (const auto* entry = static_cast<AccessEntry*>(hash_seq_search(&scan))) {
    AccessRow row{entry->key, entry->copied};
    row.tally.add(entry->noted);
    good = good && write(file, &row, sizeof row);
  }
  return good;
}

void take(AccessRow row) {
  // an immediate shutdown ends a session in the midst of a note
  row.key.function[kAccessFunctionSize - 1] = row.key.claim[kAccessClaimSize - 1] = '\0';
  AccessBoard* board = memory.board_of(row.key.database);
  if (board == nullptr) return memory.boards->lost_elsewhere.add(row.tally);
  board->make_older(row.tally.first);
  bool found;
  auto* entry = static_cast<AccessEntry*>(hash_search(memory.entries, &row.key, HASH_ENTER_NULL, &found));
  if (entry == nullptr || found) return board->lost.add(row.tally);
  entry->noted = row.tally;
  entry->copied = {};
  entry->in_batch = false;
  entry->statement = 0;
  ++board->entries;
}

bool read_all(FILE* file) {
  Header header;
  if (!read(file, &header, sizeof header) || header.format != kFormat || header.row_size != sizeof(AccessRow))
    return false;
  for (int32 i = 0; i < header.losses; ++i) {
    Loss loss;
    if (!read(file, &loss, sizeof loss)) return false;
    AccessBoard* board = memory.board_of(loss.database);
    if (board != nullptr) board->make_older(loss.tally.first);
    (board == nullptr ? memory.boards->lost_elsewhere : board->lost).add(loss.tally);
  }
  for (int32 i = 0; i < header.rows; ++i) {
    AccessRow row;
    if (!read(file, &row, sizeof row)) return false;
    take(row);
  }
  return true;
}

void complain(const char* what) {
  ereport(LOG, (errcode_for_file_access(), errmsg("wearables_ingest: %s file \"%s\": %m", what, kFile),
                errdetail("It holds reads that are not in wearables.accesses yet.")));
}

void save(int code, Datum) {
  if (code != 0 || memory.entries == nullptr) return;
  if (std::ranges::all_of(memory.boards->boards, &AccessBoard::is_empty)) return forget_access_file();
  FILE* file = AllocateFile(kNewFile, PG_BINARY_W);
  if (file == nullptr) return complain("could not write");
  const bool good = write_all(file);
  if (FreeFile(file) != 0 || !good) {
    complain("could not write");
    (void)unlink(kNewFile);
    return;
  }
  (void)durable_rename(kNewFile, kFile, LOG);
}

void load() {
  (void)unlink(kNewFile);
  FILE* file = AllocateFile(kFile, PG_BINARY_R);
  if (file == nullptr) {
    if (errno != ENOENT) complain("could not read");
    return;
  }
  memory.boards->in_file = true;
  if (!read_all(file)) complain("could not read all of");
  FreeFile(file);
}

}  // namespace

AccessBoard* AccessMemory::find_board(Oid database) const noexcept {
  for (AccessBoard& board : boards->boards) {
    if (board.database == database) return &board;
  }
  return nullptr;
}

AccessBoard* AccessMemory::board_of(Oid database) const noexcept {
  if (AccessBoard* board = find_board(database); board != nullptr) return board;
  for (AccessBoard& board : boards->boards) {
    if (board.database != InvalidOid && !board.is_empty()) continue;
    board = {};
    board.database = database;
    return &board;
  }
  return nullptr;
}

AccessMemory& access_memory() noexcept { return memory; }

void forget_access_file() noexcept {
  if (memory.boards->in_file) (void)unlink(kFile);
  memory.boards->in_file = false;
}

size_t access_memory_size() noexcept {
  return MAXALIGN(sizeof(AccessBoards)) + hash_estimate_size(kAccessEntries, sizeof(AccessEntry));
}

void attach_access_memory() {
  bool found;
  memory.boards =
      static_cast<AccessBoards*>(ShmemInitStruct("wearables_ingest accesses", sizeof(AccessBoards), &found));
  if (!found) memset(memory.boards, 0, sizeof(AccessBoards));
  HASHCTL control{};
  control.keysize = sizeof(AccessKey);
  control.entrysize = sizeof(AccessEntry);
  memory.entries = ShmemInitHash("wearables_ingest accesses by key", kAccessEntries, kAccessEntries, &control,
                                 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
  if (IsUnderPostmaster) return;
  if (!found) load();
  on_shmem_exit(save, Datum{0});
}

}  // namespace wearables::pg
