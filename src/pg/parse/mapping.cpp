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

Statement select_revision{"SELECT max(r.revision) FROM wearables.revisions r"};

Statement select_metrics{R"(
  SELECT m.metric_id, m.name, m.unit, m.kind, m.lowest, m.highest FROM wearables.metrics m WHERE m.origin <> 'extended')"};

Statement select_units{R"(
  SELECT m.metric_id, u.text, u.factor, u.shift
  FROM wearables.units u JOIN wearables.metrics m ON m.name = u.metric)"};

Statement select_resources{"SELECT r.name, r.kind, r.list_key FROM wearables.resources r"};

Statement select_summary{"SELECT 1 FROM wearables.resources r WHERE r.name = $1 AND r.kind = 'summary'"};

Statement select_mappings{R"(
  SELECT p.mapping_id, p.resource, p.provider, m.metric_id, p.secondary_field, p.end_field, p.unit_field,
         p.unit, p.type_extends, p.value_fields, p.instant_fields, p.enabled, p.base_field, p.unit_up_to_one
  FROM wearables.mappings p JOIN wearables.metrics m ON m.name = p.metric
  WHERE p.enabled OR p.provider IS NOT NULL ORDER BY p.mapping_id)"};

Statement select_known_fields{"SELECT k.resource, k.path, coalesce(k.texts, '{}') FROM wearables.known_fields k"};

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
    metric->metric_id = get_int2(row, 1);
    assign(metric->name, get_text(row, 2));
    assign(metric->unit, get_text(row, 3));
    metric->interval = get_text(row, 4) == "interval";
    metric->lowest = get_float8(row, 5);
    metric->highest = get_float8(row, 6);
  }
}

void load_units(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_units, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    UnitDef* unit = grow(set.units);
    unit->metric_id = get_int2(row, 1);
    assign(unit->text, get_text(row, 2));
    unit->factor = get_float8(row, 3);
    unit->offset = get_float8(row, 4);
  }
}

ResourceKind kind_of(std::string_view text) {
  if (text == "timeseries") return ResourceKind::kTimeseries;
  return text == "summary" ? ResourceKind::kSummary : ResourceKind::kSkipped;
}

void load_resources(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_resources, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    ResourceDef* resource = grow(set.resources);
    assign(resource->name, get_text(row, 1));
    resource->kind = kind_of(get_text(row, 2));
    assign(resource->list_key, get_text(row, 3));
  }
}

void load_texts(std::vector<std::string>& texts, uint64 row, int column) {
  bool null;
  const Datum value = get(row, column, &null);
  Datum* elements;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls,
                    &count);
  for (int i = 0; i < count; ++i) {
    const text* element = DatumGetTextPP(elements[i]);
    assign(*grow(texts), {VARDATA_ANY(element), VARSIZE_ANY_EXHDR(element)});
  }
}

void load_mappings(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_mappings, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    MappingDef* mapping = grow(set.mappings);
    mapping->mapping_id = get_int4(row, 1);
    assign(mapping->resource, get_text(row, 2));
    assign(mapping->provider, get_text(row, 3));
    mapping->metric_id = get_int2(row, 4);
    assign(mapping->secondary_field, get_text(row, 5));
    assign(mapping->end_field, get_text(row, 6));
    assign(mapping->unit_field, get_text(row, 7));
    assign(mapping->unit, get_text(row, 8));
    mapping->type_extends = get_bool(row, 9);
    load_texts(mapping->value_fields, row, 10);
    load_texts(mapping->instant_fields, row, 11);
    mapping->enabled = get_bool(row, 12);
    assign(mapping->base_field, get_text(row, 13));
    assign(mapping->unit_up_to_one, get_text(row, 14));
  }
}

void load_known_fields(MappingSet& set, SnapshotMode mode) {
  const uint64 rows = run(select_known_fields, {}, mode);
  for (uint64 row = 0; row < rows; ++row) {
    KnownFieldDef* field = grow(set.known_fields);
    assign(field->resource, get_text(row, 1));
    assign(field->path, get_text(row, 2));
    load_texts(field->texts, row, 3);
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
  return get_int8(0, 1);
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
  MemoryContext context =
      AllocSetContextCreate(CurTransactionContext, "wearables plan", ALLOCSET_SMALL_SIZES);
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
