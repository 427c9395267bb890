// The transactions of the queue's work: as the owner, under settings of our own, and waiting for nobody for long (R12).
// Within a non-atomic SPI connection. A caller that is no portal's has an active snapshot, and has one again
// afterwards.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

// Ends the caller's transaction: from here on each is READ COMMITTED and may write, whatever the site's defaults are.
void begin_job_transactions();

enum class Durable { kNow, kSoon };

// kFull where a job goes back, which would stay under its lease else: a lock is waited for as long as it ever is.
enum class Patience { kUsual, kFull };

// work(arg) as the owner, in a transaction of its own. Gives what went wrong, in the current context; all of it is
// undone then. Null: it is committed.
ErrorData* in_transaction(void (*work)(void*), void* arg, Durable durable = Durable::kSoon,
                          Patience patience = Patience::kUsual);

// The same where a job goes back, to the queue or to the dead letters.
ErrorData* in_patient_transaction(void (*work)(void*), void* arg);

// The same for what is looked up with SKIP LOCKED. The server waits all the same for a row that was changed since the
// statement began (heap_lock_updated_tuple): a later look sees what became of it, and skips it.
ErrorData* look_in_transaction(void (*work)(void*), void* arg, Durable durable);

// work(arg) between two transactions, as the caller: it holds no snapshot, no lock and no transaction id meanwhile, and
// may not touch the database. Gives what it raised, in the current context.
ErrorData* in_no_transaction(void (*work)(void*), void* arg);

bool is_cancel(const ErrorData* error) noexcept;

}  // namespace wearables::pg
