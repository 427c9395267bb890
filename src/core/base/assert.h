// Invariants of the core, checked where tests and fuzzers run it: a broken one ends the process with its place. In a
// release build the condition is not evaluated. What a caller or a sender can bring about is no invariant: that is a
// Result.
#pragma once

#include "core/base/pure.h"

#ifdef WEARABLES_ASSERTIONS
#include <cstdio>
#include <cstdlib>

#define WEARABLES_ASSERT(condition) \
  ((condition)                      \
       ? static_cast<void>(0)       \
       : (std::fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition), std::abort()))
#else
#define WEARABLES_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#endif
