// For functions that take a secret or somebody's body as an argument: what goes wrong in them is logged without the
// statement, which may hold it as a literal, and without the context, where the server shows parameters and the
// statements of a caller in PL/pgSQL. The client still gets its context.
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

// Every message raised between begin and end. The frame lives in the caller's; an error ends it by itself.
struct Confidential {
  ErrorContextCallback callback;
};
void begin_confidential(Confidential* frame) noexcept;
void end_confidential(const Confidential& frame) noexcept;

}  // namespace wearables::pg
