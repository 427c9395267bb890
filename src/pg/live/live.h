// NOTIFY wearables_samples: whose samples changed, in which metrics and when, for clients that show them.
//
// A writer sends nothing itself. NOTIFY takes a lock of the whole cluster before the commit and keeps it until that is
// visible and, unless synchronous_commit is off, on disk: all who notify commit one at a time. And its commit fails
// once the server's queue of notifications is full, because some listener does not end its transaction. So after its
// commit a writer leaves in shared memory what it changed, and a worker or drain() sends that, within the limit of
// wearables_ingest.notify_samples. What is above the limit waits, and is merged with what comes after it for the same
// user: it may be late, and the more comes the less exact (core/live/changes.h), but nothing is left out.
//
// With the server's memory all that waits is lost, and every listener's session too. Without preloading there is no
// such memory, and nothing is sent.
#pragma once

#include "core/live/changes.h"

#include "pg/server/server.h"

namespace wearables::pg {

// What the writer changed of a user. It is told when the transaction has committed, unless the subtransaction that
// changed it aborts. A transaction that is prepared tells nothing.
void note_changed(int64 user_id, const Touched& touched);

// Notices that may be sent now, copied from shared memory.
struct Notices {
  static constexpr int kMost = 100;
  bool any_user;
  int count;
  UserChange users[kMost];
};

// When the next notice of this database may be sent; DT_NOEND: none waits, or the setting is off. Takes no lock.
TimestampTz next_notice_at() noexcept;

// Copies what may be sent now, the oldest first. Nobody else sends anything of this database for a while.
void copy_notices(Notices* notices);
// Sends them when the transaction commits. Within SPI, as owner.
void send_notices(const Notices& notices);
// After that: what did not change meanwhile no longer waits. After a failure it does, for a while without being tried.
void settle_notices(const Notices& notices, bool sent);

// For the module's callbacks and shared memory.
void live_at_transaction_end(XactEvent event);
void live_at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent) noexcept;
size_t live_size() noexcept;
void attach_live(void* place, bool is_new, LWLock* lock) noexcept;

}  // namespace wearables::pg
