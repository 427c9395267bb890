// A batch of the core becomes rows.
//
// One batch is cached by the session, since its vectors keep their room from event to event. Who borrows it holds it
// until a memory context is reset, by abort, too; a second borrower meanwhile (a claimant handled within an event) gets
// a batch of its own. No locks. The rules of zones live as long as the backend.
#include "core/parse/normalize.h"
#include "core/write/sample.h"

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
  if (batch.samples.capacity() + batch.documents.capacity() + batch.rejected.capacity() > kMostCached) {
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

// The instant at which clocks of the zone show this; in standard time when they show it twice or not at all.
Micros from_wall_clock(Micros wall_clock, const pg_tz* zone) {
  struct pg_tm tm;
  fsec_t fraction;
  if (timestamp2tm(to_server(wall_clock), nullptr, &tm, &fraction, nullptr, nullptr) != 0) return wall_clock;
  return wall_clock + static_cast<Micros>(DetermineTimeZoneOffset(&tm, const_cast<pg_tz*>(zone))) * kMicrosPerSecond;
}

// Whether wall-clock time has nothing else to be placed by. The offset in a stamp of floating time is part of its
// dress: it tells what the clock showed, and not where it was.
bool reads_users_zone(const Sample& sample, const pg_tz* const* zones) {
  if (sample.zone == kOffsetWritten) return true;
  return zone_of(sample, zones) == nullptr && sample.tz_offset == kNoOffset;
}

// Wall-clock time becomes an instant: by the document's zone, else by its offset, else by the user's zone.
void place_wall_clock(const Sample& sample, const pg_tz* zone, const pg_tz* users_zone, Row* row) {
  constexpr Micros kMicrosPerMinute = SECS_PER_MINUTE * kMicrosPerSecond;
  const bool by_offset = zone == nullptr && sample.zone != kOffsetWritten && sample.tz_offset != kNoOffset;
  const Micros dress = sample.zone == kOffsetWritten ? sample.tz_offset * kMicrosPerMinute : 0;
  for (Micros* at : {&row->ts, &row->ts_end}) {
    if (*at == kNoInstant) continue;
    if (by_offset) {
      *at -= sample.tz_offset * kMicrosPerMinute;
    } else {
      *at = from_wall_clock(*at + dress, zone != nullptr ? zone : users_zone);
    }
  }
  if (sample.zone == kOffsetWritten) row->tz_offset = kNoOffset;
  if (zone != nullptr) row->tz_offset = offset_at(row->ts, zone);
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

bool make_rows(const Batch& batch, const pg_tz* const* zones, const Names& names, int64 user_id, int64 version,
               std::vector<Row>* rows) {
  call_core([&]() -> Result<Done> { return rows->resize(batch.samples.size()), Done{}; });
  const pg_tz* users_zone = nullptr;
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const Sample& sample = batch.samples[i];
    Row& row = (*rows)[i] = make_row(sample, version, names);
    if (sample.tz_offset == kCalendarDay) continue;
    if (!names.sources[sample.source].floating_time) {
      row.tz_offset = offset_of(sample, zones);
      continue;
    }
    if (users_zone == nullptr && reads_users_zone(sample, zones)) users_zone = time_zone_of(user_id);
    place_wall_clock(sample, zone_of(sample, zones), users_zone, &row);
  }
  return users_zone != nullptr;
}

void release_samples(Batch* batch) {
  if (batch->samples.capacity() > kMostBesideRows) std::vector<Sample>().swap(batch->samples);
}

}  // namespace wearables::pg
