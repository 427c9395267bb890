// normalize(): the readings a body holds under the present mappings. It writes nothing, takes no lock, and reads by the
// snapshot of the query that calls it, so that it may stand in any SELECT. The batch is owned by SPI's context, the
// rows by the tuplestore of the caller.
#include "core/vendor/vendor.h"
#include "core/parse/normalize.h"
#include "core/write/version.h"

#include <cmath>

#include "pg/server/allocator.h"
#include "pg/parse/batch.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"
#include "pg/parse/mapping.h"
#include "pg/parse/names.h"
#include "pg/people/access.h"
#include "pg/receive/endpoint.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"
#include "pg/store/event.h"

namespace wearables::pg {

namespace {

// The columns of normalize(), from 0 on.
enum {
  kMetric,
  kTs,
  kDay,
  kProvider,
  kSourceType,
  kChannel,
  kValue,
  kValueSecondary,
  kUnit,
  kTsEnd,
  kTzOffset,
  kSummaryId,
  kRefused,
  kPointer,
  kDetail,
  kPart,
  kColumns
};
constexpr long kFewMetrics = 64;
// A body that is not stored has no origin.
constexpr wearables::Micros kNoLatest = PG_INT64_MAX;

constexpr auto kSnapshot = SnapshotMode::kCallers;

Statement select_body{"SELECT e.endpoint, e.event_type, e.payload, e.version, e.user_id, " STREAM_SUBJECT_OF_EVENT
                      " FROM wearables.webhook_events e WHERE e.event_id = $1"};
enum { kBodyEndpoint = 1, kBodyEventType, kBodyPayload, kBodyVersion, kBodyUser, kBodySubject };

// Names and units, read once each.
class MetricLabels {
 public:
  explicit MetricLabels(const Batch& batch) : batch_(batch), known_(new_table()) {}

  MetricLabel of(int16 metric) {
    if (metric > kNoMetric) return of_row(metric);
    const NewMetric& made = batch_.new_metrics[~metric];
    return {made.name.c_str(), of_row(made.parent_id).unit};
  }

 private:
  struct Entry {
    int16 metric_id;
    MetricLabel label;
  };

