#include "core/sample.h"

#include "pg/batch.h"
#include "pg/boundary.h"
#include "pg/sample.h"
#include "pg/source.h"
#include "pg/user.h"

namespace wearables::pg {

namespace {

struct Kept {
  Batch batch;
  bool lent = false;
};
Kept* kept = nullptr;

// Of an event that was large no room is kept.
void give_back(void*) {
  constexpr size_t kFew = 4096;
  Batch& batch = kept->batch;
  if (batch.samples.capacity() + batch.documents.capacity() + batch.rejected.capacity() > kFew) {
    batch = Batch{};
  } else {
    batch.clear();
  }
  kept->lent = false;
}

struct Ids {
  const int16* new_metrics;
  const Source* sources;

  int16 metric_of(const Sample& sample) const {
    return sample.metric > kNoMetric ? sample.metric : new_metrics[~sample.metric];
  }
};

const int16* new_metrics_of(const Batch& batch) {
  auto* ids = static_cast<int16*>(palloc(sizeof(int16) * (batch.new_metrics.size() + 1)));
  for (size_t i = 0; i < batch.new_metrics.size(); ++i) {
    ids[i] = extended_metric(batch.new_metrics[i].name, batch.new_metrics[i].parent_id);
  }
  return ids;
}

const Source* sources_of(const Batch& batch) {
  auto* sources = static_cast<Source*>(palloc(sizeof(Source) * (batch.sources.size() + 1)));
  for (size_t i = 0; i < batch.sources.size(); ++i) {
    const SourceRef& source = batch.sources[i];
    sources[i] = source_of(source.provider, source.type, source.channel);
  }
  return sources;
}

Row row_of(const Sample& sample, int64 version, const Ids& ids) {
  return {version,         sample.ts,       sample.ts_end,
          sample.value,    sample.secondary, sample.document,
          sample.ordinal,  ids.metric_of(sample), ids.sources[sample.source].source_id,
          sample.tz_offset};
}

// The zone to read a sample's wall-clock time in; null when its instants are instants.
const char* zone_for(const Batch& batch, const Sample& sample, const Ids& ids, const char* of_user) {
  if (sample.zone != 0) return batch.zones[sample.zone - 1].c_str();
  return ids.sources[sample.source].floating_time ? of_user : nullptr;
}

}  // namespace

Batch* borrow_batch(MemoryContext context) {
  if (kept == nullptr) kept = owned_by<Kept>(TopMemoryContext);
  if (kept->lent) return owned_by<Batch>(context);
  auto* callback =
      static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
  callback->func = give_back;
  MemoryContextRegisterResetCallback(context, callback);
  kept->lent = true;
  return &kept->batch;
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

int16* source_ids_of(const Batch& batch) {
  auto* ids = static_cast<int16*>(palloc(sizeof(int16) * (batch.sources.size() + 1)));
  const Source* sources = sources_of(batch);
  for (size_t i = 0; i < batch.sources.size(); ++i) ids[i] = sources[i].source_id;
  return ids;
}

bool rows_of(const Batch& batch, int64 user_id, int64 version, std::vector<Row>* rows) {
  const Ids ids{new_metrics_of(batch), sources_of(batch)};
  call_core([&]() -> Result<Done> {
    rows->resize(batch.samples.size());
    return Done{};
  });
  const char* of_user = nullptr;
  bool wall_clock = false;
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const Sample& sample = batch.samples[i];
    Row& row = (*rows)[i] = row_of(sample, version, ids);
    if (ids.sources[sample.source].floating_time && of_user == nullptr) of_user = time_zone_of(user_id);
    const char* zone = zone_for(batch, sample, ids, of_user);
    if (zone == nullptr) continue;
    wall_clock = true;
    row.ts = from_wall_clock(row.ts, zone);
    if (row.ts_end != kNoInstant) row.ts_end = from_wall_clock(row.ts_end, zone);
  }
  return wall_clock;
}

}  // namespace wearables::pg
