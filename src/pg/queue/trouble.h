// What an error says about the job that met it: whose fault it is, and so whether it counts as an attempt (R12).
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

enum class Trouble {
  kBadData,      // class 22: no attempt will find other bytes
  kTooLarge,     // class 54: nor another limit
  kEnvironment,  // disk, memory, connections, locks, a shutdown: waited out, nobody's attempt
  kSchema,       // class 42: what the statement names is not there, or not allowed
  kCanceled,     // by somebody, or by statement_timeout
  kOther         // an attempt
};

Trouble trouble_of(int sqlstate) noexcept;

// Whether the cancel just caught came of statement_timeout and not of a person.
bool is_statement_timeout() noexcept;

// "message (SQLSTATE xxxxx)", as jobs.last_error and webhook_events.error hold it; palloc'd.
const char* describe(int sqlstate, const char* message);

}  // namespace wearables::pg
