// How our own statements are planned. They are planned once a session, often while a table or next week's partition is
// empty, and must do for all that comes: so they go by the key whatever the statistics say. A hook sees to it while
// one of them is planned, and at no other time: nothing of the site's is touched.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

enum class Planning {
  kByKey,      // rows by index, joins by nested loop: the cost is that of the rows that are asked for
  kManyToMany  // rows by index, joins as the planner likes: for joins of many rows with many
};

// The text by which the hook knows a statement and its planning; in TopMemoryContext.
const char* marked_text(const char* text, Planning planning);

// Changes whenever another planner hook is installed: what was planned before says nothing then.
const void* planner_in_force() noexcept;

// In _PG_init.
void install_planning();

}  // namespace wearables::pg
