#include "core/write/sample.h"

#include "core/base/assert.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace wearables {
namespace {

auto key(const Row& row) noexcept { return std::tie(row.metric_id, row.ts, row.source_id, row.part); }

// The row that is kept stands last among those of its key.
auto rank(const Row& row) noexcept {
  return std::tie(row.metric_id, row.ts, row.source_id, row.part, row.version, row.ordinal);
}

bool rank_less(const Row& a, const Row& b) noexcept { return rank(a) < rank(b); }

bool same_number(double a, double b) noexcept { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

const char* reason_name(Reason reason) noexcept {
  switch (reason) {
    case Reason::kNotAnObject:
      return "not_an_object";
    case Reason::kNestedTooDeep:
      return "nested_too_deep";
    case Reason::kMissingValue:
      return "missing_value";
    case Reason::kNotANumber:
      return "not_a_number";
    case Reason::kUnknownCode:
      return "unknown_code";
    case Reason::kOutOfRange:
      return "out_of_range";
    case Reason::kUnknownUnit:
      return "unknown_unit";
    case Reason::kMissingUnit:
      return "missing_unit";
    case Reason::kMissingTimestamp:
      return "missing_timestamp";
    case Reason::kBadTimestamp:
      return "bad_timestamp";
    case Reason::kTimestampOutOfRange:
      return "timestamp_out_of_range";
    case Reason::kEndBeforeStart:
      return "end_before_start";
    case Reason::kAmbiguousTime:
      return "ambiguous_time";
    case Reason::kAfterOrigin:
      return "after_origin";
    case Reason::kMissingSource:
      return "missing_source";
    case Reason::kMissingId:
      return "missing_id";
    case Reason::kMissingType:
      return "missing_type";
    case Reason::kTooManyNames:
      return "too_many_names";
    case Reason::kTooManyDocuments:
      return "too_many_documents";
    case Reason::kTooManyPlaces:
      return "too_many_places";
    case Reason::kNoMoreNames:
      return "no_more_names";
    case Reason::kMoreRefused:
      return "more_refused";
  }
  return "unknown";
}

void Batch::clear() noexcept {
  samples.clear();
  new_metrics.clear();
  sources.clear();
  documents.clear();
  zones.clear();
  rejected.clear();
  refused = 0;
  unknowns.clear();
  unknown_units.clear();
  readings = 0;
  list_starts.clear();
  written.clear();
  null_at.clear();
}

bool key_less(const Row& a, const Row& b) noexcept { return key(a) < key(b); }

bool key_equal(const Row& a, const Row& b) noexcept { return key(a) == key(b); }

bool same_reading(const Row& a, const Row& b) noexcept {
  return a.ts_end == b.ts_end && a.tz_offset == b.tz_offset && same_number(a.value, b.value) &&
         same_number(a.secondary, b.secondary);
}

bool is_settled(std::span<const Row> rows) noexcept {
  return std::adjacent_find(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return !key_less(a, b); }) ==
         rows.end();
}

std::size_t settle(std::span<Row> rows) {
  // Bodies come in order of time as a rule, so looking first is cheaper than sorting.
  if (!std::is_sorted(rows.begin(), rows.end(), rank_less)) {
    std::sort(rows.begin(), rows.end(), rank_less);
  }
  std::size_t kept = 0;
  for (const Row& row : rows) {
    if (kept > 0 && key_equal(rows[kept - 1], row)) --kept;
    rows[kept++] = row;
  }
  WEARABLES_ASSERT(is_settled(rows.first(kept)));
  return kept;
}

std::size_t settle(std::vector<Row>& rows) {
  const std::size_t kept = settle(std::span<Row>(rows));
  const std::size_t dropped = rows.size() - kept;
  rows.resize(kept);
  return dropped;
}

Verdict judge(const Row& row, const Row* stored) noexcept {
  if (stored == nullptr) return Verdict::kInsert;
  WEARABLES_ASSERT(key_equal(row, *stored));
  if (row.version < stored->version) return Verdict::kStale;
  if (!same_reading(row, *stored)) return Verdict::kChange;
  return row.version > stored->version ? Verdict::kConfirm : Verdict::kUnchanged;
}

void count_verdict(Verdict verdict, Counts* counts) noexcept {
  switch (verdict) {
    case Verdict::kInsert:
      ++counts->inserted;
      break;
    case Verdict::kChange:
      ++counts->changed;
      break;
    case Verdict::kConfirm:
      ++counts->confirmed;
      break;
    case Verdict::kUnchanged:
      ++counts->unchanged;
      break;
    case Verdict::kStale:
      ++counts->stale;
      break;
  }
}

bool writes(Verdict verdict) noexcept {
  return verdict == Verdict::kInsert || verdict == Verdict::kChange || verdict == Verdict::kConfirm;
}

std::int64_t sum_of(const Counts& counts) noexcept {
  return counts.inserted + counts.changed + counts.confirmed + counts.unchanged + counts.stale + counts.quarantined;
}

void add_counts(const Counts& counts, Counts* total) noexcept {
  total->inserted += counts.inserted;
  total->changed += counts.changed;
  total->confirmed += counts.confirmed;
  total->unchanged += counts.unchanged;
  total->stale += counts.stale;
  total->quarantined += counts.quarantined;
}

}  // namespace wearables
