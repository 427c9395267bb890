// Time zones as people are registered and charts are asked with: IANA regions and numeric ISO offsets, nothing else
// (R11). This is the only place that decides what a zone is.
#pragma once

#include "core/parse/wall_clock.h"

#include <string_view>
#include <vector>

#include "pg/server/server.h"

namespace wearables::pg {

struct Zone {
  pg_tz* rules = nullptr;        // lives as long as the backend
  char name[TZ_STRLEN_MAX + 1];  // canonical: Europe/Berlin, UTC, +02:00
};

// The zone that `text` names: a region in any case, an ISO offset (+02:00, -0330, +05: hours east of UTC), UTC, GMT or
// Z. False, and `zone` undefined, if it is none: an abbreviation, a POSIX specification, or not known to the server.
bool find_zone(std::string_view text, Zone* zone);

// find_zone(), or raises 22023 with the reason and what to give instead.
void require_zone(std::string_view text, Zone* zone);

// Adds to `periods`, which is empty, how the zone's clocks go for wall-clock times from `from` to `to`.
void read_clock(const pg_tz* zone, Micros from, Micros to, std::vector<ClockPeriod>* periods);

// The characters of a text value, in place where it is stored plain.
inline std::string_view text_of(Datum value) {
  const text* plain = DatumGetTextPP(value);
  return {VARDATA_ANY(plain), static_cast<size_t>(VARSIZE_ANY_EXHDR(plain))};
}

// The name under which pg_tzset() finds the zone's rules. An ISO offset has another there, since pg_tzset() reads its
// sign in the POSIX sense.
inline const char* server_name(const Zone& zone) { return pg_get_timezone_name(zone.rules); }

}  // namespace wearables::pg
