// INSERT INTO samples: what the end of a transaction must know of it.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

// Statements under way in an aborted (sub)transaction are gone.
void forget_gatherings(SubTransactionId aborted) noexcept;

}  // namespace wearables::pg
