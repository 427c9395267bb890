// Input: one byte that picks the resource, then the body.
#include "core/json/storable_json.h"
#include "core/vendor/envelope.h"
#include "core/vendor/junction.h"
#include "core/json/field_set.h"
#include "core/parse/normalize.h"

#include "../unit/sample_plan.h"
#ifdef WEARABLES_FUZZ
#include "json_mutator.h"
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace {

using namespace wearables;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

const Plan& plan() {
  static const Plan* const made = testing::sample_plan().release();
  return *made;
}

void check_sample(const Batch& batch, const Sample& sample) {
  static const auto metrics = testing::sample_metrics();
  require(sample.metric != kNoMetric && sample.source < batch.sources.size());
  require(sample.zone <= batch.zones.size() || sample.zone == kOffsetWritten);
  require(sample.document == kNone || sample.document < batch.documents.size());
  require(sample.ts >= kEarliestInstant && sample.ts <= kLatestInstant);
  require(sample.ts_end == kNoInstant || (sample.ts_end >= sample.ts && sample.ts_end <= kLatestInstant));
  const bool is_day = sample.tz_offset == kCalendarDay;
  require(!is_day || (sample.ts % kMicrosPerDay == 0 && sample.zone == 0));
  require(is_day || sample.tz_offset == kNoOffset ||
          (sample.tz_offset >= -kFarthestOffset && sample.tz_offset <= kFarthestOffset));
  const bool is_new = sample.metric < kNoMetric;
  require(!is_new || static_cast<std::size_t>(~sample.metric) < batch.new_metrics.size());
  const std::int16_t id = is_new ? batch.new_metrics[~sample.metric].parent_id : sample.metric;
  require(id > kNoMetric && static_cast<std::size_t>(id) <= metrics.size());
  const MetricDef& metric = metrics[static_cast<std::size_t>(id) - 1];
  require(std::isfinite(sample.value));
  require(sample.value >= metric.lowest && sample.value <= metric.highest);
  require(std::isnan(sample.secondary) || (sample.secondary >= metric.lowest && sample.secondary <= metric.highest));
}

void check_rejected(const Rejected& rejected) {
  require(rejected.metric_id >= kNoMetric);
  require(rejected.pointer.empty() || rejected.pointer.front() == '/');
  require(rejected.detail.size() <= 64);
}

void check_same(const Batch& a, const Batch& b) {
  require(a.readings == b.readings && a.samples.size() == b.samples.size());
  for (std::size_t i = 0; i < a.samples.size(); ++i) {
    const Sample& one = a.samples[i];
    const Sample& other = b.samples[i];
    require(one.ordinal == other.ordinal && one.metric == other.metric && one.ts == other.ts &&
            one.ts_end == other.ts_end && one.value == other.value && one.source == other.source &&
            one.zone == other.zone && one.tz_offset == other.tz_offset && one.part == other.part);
  }
  require(a.rejected.size() == b.rejected.size() && a.documents.size() == b.documents.size());
  require(a.unknowns == b.unknowns && a.sources == b.sources && a.zones == b.zones);
}

// Every ordinal stands once, whether its reading became a sample or not.
void check_ordinals(const Batch& batch) {
  require(batch.readings == batch.samples.size() + batch.refused);
  std::vector<bool> seen(batch.readings);
  const auto see = [&](std::uint32_t ordinal) {
    require(ordinal < seen.size() && !seen[ordinal]);
    seen[ordinal] = true;
  };
  for (const Sample& sample : batch.samples) see(sample.ordinal);
  for (const Rejected& rejected : batch.rejected) see(rejected.ordinal);
}

void check_documents(const Batch& batch, std::string_view body) {
  for (const Document& document : batch.documents) {
    require(!document.id.empty() && document.source < batch.sources.size());
    require(document.length >= 2 && document.offset + document.length <= body.size());
    const std::string_view text = body.substr(document.offset, document.length);
    require(text.front() == '{' && text.back() == '}');
    require(read_envelope(kJunction, text).is_json);
  }
}

void check_unknowns(const Batch& batch) {
  require(batch.unknowns.size() <= 2 * kMaxUnknowns);
  for (const Unknown& unknown : batch.unknowns) {
    require(!unknown.path.empty() && unknown.path.size() <= 1024 && unknown.text.size() <= 64);
  }
}

void check_settled(const Batch& batch) {
  std::vector<Row> rows;
  for (const Sample& sample : batch.samples) {
    rows.push_back({1, sample.ts, sample.ts_end, sample.value, sample.secondary, sample.document, sample.ordinal,
                    sample.metric, static_cast<std::int16_t>(sample.source), sample.part, sample.tz_offset});
  }
  const std::size_t dropped = settle(rows);
  require(rows.size() + dropped == batch.samples.size());
  for (std::size_t i = 1; i < rows.size(); ++i) require(key_less(rows[i - 1], rows[i]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto resources = testing::sample_resources();
  if (size == 0) return 0;
  const ResourceDef& resource = resources[data[0] % resources.size()];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);

  // A walk guesses by the body before, which differs between the two.
  static const StreamSubject subject{"document", "oura", "ring", 1'700'000'000'000'000, 1'700'003'600'000'000};
  const StreamSubject* of = resource.stream_of.empty() ? nullptr : &subject;
  static Batch again;
  const auto first = normalize(plan(), resource.name, body, again, nullptr, nullptr, {}, of);

  static Batch batch;  // of the bodies before
  const auto result = normalize(plan(), resource.name, body, batch, nullptr, nullptr, {}, of);
  if (resource.kind == ResourceKind::kSkipped) {
    require(!result.ok() && result.error().code == Code::kInvalidArgument);
    return 0;
  }
  const bool is_json = result.ok() || result.error().code != Code::kInvalidJson;
  require(is_json == read_envelope(kJunction, body).is_json);
  require(first.ok() == result.ok());
  if (!result.ok()) return 0;
  check_same(again, batch);
  check_ordinals(batch);
  for (const Sample& sample : batch.samples) check_sample(batch, sample);
  for (const Rejected& rejected : batch.rejected) check_rejected(rejected);
  check_documents(batch, body);
  check_unknowns(batch);
  check_settled(batch);
  return 0;
}

#ifdef WEARABLES_FUZZ
// The first byte names the resource.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  if (seed % 64 == 0 && size > 0) data[0] = static_cast<std::uint8_t>(seed / 64);
  return testing::mutate_json(data, size, max_size, seed, 1);
}
#endif
