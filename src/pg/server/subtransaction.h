// Work that may fail without taking the transaction with it.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

// Runs work(arg) in a subtransaction and a memory context of its own. On an error everything it did is
// undone, and a copy of the error, in the caller's context, is returned; else null.
ErrorData* in_subtransaction(void (*work)(void*), void* arg);

}  // namespace wearables::pg
