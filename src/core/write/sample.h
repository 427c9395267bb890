// Readings on their way from a body to the table: Batch as the normalizer leaves it, rows as the
// writer needs them (sorted by key, one row per key).
#pragma once

#include "core/base/clock.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

inline constexpr std::int16_t kNoOffset = std::numeric_limits<std::int16_t>::min();
// Instead of an offset: the reading was born of a calendar date and belongs to it in every zone (R11). Its ts is 00:00
// UTC of the date. The SQL scripts write the number out.
inline constexpr std::int16_t kCalendarDay = 32767;
static_assert(kCalendarDay > kFarthestOffset && kNoOffset < -kFarthestOffset);
inline constexpr std::uint32_t kNone = 0xffffffffU;
inline constexpr std::int16_t kNoMetric = 0;
// No reading is larger, in its canonical unit and either way: so the sums, products and squares of all that a table can
// hold are finite, and no chart fails for one reading.
inline constexpr double kLargestValue = 1e100;

// The part of a reading that nothing sets apart from others of its instant and source: those of timeseries, as a rule.
inline constexpr std::int16_t kWholePart = 0;

// What one body may make. All of it is counted in the order in which it first stands in the body, whether it exists
// already or not, so that a replay decides the same.
inline constexpr std::size_t kMaxSources = 100;      // providers with their source types and channels
inline constexpr std::size_t kMaxMetricNames = 500;  // that extend another's: a panel of analytes has 300
inline constexpr std::size_t kMaxZones = 100;
inline constexpr std::size_t kMaxDocuments = 50000;
inline constexpr std::size_t kMaxRejected = 1000;  // refused readings that are told one by one

// Why a reading was refused. reason_name() is what `quarantine.reason` shows.
enum class Reason : std::uint8_t {
  kNotAnObject,
  kNestedTooDeep,  // below kMaxDepth levels of lists and objects
  kMissingValue,
  kNotANumber,
  kUnknownCode,  // a text for which the row has no number
  kOutOfRange,
  kUnknownUnit,
  kMissingUnit,  // where a unit is read from a field, and the row has no default
  kMissingTimestamp,
  kBadTimestamp,
  kTimestampOutOfRange,
  kEndBeforeStart,
  kAmbiguousTime,  // wall-clock time that its zone shows twice, or never
  kAfterOrigin,    // more than a day later than its event was made
  kMissingSource,
  kMissingId,
  kMissingType,       // what extends the metric's name is no text, or too long
  kTooManyNames,      // beyond what one body may name
  kTooManyDocuments,  // beyond what one body may hold
  kTooManyPlaces,     // of one list; `detail` tells how many
  kNoMoreNames,       // the database has no room for another name
  kMoreRefused,       // no reading: so many more were refused as `detail` says
};
const char* reason_name(Reason reason) noexcept;

// Instead of the index of a zone: tz_offset was written in the timestamp itself.
inline constexpr std::uint8_t kOffsetWritten = std::numeric_limits<std::uint8_t>::max();
static_assert(kOffsetWritten > kMaxZones && kMaxSources <= std::numeric_limits<std::uint8_t>::max());

// Source, zone and document by index into the batch; the shell turns indexes into ids. Instants are read as UTC; of a
// source with floating time the shell moves them to where the wall clock shows them.
struct Sample {
  Micros ts;
  Micros ts_end;           // kNoInstant for an instant
  double value;            // in the metric's canonical unit
  double secondary;        // NaN when there is none
  std::uint32_t ordinal;   // order of appearance in the body, from 0, shared with Rejected
  std::uint32_t document;  // index into Batch::documents, kNone for timeseries
  std::int16_t metric;     // metric_id; below 0: ~index into Batch::new_metrics
  std::uint8_t source;     // index into Batch::sources
  std::uint8_t zone;       // 1 + index into Batch::zones: where the database knows it, it stands before tz_offset;
                           // 0: the document names none; or kOffsetWritten
  std::int16_t tz_offset;  // minutes east of UTC, kCalendarDay, kNoOffset when unknown
  std::int16_t part = kWholePart;  // as in Row
};
static_assert(sizeof(Sample) == 48);  // of a body with many readings they are most of what is held

// A reading that is refused for what the body alone does not tell.
struct Refusal {
  std::uint32_t ordinal;
  Reason reason;
};

// From this reading on, instants were written with these offsets, in minutes east of UTC; 0 where none was written.
struct WrittenOffset {
  std::uint32_t ordinal;
  std::int16_t start;
  std::int16_t end;
};

// A metric that fields of a reading named (cholesterol/hdl) and no row of the plan is: the shell looks its row
// up, or makes it after its parent.
struct NewMetric {
  std::string name;
  std::int16_t parent_id;
};

inline constexpr std::size_t kMaxSourceName = 100;  // bytes, of a provider, a source type or a channel

// channel is "timeseries", the summary resource, or that of a mapping of its own.
struct SourceRef {
  std::string provider;
  std::string type;
  std::string channel;
  bool operator==(const SourceRef&) const = default;
};

// Of a session that takes longer it is not asked what else it contains: hardly anybody sleeps for two days.
inline constexpr Micros kLongestSession = 2 * kMicrosPerDay;

