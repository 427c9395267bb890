#include "core/write/sample.h"

#include "pg/parse/batch.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/people/user.h"

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

int16 metric_of(const Sample& sample, const Names& names) {
  return sample.metric > kNoMetric ? sample.metric : names.new_metrics[~sample.metric];
}

Row row_of(const Sample& sample, int64 version, const Names& names) {
  return {version,         sample.ts,       sample.ts_end,
          sample.value,    sample.secondary, sample.document,
          sample.ordinal,  metric_of(sample, names), names.sources[sample.source].source_id,
          sample.tz_offset};
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

bool rows_of(const Batch& batch, const Names& names, int64 user_id, int64 version, std::vector<Row>* rows) {
  call_core([&]() -> Result<Done> {
    rows->resize(batch.samples.size());
    return Done{};
  });
  const char* of_user = nullptr;
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const Sample& sample = batch.samples[i];
    Row& row = (*rows)[i] = row_of(sample, version, names);
    const bool floating = names.sources[sample.source].floating_time;
    if (floating && of_user == nullptr) of_user = time_zone_of(user_id);
    const char* zone = sample.zone != 0 ? batch.zones[sample.zone - 1].c_str() : floating ? of_user : nullptr;
    if (zone == nullptr) continue;
    row.ts = from_wall_clock(row.ts, zone);
    if (row.ts_end != kNoInstant) row.ts_end = from_wall_clock(row.ts_end, zone);
  }
  return of_user != nullptr;
}

void release_samples(Batch* batch) {
  constexpr size_t kLarge = 16384;
  if (batch->samples.capacity() > kLarge) std::vector<Sample>().swap(batch->samples);
}

}  // namespace wearables::pg
