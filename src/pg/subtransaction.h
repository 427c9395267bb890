// Work that may fail without taking the transaction with it.
#pragma once

#include "pg/server.h"

namespace wearables::pg {

// Runs work(arg) in a subtransaction and a memory context of its own. On an error everything it did is
// undone, and a copy of the error, in the caller's context, is returned; else null.
ErrorData* in_subtransaction(void (*work)(void*), void* arg);

// The next attempt would find the same: bad data, or a limit of the server (SQLSTATE classes 22 and 54).
bool is_final(int sqlstate) noexcept;

// The data itself is bad, whatever the server's limits are (class 22).
bool is_bad_data(int sqlstate) noexcept;

}  // namespace wearables::pg