// Where a document lies that is a session, such as a night, and not longer than kLongestSession; else kNoInstant.
struct Session {
  Micros start = kNoInstant;
  Micros end = kNoInstant;

  bool exists() const noexcept { return end != kNoInstant; }
};

inline constexpr std::uint16_t kNoSessionSource = 0xffff;  // no condition decides

// A summary object of the body. offset and length cut its text out of the body.
struct Document {
  std::string id;
  std::string instead_of_id;  // what it is known by where it is one a day or a source (ResourceDef::one_per); or empty
  std::int16_t part;          // of its readings
  std::uint16_t source;
  // The source under whose channel a condition puts the session, such as that of naps, whether or not it has readings.
  // Here, where it takes no room: a body may hold 50,000 documents.
  std::uint16_t session_source = kNoSessionSource;
  bool is_stream = false;  // stands within the document before it, and is one of the resource that reads it as a stream
  Micros updated_at;       // kNoInstant when it has none
  std::size_t offset;
  std::size_t length;
  Session session = {};

  // What it replaces its former self by.
  std::string_view identity() const noexcept { return instead_of_id.empty() ? id : instead_of_id; }
};

struct Rejected {
  std::uint32_t ordinal;
  Reason reason;
  std::int16_t metric_id;  // of the plan; kNoMetric when not known
  std::string pointer;     // RFC 6901 into the body: "/data/data/17/value"
  std::string detail;      // a unit or a type name; never a reading
  Micros at = kNoInstant;  // as Sample::ts, as it was written; kNoInstant where that is not known
  bool is_day = false;     // at is 00:00 UTC of the date that the reading belongs to (kCalendarDay)
};

// A field that no row knows; with a text, one that knows its texts and not this one.
struct Unknown {
  std::string path;  // relative to the record: "heart_rate.resting_bpm"
  std::string text;  // of a field with a list of known texts; never a reading
  bool operator==(const Unknown&) const = default;
};

// A unit that no row of its metric knows.
struct UnknownUnit {
  std::int16_t metric_id;
  std::string text;
  bool operator==(const UnknownUnit&) const = default;
};

struct Batch {
  std::vector<Sample> samples;
  std::vector<NewMetric> new_metrics;  // each with a sample
  std::vector<SourceRef> sources;
  std::vector<Document> documents;
  std::vector<std::string> zones;          // as the documents name them; the database may not know them
  std::vector<Rejected> rejected;          // the first kMaxRejected, then one kMoreRefused for the others
  std::uint32_t refused = 0;               // all of them
  std::vector<Unknown> unknowns;           // each once; fields and texts, kMaxUnknowns of both
  std::vector<UnknownUnit> unknown_units;  // each once, kMaxUnknowns at most
  std::uint32_t readings = 0;              // samples.size() + refused, always
  std::vector<std::uint32_t> list_starts;  // ordinals from which on readings stand in another list or document
  std::vector<WrittenOffset> written;      // each where it differs from the one before; 0 and 0 before the first
  std::string null_at;                     // where null stands for all readings: "data.data"

  void clear() noexcept;  // and keeps the room for the next one
};

// A row of sample_points without its user. Key: metric_id, ts, source_id, part.
struct Row {
  std::int64_t version;
  Micros ts;
  Micros ts_end;
  double value;
  double secondary;
  std::uint32_t document;
  std::uint32_t ordinal;
  std::int16_t metric_id;
  std::int16_t source_id;
  std::int16_t part;  // which of several documents, or of other things that a field names: part_of() of its identity
  std::int16_t tz_offset;  // as of Sample
};

bool key_less(const Row& a, const Row& b) noexcept;  // metric_id, ts, source_id, part
bool key_equal(const Row& a, const Row& b) noexcept;
bool same_reading(const Row& a,
                  const Row& b) noexcept;  // value, secondary, end, offset; NaN equals NaN

// Sorts by key and keeps one row per key: of the highest version, then of the highest ordinal (the
// one that stood last in the body). Returns how many it kept, at the front; the rest means nothing.
std::size_t settle(std::span<Row> rows);

// The same, and cuts the rest off. Returns how many that were.
std::size_t settle(std::vector<Row>& rows);

// Whether the rows are as settle() leaves them: ascending by key, one per key.
bool is_settled(std::span<const Row> rows) noexcept;

// The six counts with which every event ends. Their sum is the number of readings it held.
struct Counts {
  std::int64_t inserted = 0;
  std::int64_t changed = 0;    // replaced, another value
  std::int64_t confirmed = 0;  // newer version, equal value: only the version moved
  std::int64_t unchanged = 0;  // equal version, equal value: nothing written
  std::int64_t stale = 0;      // an older version, or overtaken within its own batch
  std::int64_t quarantined = 0;
};
void add_counts(const Counts& counts, Counts* total) noexcept;
std::int64_t sum_of(const Counts& counts) noexcept;

enum class Verdict : std::uint8_t { kInsert, kChange, kConfirm, kUnchanged, kStale };

// R2, and the only place that decides it: what writing `row` over `stored` (null: no such key)
// would do.
Verdict judge(const Row& row, const Row* stored) noexcept;
void count_verdict(Verdict verdict, Counts* counts) noexcept;
bool writes(Verdict verdict) noexcept;  // whether it changes the table at all

}  // namespace wearables
