// Private to the room: the samples of a metric as they are rolled up, page by page.
#pragma once

#include "core/rollup/day_rollup.h"

#include <string>

#include "pg/server/spi.h"

namespace wearables::pg {

inline constexpr int kReadingPage = 5'000;

inline TimestampTz start_of(DateADT day) { return static_cast<TimestampTz>(day) * USECS_PER_DAY; }
inline Arg arg_date(DateADT day) { return arg_datum(DATEOID, DateADTGetDatum(day)); }

// The samples of the user's metric from `from` to before `to`, ascending by time. The caller closes the cursor.
Cursor open_readings(int64 user_id, int16 metric_id, TimestampTz from, TimestampTz to);
// Copies the next kReadingPage of them to `page`, so that other statements may run before the next page. Returns how
// many; 0 at the end.
int fetch_readings(const Cursor& cursor, RollupReading* page);

// As a value of SQL, in the current context.
bytea* copy_bytes(const std::string& bytes);

}  // namespace wearables::pg
