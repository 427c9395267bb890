// Which sessions of one person are superseded: those that a newer one of the same source contains or equals.
#pragma once

#include "core/base/clock.h"

#include <cstdint>
#include <span>
#include <vector>

namespace wearables {

struct SessionAt {
  std::int64_t source;
  Micros start;
  Micros end;
};

// For each of the sessions, which are given the newest first, 1 if it is superseded, else 0. n log n in their number.
std::vector<char> find_superseded(std::span<const SessionAt> sessions);

}  // namespace wearables
