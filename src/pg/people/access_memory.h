// Where noted reads lie: in shared memory and, while the server is down, in a file. Whoever uses it holds the lock of
// access.cpp.
#pragma once

#include "pg/server/server.h"

extern "C" {
#include "utils/hsearch.h"
}

namespace wearables::pg {

inline constexpr int kAccessEntries = 8192;  // of the whole server
inline constexpr int kAccessBoards = 64;     // databases that have some
inline constexpr int kAccessFunctionSize = 32;
inline constexpr int kAccessClaimSize = 256;  // OpenID Connect allows a sub of 255 characters

// Without padding, and unused bytes are 0: it is hashed and compared as it lies.
struct AccessKey {
  Oid database, schema;  // of the extension, which may be dropped and made anew
  Oid session_role, role;
  int64 user_id;
  char function[kAccessFunctionSize];
  char claim[kAccessClaimSize];  // empty: none
};
static_assert(sizeof(AccessKey) == 4 * sizeof(Oid) + sizeof(int64) + kAccessFunctionSize + kAccessClaimSize);

struct AccessTally {
  int64 count;
  TimestampTz first, last;

  void add(const AccessTally& other) noexcept {
    if (other.count == 0) return;
    first = count == 0 ? other.first : Min(first, other.first);
    last = count == 0 ? other.last : Max(last, other.last);
    count += other.count;
  }
  void add(TimestampTz at) noexcept { add(AccessTally{1, at, at}); }
};

struct AccessEntry {
  AccessKey key;
  AccessTally noted;      // since it was last copied
  AccessTally copied;     // and not known to be committed
  bool in_batch;          // of what is being written
  TimestampTz statement;  // that was noted last
};

// One a database.
struct AccessBoard {
  Oid database;  // InvalidOid: free
  int entries;
  TimestampTz oldest_at;  // of what is not written
  TimestampTz not_before;
  AccessTally lost, lost_copied;  // what found no room

  bool is_empty() const noexcept { return entries == 0 && lost.count == 0 && lost_copied.count == 0; }
  // Before something of that time is added.
  void make_older(TimestampTz at) noexcept { oldest_at = is_empty() ? at : Min(oldest_at, at); }
};

struct AccessBoards {
  AccessBoard boards[kAccessBoards];
  AccessTally lost_elsewhere;  // of databases that found no board
  bool in_file;                // there is a file, and nothing of it has been written
};

// As it is copied, and as it lies in the file.
struct AccessRow {
  AccessKey key;
  AccessTally tally;
};

struct AccessMemory {
  AccessBoards* boards;
  HTAB* entries;

  AccessBoard* find_board(Oid database) const noexcept;
  // Made if there is none; null if others have all.
  AccessBoard* board_of(Oid database) const noexcept;
};

AccessMemory& access_memory() noexcept;
size_t access_memory_size() noexcept;
// In the postmaster, reads the file too.
void attach_access_memory();
// Before something is written that may be in it.
void forget_access_file() noexcept;

}  // namespace wearables::pg
