// Working the queue: claims in short durable transactions, one transaction per event, and a failure recorded in one of
// its own, by the rules of R12. Nothing that one job meets keeps the next from being handled.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

// A turn ends when one of these is reached; what is claimed then and not begun goes back.
struct Budget {
  int64 jobs;         // 0: no bound
  TimestampTz until;  // DT_NOEND: no bound
  bool (*stop)();     // the caller has something else to do; may be null
  bool wait;          // for work outside that goes on; else it goes on in the next turn of this session
};

struct Turn {
  bool schema_fits;    // false: the library is of another version than the schema, nothing was done
  bool paused;         // nothing was done either
  int64 done, failed;  // jobs that succeeded; attempts that failed
  int64 put_off;       // how often one waits for something outside it
  bool more;           // ended by its budget
  bool trouble;        // ended because nothing succeeds for now: wait before the next
  int in_flight;       // jobs whose work outside goes on: the next turn is due when flights_fd() is readable, too
  TimestampTz due;     // when the next job is due, DT_NOEND: none is; only where it ended for want of work
};

// Works the queue until no job is ready or the budget is spent. Runs within a non-atomic SPI connection: it commits.
// A caller that is no portal's has an active snapshot, and has one again afterwards. Raises when the session is
// cancelled, and where the queue itself cannot be used; what was claimed has been given back then.
Turn drain(const Budget& budget);

}  // namespace wearables::pg
