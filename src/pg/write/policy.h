// Row-level security of a table that the writer changes with the rights of its owner.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

// Whether a policy may hide a row of the table from the current user, or forbid one. The caller holds a lock on it.
bool binds_caller(Relation table);

}  // namespace wearables::pg
