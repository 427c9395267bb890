// Instants of the core, which count from 1970, and of the server, which count from 2000.
#pragma once

#include "core/base/clock.h"

#include "pg/server/server.h"

namespace wearables::pg {

inline constexpr Micros kEpochGap =
    static_cast<Micros>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * USECS_PER_SEC;

constexpr TimestampTz to_server(Micros at) noexcept { return at - kEpochGap; }
constexpr Micros to_core(TimestampTz at) noexcept { return at + kEpochGap; }

// A reading of a calendar day stands at 00:00 UTC of its date (kCalendarDay). `at` is such an instant.
constexpr DateADT to_date(Micros at) noexcept { return static_cast<DateADT>(to_server(at) / USECS_PER_DAY); }

}  // namespace wearables::pg
