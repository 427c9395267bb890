// A batch of the core becomes rows.
//
// One batch is cached by the session, since its vectors keep their room from event to event. Who borrows it holds it
// until a memory context is reset, by abort, too; a second borrower meanwhile (a claimant handled within an event) gets
// a batch of its own. No locks. The rules of zones live as long as the backend.
#include "core/parse/normalize.h"
#include "core/parse/wall_clock.h"
#include "core/write/sample.h"
#include "core/write/version.h"

#include <algorithm>
#include <limits>

#include "pg/parse/batch.h"
#include "pg/people/user.h"
#include "pg/people/zone.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"

namespace wearables::pg {

namespace {

// What a batch may keep between events, in elements of its vectors: of a larger one the room is given back.
constexpr size_t kMostCached = 4096;
// Samples from which on their room is given back as soon as their rows are made.
constexpr size_t kMostBesideRows = 16384;

struct BatchCache {
  Batch batch;
  bool lent = false;
};
BatchCache* cache = nullptr;

void take_back_batch(void*) {
  Assert(cache->lent);
  Batch& batch = cache->batch;
  const size_t by_reading = batch.samples.capacity() + batch.list_starts.capacity() + batch.written.capacity();
  if (by_reading + batch.documents.capacity() + batch.rejected.capacity() > kMostCached) {
    batch = Batch{};
  } else {
    batch.clear();
  }
  cache->lent = false;
}

// The metric's number; below 0 the sample names one of the batch's new ones by its complement.
int16 metric_id_of(const Sample& sample, const Names& names) {
  return sample.metric > kNoMetric ? sample.metric : names.new_metrics[~sample.metric];
}

Row make_row(const Sample& sample, int64 version, const Names& names) {
  Row row;
  row.version = version;
  row.ts = sample.ts;
  row.ts_end = sample.ts_end;
  row.value = sample.value;
  row.secondary = sample.secondary;
  row.document = sample.document;
  row.ordinal = sample.ordinal;
  row.metric_id = metric_id_of(sample, names);
  row.source_id = names.sources[sample.source].source_id;
  row.part = sample.part;
  row.tz_offset = sample.tz_offset;
  Assert(row.metric_id != kNoMetric && row.source_id != 0);
  return row;
}

// The zone that the sample's document names; null where it names none that the server knows.
const pg_tz* zone_of(const Sample& sample, const pg_tz* const* zones) {
  return sample.zone == 0 || sample.zone == kOffsetWritten ? nullptr : zones[sample.zone - 1];
}

// Minutes east of UTC; kNoOffset where the server cannot compute with the instant.
int16 offset_at(Micros at, const pg_tz* zone) {
  struct pg_tm tm;
  fsec_t fraction;
  int west = 0;
  if (timestamp2tm(to_server(at), &west, &tm, &fraction, nullptr, const_cast<pg_tz*>(zone)) != 0) return kNoOffset;
  return static_cast<int16>(-west / SECS_PER_MINUTE);
}

// By which clock the samples of floating sources are read: the document's zone, where the server knows it; else the
// user's. Where the document only says an offset there is nothing to look up. An offset in a stamp tells what the clock
// showed, and not where that was.
struct Clocks {
  std::uint8_t* of_sample;  // by its place; kIsInstant, kUsersClock, or kFirstClock and the index of a zone
  bool by_user;
  const char* users_zone;  // its name, once it was looked up; null: nothing is read by it
  int count;               // of the numbers
};
constexpr std::uint8_t kUsersClock = 1;
constexpr int kFirstClock = 2;
static_assert(kFirstClock + kMaxZones <= std::numeric_limits<std::uint8_t>::max());

// Makes instants of those that are read by an offset.
Clocks choose_clocks(Batch* batch, const pg_tz* const* zones, const Names& names) {
  constexpr Micros kMicrosPerMinute = SECS_PER_MINUTE * kMicrosPerSecond;
  const size_t count = batch->samples.size();
  Clocks clocks{nullptr, false, nullptr, 0};
  for (size_t i = 0; i < count; ++i) {
    Sample& sample = batch->samples[i];
    if (!names.sources[sample.source].floating_time || sample.tz_offset == kCalendarDay) continue;
    if (clocks.of_sample == nullptr) {
      clocks = {static_cast<std::uint8_t*>(
                    MemoryContextAllocExtended(CurrentMemoryContext, count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO)),
                false, nullptr, kFirstClock + static_cast<int>(batch->zones.size())};
    }
    if (zone_of(sample, zones) != nullptr) {
      clocks.of_sample[i] = static_cast<std::uint8_t>(kFirstClock + sample.zone - 1);
    } else if (sample.zone == kOffsetWritten || sample.tz_offset == kNoOffset) {
      clocks.of_sample[i] = kUsersClock;
      clocks.by_user = true;
    } else {
      sample.ts -= sample.tz_offset * kMicrosPerMinute;
      if (sample.ts_end != kNoInstant) sample.ts_end -= sample.tz_offset * kMicrosPerMinute;
    }
  }
  return clocks;
}

// Makes instants of the wall-clock times of one clock; those that have none get kNoInstant.
void place_by_clock(Batch* batch, const Clocks& clocks, int clock, const pg_tz* zone) {
  const ClockOfSample which{clocks.of_sample, static_cast<std::uint8_t>(clock)};
  WallClockSpan span;
  if (!find_wall_clock(*batch, which, &span)) return;
  auto* periods = owned_by<std::vector<ClockPeriod>>(CurrentMemoryContext);
  read_clock(zone, span.from, span.to, periods);
  call_core([&] { return place_wall_clock(*batch, which, ZoneClock(*periods)); });
}

// Returns by which clocks.
Clocks place_floating_time(Batch* batch, const pg_tz* const* zones, const Names& names, int64 user_id,
                           std::vector<Refusal>* refused) {
  Clocks clocks = choose_clocks(batch, zones, names);
  if (clocks.of_sample == nullptr) return clocks;
  for (int clock = kFirstClock; clock < clocks.count; ++clock) {
    if (zones[clock - kFirstClock] != nullptr) place_by_clock(batch, clocks, clock, zones[clock - kFirstClock]);
  }
  if (clocks.by_user) {
    Zone zone;
    find_zone_of(user_id, &zone);
    place_by_clock(batch, clocks, kUsersClock, zone.rules);
    clocks.users_zone = pstrdup(zone.name);
  }
  call_core([&] { return refuse_unplaced(*batch, *refused); });
  return clocks;
}

}  // namespace

Batch* borrow_batch(MemoryContext context) {
  if (cache == nullptr) cache = owned_by<BatchCache>(TopMemoryContext);
  if (cache->lent) return owned_by<Batch>(context);
  auto* callback = static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
  callback->func = take_back_batch;
  MemoryContextRegisterResetCallback(context, callback);
  cache->lent = true;
  return &cache->batch;
}

const pg_tz** find_zones(const Batch& batch) {
  auto** zones = static_cast<const pg_tz**>(palloc0(sizeof(pg_tz*) * (batch.zones.size() + 1)));
  for (size_t i = 0; i < batch.zones.size(); ++i) {
    Zone zone;
    if (find_zone(batch.zones[i], &zone)) zones[i] = zone.rules;
  }
  return zones;
}

void note_unknown_zones(const pg_tz* const* zones, Batch* batch) {
  for (size_t i = 0; i < batch->zones.size(); ++i) {
    if (zones[i] != nullptr) continue;
    call_core([&]() -> Result<Done> { return note_unknown_text(*batch, kTimeZoneField, batch->zones[i]), Done{}; });
  }
}

int16 offset_of(const Sample& sample, const pg_tz* const* zones) {
  const pg_tz* zone = zone_of(sample, zones);
  return zone == nullptr ? sample.tz_offset : offset_at(sample.ts, zone);
}

namespace {

// What a wrong clock dates into the future would head all that is newest. A function of the event: not of the time at
// which it is handled.
void refuse_after_origin(const std::vector<Row>& rows, int64 version, std::vector<Refusal>* refused) {
  const Micros latest = latest_instant_of(version);
  const auto late = [latest](const Row& row) { return row.ts > latest; };
  auto next = std::find_if(rows.begin(), rows.end(), late);
  if (next == rows.end()) return;
  call_core([&]() -> Result<Done> {
    for (; next != rows.end(); next = std::find_if(next + 1, rows.end(), late)) {
      refused->push_back({next->ordinal, Reason::kAfterOrigin});
    }
    std::sort(refused->begin(), refused->end(),
              [](const Refusal& a, const Refusal& b) { return a.ordinal < b.ordinal; });
    return Done{};
  });
}

}  // namespace

const char* make_rows(Batch* batch, const pg_tz* const* zones, const Names& names, int64 user_id, int64 version,
                      std::vector<Row>* rows, std::vector<Refusal>* refused) {
  const Clocks clocks = place_floating_time(batch, zones, names, user_id, refused);
  call_core([&]() -> Result<Done> { return rows->resize(batch->samples.size()), Done{}; });
  for (size_t i = 0; i < batch->samples.size(); ++i) {
    const Sample& sample = batch->samples[i];
    Row& row = (*rows)[i] = make_row(sample, version, names);
    if (sample.tz_offset == kCalendarDay || sample.ts == kNoInstant) continue;
    const bool by_user = clocks.of_sample != nullptr && clocks.of_sample[i] == kUsersClock;
    row.tz_offset = by_user ? kNoOffset : offset_of(sample, zones);
  }
  refuse_after_origin(*rows, version, refused);
  return clocks.users_zone;
}

void drop_refused(const std::vector<Refusal>& refused, std::vector<Row>* rows) {
  size_t next = 0;
  size_t kept = 0;
  for (const Row& row : *rows) {
    if (next < refused.size() && refused[next].ordinal == row.ordinal) {
      ++next;
    } else {
      (*rows)[kept++] = row;
    }
  }
  Assert(next == refused.size() && kept + next == rows->size());
  call_core([&]() -> Result<Done> { return rows->resize(kept), Done{}; });
}

void release_samples(Batch* batch) {
  if (batch->samples.capacity() > kMostBesideRows) std::vector<Sample>().swap(batch->samples);
}

}  // namespace wearables::pg
