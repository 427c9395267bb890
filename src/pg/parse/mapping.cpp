// The plan of this session: compiled from the rows of the mappings, and kept until a newer revision is asked for. No
// lock is taken: a revision's number is unique, and rows read by the snapshot that showed it are its rows. The rows are
// collected in the caller's context and go with it; the plan is made in a context below that of the transaction, which
// becomes the session's once all is well, so that an error leaves the former plan in place.
#include "core/parse/mapping.h"

#include <limits>
#include <memory>
#include <string>

#include "pg/server/boundary.h"
#include "pg/parse/mapping.h"
#include "pg/parse/names.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

struct Cache {
  std::unique_ptr<Plan> plan;
};

constinit MemoryContext cache_context = nullptr;
constinit Cache* cache = nullptr;
constinit int64 cached_revision = -1;
constinit bool loaded_in_this_transaction = false;

Statement select_revision{"SELECT " REVISION_IN_FORCE};

Statement select_metrics{R"(
  SELECT m.metric_id, m.name, m.unit, m.kind, m.lowest, m.highest, m.parent FROM wearables.metrics m
  WHERE m.origin <> 'extended')"};
enum { kMetricId = 1, kMetricName, kMetricUnit, kMetricKind, kMetricLowest, kMetricHighest, kMetricParent };

Statement select_units{R"(
  SELECT m.metric_id, u.text, u.factor, u.shift
  FROM wearables.units u JOIN wearables.metrics m ON m.name = u.metric)"};
enum { kUnitMetric = 1, kUnitText, kUnitFactor, kUnitShift };

Statement select_resources{R"(
  SELECT r.name, r.kind, r.list_key, r.one_per, r.session_start, r.session_end, r.stream_of, r.stream_field,
         r.pull_stream AND r.stream_path IS NOT NULL
  FROM wearables.resources r)"};
enum {
  kResourceName = 1,
  kResourceKind,
  kResourceListKey,
  kResourceOnePer,
  kResourceSessionStart,
  kResourceSessionEnd,
  kResourceStreamOf,
  kResourceStreamField,
  kResourcePullStream
};

Statement select_summary{R"(
  SELECT 1 FROM wearables.resources r
  WHERE r.kind = 'summary'
    AND (r.name = $1 OR EXISTS (SELECT FROM wearables.mappings p WHERE p.resource = r.name AND p.channel = $1)))"};

Statement select_mappings{R"(
  SELECT p.mapping_id, p.resource, p.provider, m.metric_id, p.secondary_field, p.end_field, p.unit_field,
         p.unit, p.extends, p.value_fields, p.instant_fields, p.enabled, p.base_field, p.unit_up_to_one,
         p.unit_default, p.only_where_field, coalesce(p.only_where_texts, '{}'), p.channel, p.ordinal,
         p.part_fields, p.sum_field, ARRAY(SELECT c.key FROM jsonb_each_text(p.codes) c ORDER BY c.key),
         ARRAY(SELECT coalesce(c.value::float8, 'NaN') FROM jsonb_each_text(p.codes) c ORDER BY c.key)
  FROM wearables.mappings p JOIN wearables.metrics m ON m.name = p.metric
  WHERE p.enabled OR p.provider IS NOT NULL ORDER BY p.mapping_id)"};
enum {
  kMappingId = 1,
  kMappingResource,
  kMappingProvider,
  kMappingMetric,
  kMappingSecondary,
  kMappingEnd,
  kMappingUnitField,
  kMappingUnit,
  kMappingExtends,
  kMappingValues,
  kMappingInstants,
  kMappingEnabled,
  kMappingBase,
  kMappingUnitUpToOne,
  kMappingUnitDefault,
  kMappingOnlyWhereField,
  kMappingOnlyWhereTexts,
  kMappingChannel,
  kMappingOrdinal,
  kMappingPartFields,
  kMappingSum,
  kMappingCodeTexts,
  kMappingCodeNumbers
};

Statement select_known_fields{"SELECT k.resource, k.path, coalesce(k.texts, '{}') FROM wearables.known_fields k"};
enum { kKnownResource = 1, kKnownPath, kKnownTexts };

// Copies a view into the heap of C++ through the guard: a string's growth may throw.
void assign(std::string& target, std::string_view text) {
  call_core([&]() -> Result<Done> {
    target.assign(text);
    return Done{};
  });
}

template <class T>
T* grow(std::vector<T>& rows) {
  return call_core([&]() -> Result<T*> { return &rows.emplace_back(); });
}

void load_metrics(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_metrics, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    MetricDef* metric = grow(set.metrics);
    metric->metric_id = get_int2(row, kMetricId);
    assign(metric->name, get_text(row, kMetricName));
    assign(metric->unit, get_text(row, kMetricUnit));
    metric->interval = get_text(row, kMetricKind) == "interval";
    metric->lowest = get_float8(row, kMetricLowest);
    metric->highest = get_float8(row, kMetricHighest);
    assign(metric->parent, get_text(row, kMetricParent));
  }
}

void load_units(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_units, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    UnitDef* unit = grow(set.units);
    unit->metric_id = get_int2(row, kUnitMetric);
    assign(unit->text, get_text(row, kUnitText));
    unit->factor = get_float8(row, kUnitFactor);
    unit->offset = get_float8(row, kUnitShift);
  }
}

ResourceKind resource_kind(std::string_view text) {
  if (text == "timeseries") return ResourceKind::kTimeseries;
  return text == "summary" ? ResourceKind::kSummary : ResourceKind::kSkipped;
}

OnePer one_per(std::string_view text) {
  if (text == "day") return OnePer::kDay;
  return text == "source" ? OnePer::kSource : OnePer::kId;
}

