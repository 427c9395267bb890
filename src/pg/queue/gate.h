// Whether the queue may be worked on: by this library, and by anybody now.
#pragma once

#include "pg/queue/job.h"

namespace wearables::pg {

struct Gate {
  bool schema_fits;  // the installed version of the extension is the one that this library is made for
  bool paused;       // the queue as a whole
  JobKindSet kinds;  // that may be worked on: those that the schema knows and nobody has paused
};

// A step of in_transaction(): reads it into the Gate that `arg` points to. Raises where the schema is older than the
// table or the function that it asks.
void read_gate(void* arg);

// object_not_in_prerequisite_state: the library is not made for the installed version of the extension.
[[noreturn]] void raise_misfit();

}  // namespace wearables::pg
