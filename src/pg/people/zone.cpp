// Decides what a time zone is, for SQL (wearables_internal.zone()), for the trigger that keeps users.time_zone
// canonical, and for C++. Reads the server's time zone database only, which caches what it has read for the life of the
// backend; takes no lock.
#include "core/base/clock.h"

#include <algorithm>
#include <cstdlib>

#include "pg/people/zone.h"
#include "pg/server/boundary.h"
#include "pg/server/trigger.h"

extern "C" {
#include "utils/rel.h"
}

namespace wearables::pg {

namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kLowerCase = kLetters.substr(26);
constexpr std::string_view kDigitsAndSigns = "0123456789+-<>,:";
constexpr size_t kLongestAbbreviation = 5;

bool is_any_of(std::string_view text, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (text.size() == strlen(name) && pg_strncasecmp(text.data(), name, text.size()) == 0) return true;
  }
  return false;
}

// Of a text that it does not find in the database pg_tzset() makes a POSIX specification, and names it in upper case;
// the database's own names in upper case are abbreviations and POSIX specifications too (EST, EST5EDT), or stand for a
// region that has a name in both cases (NZ). What begins in lower case belongs to the server: localtime,
// posixrules, and regions once more under posix/ and right/.
bool is_region(std::string_view canonical) {
  return canonical.find_first_of(kLowerCase) != canonical.npos && canonical.find_first_of(kLowerCase) != 0 &&
         canonical != "Factory";
}

// What pg_tzset() makes of a POSIX specification it keeps as long as the backend lives, 23 kB each, so no text of a
// sender may reach it that could be one: they have digits. Of the regions only those of Etc do.
bool may_be_region(std::string_view text) {
  constexpr std::string_view kDigits = kDigitsAndSigns.substr(0, 10);
  constexpr std::string_view kWithDigits = "Etc/GMT";
  constexpr size_t kMostDigits = 2;
  if (text.find_first_of(kDigits) == text.npos) return true;
  if (pg_strncasecmp(text.data(), kWithDigits.data(), std::min(text.size(), kWithDigits.size())) != 0) return false;
  if (text.size() <= kWithDigits.size()) return false;
  std::string_view rest = text.substr(kWithDigits.size());
  if (rest.front() == '+' || rest.front() == '-') rest.remove_prefix(1);
  return !rest.empty() && rest.size() <= kMostDigits && rest.find_first_not_of(kDigits) == rest.npos;
}

bool find_offset(std::string_view text, Zone* zone) {
  const auto east = call_core([&]() -> Result<std::optional<std::int16_t>> { return parse_offset(text); });
  if (!east) return false;
  const int minutes = std::abs(*east);
  snprintf(zone->name, sizeof zone->name, "%c%02d:%02d", *east < 0 ? '-' : '+', minutes / MINS_PER_HOUR,
           minutes % MINS_PER_HOUR);
  zone->rules = pg_tzset_offset(-static_cast<long>(*east) * SECS_PER_MINUTE);  // it counts seconds west
  return zone->rules != nullptr;
}

const char* why_not(std::string_view text) {
  const bool letters = text.find_first_of(kLetters) != text.npos;
  const bool others = text.find_first_of(kDigitsAndSigns) != text.npos;
  if (text.find('/') != text.npos) return "The server's time zone database has no region of that name.";
  if (letters && others)
    return "POSIX specifications are not accepted, because their positive offsets are west of UTC.";
  if (others)
    return "An ISO offset has a sign, two digits for hours and optionally two for minutes, and is at most 18:00.";
  if (letters && text.size() <= kLongestAbbreviation) {
    return "Abbreviations are not accepted, because one can stand for several time zones.";
  }
  return "The server's time zone database has no region of that name.";
}

}  // namespace

bool find_zone(std::string_view text, Zone* zone) {
  if (text.size() > TZ_STRLEN_MAX || text.find('\0') != text.npos) return false;
  if (is_any_of(text, {"UTC", "GMT", "Z"})) text = "UTC";
  if (find_offset(text, zone)) return true;
  if (!may_be_region(text)) return false;
  memcpy(zone->name, text.data(), text.size());
  zone->name[text.size()] = '\0';
  zone->rules = pg_tzset(zone->name);
  if (zone->rules == nullptr) return false;
  const char* canonical = pg_get_timezone_name(zone->rules);
  if (text != "UTC" && !is_region(canonical)) return false;
  if (pg_strcasecmp(canonical, zone->name) != 0) return false;  // it was a colon before the name
  strlcpy(zone->name, canonical, sizeof zone->name);
  return true;
}

void require_zone(std::string_view text, Zone* zone) {
  constexpr int kShown = 64;
  if (find_zone(text, zone)) return;
  const int size = pg_mbcliplen(text.data(), static_cast<int>(text.size()), kShown);
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("time zone \"%.*s\" is not recognized", size, text.data()),
           errdetail("%s", why_not(text)),
           errhint("Give a region such as Europe/Berlin (see pg_timezone_names), or an offset east of UTC such as "
                   "+02:00.")));
}

namespace {

constexpr Micros to_micros(long seconds) { return static_cast<Micros>(seconds) * kMicrosPerSecond; }

void append_period(std::vector<ClockPeriod>* periods, Micros from, long offset) {
  call_core([&]() -> Result<Done> {
    periods->push_back({from, to_micros(offset)});
    return Done{};
  });
}

}  // namespace

void read_clock(const pg_tz* zone, Micros from, Micros to, std::vector<ClockPeriod>* periods) {
  Assert(periods->empty() && from <= to);
  // clocks that show a time are less than a day from UTC
  const auto last = static_cast<pg_time_t>((to + kMicrosPerDay) / kMicrosPerSecond + 1);
  auto at = static_cast<pg_time_t>((from - kMicrosPerDay) / kMicrosPerSecond - 1);
  const struct pg_tm* first = pg_localtime(&at, zone);
  append_period(periods, kNoInstant, first == nullptr ? 0 : first->tm_gmtoff);
  long before, after;
  int was_dst, is_dst;
  pg_time_t change;
  while (at <= last && pg_next_dst_boundary(&at, &before, &was_dst, &change, &after, &is_dst, zone) == 1) {
    if (change > last) break;
    // some changes are of the abbreviation alone
    if (to_micros(after) != periods->back().offset) append_period(periods, to_micros(change), after);
    at = change;
  }
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_zone);
PG_FUNCTION_INFO_V1(wearables_canonical_zone);

Datum wearables_zone(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Zone zone;
  require_zone(text_of(PG_GETARG_DATUM(0)), &zone);
  PG_RETURN_TEXT_P(cstring_to_text(zone.name));
}

Datum wearables_canonical_zone(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TriggerData* data = trigger_on(fcinfo, "canonical_zone", {"users"});
  HeapTuple row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
  TupleDesc columns = RelationGetDescr(data->tg_relation);
  int column = SPI_fnumber(columns, "time_zone");
  bool null = false;
  const Datum given = heap_getattr(row, column, columns, &null);
  if (null) return PointerGetDatum(row);  // the column's NOT NULL refuses it
  Zone zone;
  require_zone(text_of(given), &zone);
  if (text_of(given) == zone.name) return PointerGetDatum(row);
  Datum canonical = PointerGetDatum(cstring_to_text(zone.name));
  return PointerGetDatum(heap_modify_tuple_by_cols(row, columns, 1, &column, &canonical, &null));
}
}
