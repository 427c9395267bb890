// A batch of the core becomes rows.
//
// One batch is cached by the session, since its vectors keep their room from event to event. Who borrows it holds it
// until a memory context is reset, by abort, too; a second borrower meanwhile (a claimant handled within an event) gets
// a batch of its own. No locks.
#include "core/write/sample.h"

#include "pg/parse/batch.h"
#include "pg/people/user.h"
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

Micros from_wall_clock(Micros wall_clock, const char* zone) {
  pg_tz* tz = pg_tzset(zone);
  if (tz == nullptr) return wall_clock;
  struct pg_tm tm;
  fsec_t fraction;
  if (timestamp2tm(to_server(wall_clock), nullptr, &tm, &fraction, nullptr, nullptr) != 0) {
    return wall_clock;
  }
  return wall_clock + static_cast<Micros>(DetermineTimeZoneOffset(&tm, tz)) * kMicrosPerSecond;
}

bool make_rows(const Batch& batch, const Names& names, int64 user_id, int64 version, std::vector<Row>* rows) {
  call_core([&]() -> Result<Done> { return rows->resize(batch.samples.size()), Done{}; });
  const char* users_zone = nullptr;
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const Sample& sample = batch.samples[i];
    Row& row = (*rows)[i] = make_row(sample, version, names);
    const bool floating = names.sources[sample.source].floating_time;
    if (floating && users_zone == nullptr) users_zone = time_zone_of(user_id);
    const char* zone = sample.zone != 0 ? batch.zones[sample.zone - 1].c_str() : floating ? users_zone : nullptr;
    if (zone == nullptr) continue;
    row.ts = from_wall_clock(row.ts, zone);
    if (row.ts_end != kNoInstant) row.ts_end = from_wall_clock(row.ts_end, zone);
  }
  return users_zone != nullptr;
}

void release_samples(Batch* batch) {
  if (batch->samples.capacity() > kMostBesideRows) std::vector<Sample>().swap(batch->samples);
}

}  // namespace wearables::pg
