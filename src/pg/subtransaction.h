// Work that may fail without taking the transaction with it.
#pragma once

#include "pg/server.h"

namespace wearables::pg {

// Runs work(arg) in a subtransaction and a memory context of its own. On an error everything it did is
// undone, and a copy of the error, in the caller's context, is returned; else null.
ErrorData* in_subtransaction(void (*work)(void*), void* arg);

// Bad data stays bad: the next attempt would find the same (SQLSTATE classes 22 and 54).
bool is_final(int sqlstate) noexcept;

}  // namespace wearables::pg
