// Jobs that are made when nothing else is to be done. Each is a step of a transaction of its own.
#pragma once

#include "pg/queue/job_kind.h"

namespace wearables::pg {

struct Feeding {
  JobKindSet kinds;  // that may be worked on
  bool any;          // out: there is something to do now
};

// Queues again what there was no room for among the names, if there is now. `feeding` is a Feeding.
void queue_refused(void* feeding);

// Whether feed() is worth a look. A worker, whose turns are many, looks now and then; `always`: a call that is to leave
// nothing undone.
bool feed_is_due(bool always);

// Asks each kind for what has become due by itself. `feeding` is a Feeding.
void feed(void* feeding);

}  // namespace wearables::pg
