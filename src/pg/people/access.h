// Who read whose data by the functions of the extension: noted in shared memory, so that a read costs no I/O, works in
// a read-only transaction and on a standby, and counts also if its transaction aborts; written to wearables.accesses by
// a worker or drain(). Equal reads within wearables_ingest.access_record_interval are one row.
//
// What is noted and not written is lost with the server's memory in a crash. A clean shutdown keeps it in a file until
// the server starts again. What finds no room is counted, and written as a row without a function.
#pragma once

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

// The current statement reads that person's data by this function. Does nothing unless wearables_ingest.access_record
// is on and the library is preloaded. Waits for nobody, and raises nothing.
void note_access(std::string_view function, int64 user_id);

// When the noted reads of this database are to be written; DT_NOEND: there are none. Takes no lock.
TimestampTz next_access_write_at() noexcept;

// Writes those that are due, or all. Between two transactions of the queue's work. Gives what went wrong, in the
// current context: it is tried again, but not at once. Null: nothing did, or another session writes them.
ErrorData* write_accesses(bool at_once);

// For the module's callbacks and shared memory.
void accesses_at_transaction_end(XactEvent event) noexcept;
void forget_written_accesses() noexcept;  // what wrote them is undone
size_t accesses_size() noexcept;
void attach_accesses(LWLock* lock);

}  // namespace wearables::pg