void load_resources(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_resources, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    ResourceDef* resource = grow(set.resources);
    assign(resource->name, get_text(row, kResourceName));
    resource->kind = resource_kind(get_text(row, kResourceKind));
    assign(resource->list_key, get_text(row, kResourceListKey));
    resource->one_per = one_per(get_text(row, kResourceOnePer));
    assign(resource->session_start, get_text(row, kResourceSessionStart));
    assign(resource->session_end, get_text(row, kResourceSessionEnd));
    assign(resource->stream_of, get_text(row, kResourceStreamOf));
    assign(resource->stream_field, get_text(row, kResourceStreamField));
    resource->pull_stream = get_bool(row, kResourcePullStream);
  }
}

void load_texts(std::vector<std::string>& texts, uint64 row, int column) {
  bool null;
  const Datum value = get(row, column, &null);
  Datum* elements;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
  for (int i = 0; i < count; ++i) {
    const text* element = DatumGetTextPP(elements[i]);
    assign(*grow(texts), {VARDATA_ANY(element), VARSIZE_ANY_EXHDR(element)});
  }
}

// Texts and their numbers, side by side.
void load_codes(std::vector<CodeDef>& codes, uint64 row) {
  bool null;
  Datum* texts;
  Datum* numbers;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(get(row, kMappingCodeTexts, &null)), TEXTOID, -1, false, TYPALIGN_INT, &texts,
                    &nulls, &count);
  deconstruct_array(DatumGetArrayTypeP(get(row, kMappingCodeNumbers, &null)), FLOAT8OID, sizeof(float8),
                    FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &numbers, &nulls, &count);
  for (int i = 0; i < count; ++i) {
    CodeDef* code = grow(codes);
    const text* word = DatumGetTextPP(texts[i]);
    assign(code->text, {VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word)});
    code->number = DatumGetFloat8(numbers[i]);
  }
}

void load_mappings(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_mappings, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    MappingDef* mapping = grow(set.mappings);
    mapping->mapping_id = get_int4(row, kMappingId);
    assign(mapping->resource, get_text(row, kMappingResource));
    assign(mapping->provider, get_text(row, kMappingProvider));
    mapping->metric_id = get_int2(row, kMappingMetric);
    assign(mapping->secondary_field, get_text(row, kMappingSecondary));
    assign(mapping->end_field, get_text(row, kMappingEnd));
    assign(mapping->unit_field, get_text(row, kMappingUnitField));
    assign(mapping->unit, get_text(row, kMappingUnit));
    load_texts(mapping->extends, row, kMappingExtends);
    load_texts(mapping->value_fields, row, kMappingValues);
    load_texts(mapping->instant_fields, row, kMappingInstants);
    mapping->enabled = get_bool(row, kMappingEnabled);
    assign(mapping->base_field, get_text(row, kMappingBase));
    assign(mapping->unit_up_to_one, get_text(row, kMappingUnitUpToOne));
    assign(mapping->unit_default, get_text(row, kMappingUnitDefault));
    assign(mapping->only_where_field, get_text(row, kMappingOnlyWhereField));
    load_texts(mapping->only_where_texts, row, kMappingOnlyWhereTexts);
    assign(mapping->channel, get_text(row, kMappingChannel));
    mapping->ordinal = get_int2(row, kMappingOrdinal);
    load_texts(mapping->part_fields, row, kMappingPartFields);
    assign(mapping->sum_field, get_text(row, kMappingSum));
    load_codes(mapping->codes, row);
  }
}

void load_known_fields(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_known_fields, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    KnownFieldDef* field = grow(set.known_fields);
    assign(field->resource, get_text(row, kKnownResource));
    assign(field->path, get_text(row, kKnownPath));
    load_texts(field->texts, row, kKnownTexts);
  }
}

Cache* compile_into(MemoryContext context, SnapshotMode mode) {
  auto* set = owned_by<MappingSet>(CurrentMemoryContext);
  auto* fresh = owned_by<Cache>(context);
  load_metrics(*set, mode);
  load_units(*set, mode);
  load_resources(*set, mode);
  load_mappings(*set, mode);
  load_known_fields(*set, mode);
  call_core([&] { return store_into(fresh->plan, Plan::compile(*set)); });
  return fresh;
}

}  // namespace

int64 current_revision(SnapshotMode mode) {
  run(select_revision, {}, mode);
  constexpr int kRevision = 1;
  return get_int8(0, kRevision);
}

bool is_summary_channel(std::string_view channel) { return run(select_summary, {arg_text(channel)}) > 0; }

// A revision that is rolled back leaves its number to the next change.
void forget_plan() noexcept {
  if (loaded_in_this_transaction) cached_revision = -1;
}

void forget_plan_for_good() noexcept { cached_revision = -1; }

void keep_plan() noexcept { loaded_in_this_transaction = false; }

const Plan& plan_at(int64 revision, SnapshotMode mode) {
  if (cache != nullptr && cached_revision == revision) return *cache->plan;
  MemoryContext context = AllocSetContextCreate(CurTransactionContext, "wearables plan", ALLOCSET_SMALL_SIZES);
  // the plan is kept for whoever comes next in this session: it must not depend on who asks
  const OwnerScope scope = enter_owner();
  Cache* fresh = compile_into(context, mode);
  leave(scope);
  MemoryContextSetParent(context, TopMemoryContext);
  if (cache_context != nullptr) MemoryContextDelete(cache_context);
  cache_context = context;
  cache = fresh;
  cached_revision = revision;
  forget_names();
  loaded_in_this_transaction = true;
  return *cache->plan;
}

}  // namespace wearables::pg