  static HTAB* new_table() {
    HASHCTL control{};
    control.keysize = sizeof(int16);
    control.entrysize = sizeof(Entry);
    control.hcxt = CurrentMemoryContext;
    return hash_create("metric labels", kFewMetrics, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  }

  MetricLabel of_row(int16 metric_id) {
    bool found;
    auto* entry = static_cast<Entry*>(hash_search(known_, &metric_id, HASH_ENTER, &found));
    if (found) return entry->label;
    entry->label = {};
    entry->label = metric_label(metric_id, kSnapshot);
    return entry->label;
  }

  const Batch& batch_;
  HTAB* known_;
};

struct Output {
  Datum values[kColumns];
  bool nulls[kColumns];
};

void set_text(Output* output, int column, std::string_view text) {
  output->nulls[column] = text.empty();
  output->values[column] = PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

void set(Output* output, int column, Datum value, bool null = false) {
  output->values[column] = value;
  output->nulls[column] = null;
}

Output blank() {
  Output output;
  for (int i = 0; i < kColumns; ++i) set(&output, i, 0, true);
  return output;
}

// Instants of a floating source stand as they are written: to place them takes their user.
Output output_of(const Batch& batch, const Sample& sample, const MetricLabel& metric, const pg_tz* const* zones) {
  Output output = blank();
  const SourceRef& source = batch.sources[sample.source];
  set_text(&output, kMetric, metric.name);
  const bool is_day = sample.tz_offset == kCalendarDay;
  const int16 offset = offset_of(sample, zones);
  set(&output, kTs, TimestampTzGetDatum(to_server(sample.ts)));
  set(&output, kDay, DateADTGetDatum(to_date(sample.ts)), !is_day);
  set_text(&output, kProvider, source.provider);
  set_text(&output, kSourceType, source.type);
  set_text(&output, kChannel, source.channel);
  set(&output, kValue, Float8GetDatum(sample.value));
  set(&output, kValueSecondary, Float8GetDatum(sample.secondary), std::isnan(sample.secondary));
  set_text(&output, kUnit, metric.unit);
  set(&output, kTsEnd, TimestampTzGetDatum(to_server(sample.ts_end)), sample.ts_end == kNoInstant);
  set(&output, kTzOffset, Int16GetDatum(offset), is_day || offset == kNoOffset);
  set(&output, kPart, Int16GetDatum(sample.part));
  if (sample.document != kNone) set_text(&output, kSummaryId, batch.documents[sample.document].id);
  return output;
}

Output output_of(const Rejected& rejected, MetricLabels& labels) {
  Output output = blank();
  if (rejected.metric_id != kNoMetric) set_text(&output, kMetric, labels.of(rejected.metric_id).name);
  set_text(&output, kRefused, reason_name(rejected.reason));
  set_text(&output, kPointer, rejected.pointer);
  set_text(&output, kDetail, rejected.detail);
  return output;
}

void put(ReturnSetInfo* result, Output output) {
  tuplestore_putvalues(result->setResult, result->setDesc, output.values, output.nulls);
}

// In the order of the body, refused readings in their place.
void emit(const Batch& batch, ReturnSetInfo* result) {
  MetricLabels labels(batch);
  const pg_tz* const* zones = find_zones(batch);
  size_t refused = 0;
  for (const Sample& sample : batch.samples) {
    while (refused < batch.rejected.size() && batch.rejected[refused].ordinal < sample.ordinal) {
      put(result, output_of(batch.rejected[refused++], labels));
    }
    put(result, output_of(batch, sample, labels.of(sample.metric), zones));
  }
  while (refused < batch.rejected.size()) put(result, output_of(batch.rejected[refused++], labels));
}

// Of wall-clock time as if it were UTC.
void refuse_after(Micros latest, const Batch& batch, std::vector<Refusal>* refused) {
  call_core([&]() -> Result<Done> {
    for (const Sample& sample : batch.samples) {
      if (sample.ts > latest) refused->push_back({sample.ordinal, Reason::kAfterOrigin});
    }
    return Done{};
  });
}

void normalize_into(const Vendor& vendor, std::string_view event_type, std::string_view body, Micros latest,
                    const StreamSubject* subject, ReturnSetInfo* result) {
  const EventType type = classify(vendor, event_type);
  bool known;
  const Plan& plan = plan_at(current_revision(kSnapshot), kSnapshot);
  const bool readable = type.family == EventFamily::kData || type.family == EventFamily::kPage;
  if (!readable || plan.kind(type.resource, &known) == ResourceKind::kSkipped) return;
  // it announces a stream, and holds nothing of it
  if (type.family == EventFamily::kData && plan.streams(type.resource).is_stream) return;
  auto* batch = owned_by<Batch>(CurrentMemoryContext);
  call_core([&] { return normalize(plan, type.resource, body, *batch, stop_requested, nullptr, {}, subject); });
  auto* refused = owned_by<std::vector<Refusal>>(CurrentMemoryContext);
  refuse_after(latest, *batch, refused);
  if (!refused->empty()) {
    call_core([&] { return normalize(plan, type.resource, body, *batch, stop_requested, nullptr, *refused, subject); });
  }
  emit(*batch, result);
  give_back_after(body.size());
}

std::string_view view_of(const void* value) { return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)}; }

ReturnSetInfo* begin_set(FunctionCallInfo fcinfo) {
#if PG_VERSION_NUM >= 160000
  InitMaterializedSRF(fcinfo, 0);
#else
  SetSingleFuncCall(fcinfo, 0);
#endif
  return reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
}

void normalize_stored(int64 event_id, ReturnSetInfo* result) {
  MemoryContext caller = CurrentMemoryContext;
  if (run(select_body, {arg_int8(event_id)}, kSnapshot) == 0) {
    ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("event " INT64_FORMAT " does not exist", event_id),
                    errhint("See wearables.webhook_events for the ids. Archived and dropped events are not there.")));
  }
  // 0: it names nobody who is known
  if (const int64 user_id = get_int8(0, kBodyUser); user_id != 0) note_access("normalize", user_id);
  const char* endpoint = copy_text(0, kBodyEndpoint, caller);
  const char* event_type = copy_text(0, kBodyEventType, caller);
  const StreamSubject* subject = stream_subject_in(0, kBodySubject, caller);
  const std::string_view view = get_text(0, kBodyPayload);
  char* body = static_cast<char*>(MemoryContextAllocHuge(caller, view.size() + 1));
  memcpy(body, view.data(), view.size());
  if (event_type == nullptr || view.empty()) return;
  const Micros latest = latest_instant_of(get_int8(0, kBodyVersion));
  normalize_into(vendor_of(endpoint, kSnapshot), event_type, {body, view.size()}, latest, subject, result);
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_normalize_event);
PG_FUNCTION_INFO_V1(wearables_normalize_payload);

Datum wearables_normalize_event(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  ReturnSetInfo* result = begin_set(fcinfo);
  SPI_connect();
  normalize_stored(PG_GETARG_INT64(0), result);
  SPI_finish();
  return Datum{0};
}

Datum wearables_normalize_payload(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  Confidential frame;
  begin_confidential(&frame);
  ReturnSetInfo* result = begin_set(fcinfo);
  const std::string_view event_type = view_of(PG_GETARG_TEXT_PP(0));
  const std::string_view body = view_of(PG_GETARG_BYTEA_PP(1));
  SPI_connect();
  normalize_into(wearables::default_vendor(), event_type, body, kNoLatest, nullptr, result);
  SPI_finish();
  end_confidential(frame);
  return Datum{0};
}
}
