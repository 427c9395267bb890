// Names of sources and metrics and their numbers; what may be assumed of them is in names.h. Locks: the table of
// sources in RowExclusiveLock, which maintenance conflicts with, then advisory locks of names in ascending order, then
// those of numbers, which are only tried. The cache of a session lives below TopMemoryContext and is emptied by
// invalidations of the table of sources, and at the end of any transaction that did not commit.
#include "core/parse/normalize.h"
#include "core/vendor/vendor.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "pg/server/boundary.h"
#include "pg/server/lock.h"
#include "pg/parse/names.h"
#include "pg/server/settings.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

extern "C" {
#include "common/hashfn.h"
#include "utils/inval.h"
}

namespace wearables::pg {

namespace {

constexpr int kNamesMissing = MAKE_SQLSTATE('W', 'I', 'N', '0', '1');  // never leaves the library
constexpr int kFirstSource = 1;
constexpr int kFirstMetric = 10000;  // below are the shipped ones

struct NameCache {
  std::unordered_map<std::string, Source> sources;
  std::unordered_map<std::string, int16> metrics;
};

constinit MemoryContext names_context = nullptr;
constinit NameCache* cached_names = nullptr;
constinit Oid sources_table = InvalidOid;
constinit uint32 highest_lock = 0;  // of the names that this transaction is making

// Maintenance that took names away tells by a message about the table of sources.
void forget_at(Datum, Oid table) {
  if (!OidIsValid(table) || table == sources_table) forget_names();
}

NameCache& name_cache() {
  if (cached_names == nullptr) {
    names_context = AllocSetContextCreate(TopMemoryContext, "wearables names", ALLOCSET_SMALL_SIZES);
    cached_names = owned_by<NameCache>(names_context);
    CacheRegisterRelcacheCallback(forget_at, Datum{0});
  }
  return *cached_names;
}

// A row that maintenance has found unused counts as missing: making it anew is what keeps it.
Statement select_source{R"(
  SELECT s.source_id, s.floating_time FROM wearables.sources s
  WHERE s.provider = $1 AND s.source_type = $2 AND s.channel = $3 AND s.unused_since IS NULL)"};

Statement keep_source{R"(
  UPDATE wearables.sources s SET unused_since = NULL WHERE s.provider = $1 AND s.source_type = $2 AND s.channel = $3
  RETURNING s.source_id)"};

Statement insert_source{R"(
  INSERT INTO wearables.sources (source_id, provider, source_type, channel, floating_time, origin)
  VALUES ($1, $2, $3, $4, $5, 'seen'))"};

Statement count_sources{"SELECT count(*) FROM wearables.sources"};

Statement select_label{"SELECT m.name, m.unit FROM wearables.metrics m WHERE m.metric_id = $1"};
enum { kLabelName = 1, kLabelUnit };

Statement select_extended{"SELECT m.metric_id FROM wearables.metrics m WHERE m.name = $1 AND m.unused_since IS NULL"};

#define SELECT_METRIC_ROW                                                        \
  "SELECT m.metric_id, m.unit, m.lowest, m.highest, m.unused_since IS NOT NULL " \
  "FROM wearables.metrics m WHERE m.name = $1"
Statement select_metric_row{SELECT_METRIC_ROW};
// Where the snapshot may be older than hold_names(): a row that has been changed or deleted since is refused.
Statement select_locked_metric_row{SELECT_METRIC_ROW " FOR SHARE"};
#undef SELECT_METRIC_ROW

enum MetricRowColumn { kMetricId = 1, kUnit, kLowest, kHighest, kIsUnused };

Statement keep_metric{"UPDATE wearables.metrics m SET unused_since = NULL WHERE m.name = $1 RETURNING m.metric_id"};

Statement insert_metric{R"(
  INSERT INTO wearables.metrics (metric_id, name, unit, ucum, codes, aggregate, kind, lowest, highest, parent, origin)
  SELECT $1, $2, p.unit, p.ucum, p.codes, p.aggregate, p.kind, p.lowest, p.highest, p.name, 'extended'
  FROM wearables.metrics p WHERE p.metric_id = $3)"};

Statement count_extended{"SELECT count(*) FROM wearables.metrics m WHERE m.origin = 'extended'"};

// The lowest number from $1 on that no row has.
#define FREE_NUMBER(table, number)                                                                   \
  "SELECT c.n FROM (SELECT $1::integer AS n UNION ALL SELECT t." number " + 1 FROM wearables." table \
  " t "                                                                                              \
  "WHERE t." number " >= $1) c WHERE c.n <= 32767 AND NOT EXISTS (SELECT FROM wearables." table      \
  " o "                                                                                              \
  "WHERE o." number " = c.n) ORDER BY c.n LIMIT 1"
Statement free_source{FREE_NUMBER("sources", "source_id")};
Statement free_metric{FREE_NUMBER("metrics", "metric_id")};
#undef FREE_NUMBER

template <class Map, class Value>
Value* look_up(Map& map, std::string_view key) {
  return call_core([&]() -> Result<Value*> {
    const auto found = map.find(std::string(key));
    return found == map.end() ? nullptr : &found->second;
  });
}

template <class Map, class Value>
void keep(Map& map, std::string_view key, const Value& value) {
  call_core([&]() -> Result<Done> {
    map.insert_or_assign(std::string(key), value);
    return Done{};
  });
}

std::string_view key_of(std::string_view provider, std::string_view type, std::string_view channel) {
  return psprintf("%.*s\n%.*s\n%.*s", static_cast<int>(provider.size()), provider.data(), static_cast<int>(type.size()),
                  type.data(), static_cast<int>(channel.size()), channel.data());
}

uint32 lock_of(std::string_view key) {
  return hash_bytes(reinterpret_cast<const unsigned char*>(key.data()), static_cast<int>(key.size()));
}

bool find_source(std::string_view provider, std::string_view type, std::string_view channel, Source* source) {
  const std::string_view key = key_of(provider, type, channel);
  auto& sources = name_cache().sources;
  if (const auto* found = look_up<std::remove_reference_t<decltype(sources)>, Source>(sources, key)) {
    *source = *found;
    return true;
  }
  if (run(select_source, {arg_text(provider), arg_text(type), arg_text(channel)}) == 0) return false;
  *source = {get_int2(0, 1), get_bool(0, 2)};
  keep(sources, key, *source);
  return true;
}

int16 find_extended(std::string_view name) {
  auto& metrics = name_cache().metrics;
  if (const auto* found = look_up<std::remove_reference_t<decltype(metrics)>, int16>(metrics, name)) return *found;
  if (run(select_extended, {arg_text(name)}) == 0) return 0;
  const int16 metric_id = get_int2(0, 1);
  keep(metrics, name, metric_id);
  return metric_id;
}

const char* copy_of(std::string_view text, MemoryContext context) {
  char* copy = static_cast<char*>(MemoryContextAlloc(context, text.size() + 1));
  memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

MissingName* add(MissingNames* missing, uint32 lock) {
  if (missing->count == missing->capacity) {
    const int capacity = Max(16, 2 * missing->capacity);
    auto* names = static_cast<MissingName*>(MemoryContextAllocZero(missing->context, sizeof(MissingName) * capacity));
    if (missing->count > 0) memcpy(names, missing->names, sizeof(MissingName) * missing->count);
    missing->names = names;
    missing->capacity = capacity;
  }
  MissingName* added = &missing->names[missing->count++];
  *added = {};
  added->lock = lock;
  return added;
}

void add_source(const SourceRef& source, MissingNames* missing) {
  MissingName* added = add(missing, lock_of(key_of(source.provider, source.type, source.channel)));
  added->is_source = true;
  added->provider = copy_of(source.provider, missing->context);
  added->type = copy_of(source.type, missing->context);
  added->channel = copy_of(source.channel, missing->context);
}

void add_metric(const NewMetric& metric, MissingNames* missing) {
  MissingName* added = add(missing, lock_of(metric.name));
  added->metric = copy_of(metric.name, missing->context);
  added->parent_id = metric.parent_id;
}

bool is_taken(const MissingName& name) {
  Source source;
  if (name.is_source) return find_source(name.provider, name.type, name.channel, &source);
  return find_extended(name.metric) != 0;
}

// The row may be there, and only be marked as unused.
bool take_again(const MissingName& name) {
  if (name.is_source) {
    return run(keep_source, {arg_text(name.provider), arg_text(name.type), arg_text(name.channel)}) > 0;
  }
  return run(keep_metric, {arg_text(name.metric)}) > 0;
}

bool has_room(bool for_source) {
  if (for_source) return run(count_sources, {}) > 0 && get_int8(0, 1) < settings().max_sources;
  return run(count_extended, {}) > 0 && get_int8(0, 1) < settings().max_extended_metrics;
}

// A number that no row has and no open transaction has taken; it is locked before it is looked for, so that what a
// transaction that ended meanwhile has made of it is seen. 0 when all are gone.
int16 take_number(bool for_source) {
  Statement& statement = for_source ? free_source : free_metric;
  int next = for_source ? kFirstSource : kFirstMetric;
  while (run(statement, {arg_int4(next)}) > 0) {
    const int candidate = get_int4(0, 1);
    if (!try_lock_number(for_source, candidate)) {
      next = candidate + 1;
      continue;
    }
    if (run(statement, {arg_int4(candidate)}) > 0 && get_int4(0, 1) == candidate) return static_cast<int16>(candidate);
    next = candidate + 1;
  }
  return 0;
}

void insert(const MissingName& name, int16 number) {
  if (name.is_source) {
    run(insert_source, {arg_int2(number), arg_text(name.provider), arg_text(name.type), arg_text(name.channel),
                        arg_bool(is_wall_clock_provider(name.provider))});
  } else {
    run(insert_metric, {arg_int2(number), arg_text(name.metric), arg_int2(name.parent_id)});
  }
}

bool lock_name(const MissingName& name, bool wait) {
  if (try_lock_name(name.is_source, name.lock)) {
    highest_lock = Max(highest_lock, name.lock);
    return true;
  }
  if (!wait) return false;
  if (name.lock < highest_lock) {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("another transaction is creating a source or metric that this one needs"),
                    errdetail("It may be waiting for one that this transaction has created."),
                    errhint("Run the transaction again.")));
  }
  wait_for_name(name.is_source, name.lock);
  highest_lock = name.lock;
  return true;
}

int by_lock(const void* a, const void* b) {
  const uint32 left = static_cast<const MissingName*>(a)->lock;
  const uint32 right = static_cast<const MissingName*>(b)->lock;
  return left < right ? -1 : left > right ? 1 : 0;
}

Result<Done> add_closed(ClosedNames& closed, const MissingName& name) {
  if (name.is_source) {
    closed.sources.push_back({name.provider, name.type, name.channel});
  } else {
    closed.metrics.emplace_back(name.metric);
  }
  return Done{};
}

}  // namespace

MetricLabel metric_label(int16 metric_id, SnapshotMode mode) {
  MemoryContext caller = CurrentMemoryContext;
  if (run(select_label, {arg_int2(metric_id)}, mode) == 0) return {};
  return {copy_text(0, kLabelName, caller), copy_text(0, kLabelUnit, caller)};
}

void hold_names() {
  (void)name_cache();
  sources_table = get_relname_relid("sources", get_namespace_oid("wearables", false));
  LockRelationOid(sources_table, RowExclusiveLock);
}

Names find_names(const Batch& batch, MissingNames* missing) {
  hold_names();
  Names names{static_cast<Source*>(palloc0(sizeof(Source) * (batch.sources.size() + 1))),
              static_cast<int16*>(palloc0(sizeof(int16) * (batch.new_metrics.size() + 1)))};
  auto* used = static_cast<bool*>(palloc0(batch.sources.size() + 1));
  for (const Sample& sample : batch.samples) used[sample.source] = true;
  for (const Document& document : batch.documents) {
    used[document.source] = true;
    if (document.session_source != kNoSessionSource) used[document.session_source] = true;
  }
  for (size_t i = 0; i < batch.sources.size(); ++i) {
    const SourceRef& source = batch.sources[i];
    if (!used[i] || find_source(source.provider, source.type, source.channel, &names.sources[i])) continue;
    stop_point("name missing");
    // not looked for again: somebody may have made it since, and this batch would go on without its number
    add_source(source, missing);
  }
  for (size_t i = 0; i < batch.new_metrics.size(); ++i) {
    names.new_metrics[i] = find_extended(batch.new_metrics[i].name);
    if (names.new_metrics[i] == 0) add_metric(batch.new_metrics[i], missing);
  }
  return names;
}

void require_source(const SourceRef& source, MissingNames* missing) {
  Source found;
  if (find_source(source.provider, source.type, source.channel, &found)) return;
  add_source(source, missing);
}

Source source_of(const SourceRef& source) {
  Source found;
  if (find_source(source.provider, source.type, source.channel, &found)) return found;
  ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a source that was created does not exist")));
}

bool make_names(MissingNames* missing, bool wait) {
  hold_names();
  qsort(missing->names, missing->count, sizeof(MissingName), by_lock);
  for (int i = 0; i < missing->count; ++i) {
    MissingName& name = missing->names[i];
    if (!lock_name(name, wait)) return false;
    if (is_taken(name) || take_again(name)) continue;
    name.full = !has_room(name.is_source);
    if (name.full) continue;
    const int16 number = take_number(name.is_source);
    name.full = number == 0;
    if (!name.full) insert(name, number);
  }
  return true;
}

const ClosedNames* closed_names(const MissingNames& missing, MemoryContext context) {
  ClosedNames* closed = nullptr;
  for (int i = 0; i < missing.count; ++i) {
    if (!missing.names[i].full) continue;
    if (closed == nullptr) closed = owned_by<ClosedNames>(context);
    call_core([&] { return add_closed(*closed, missing.names[i]); });
  }
  return closed;
}

void end_for_names() { ereport(ERROR, (errcode(kNamesMissing), errmsg("names are to be made first"))); }

bool is_names_missing(int sqlstate) noexcept { return sqlstate == kNamesMissing; }

bool find_metric(const char* name, Metric* metric) {
  Statement& select = IsolationUsesXactSnapshot() ? select_locked_metric_row : select_metric_row;
  if (run(select, {arg_text(name)}) == 0) return false;
  *metric = {get_int2(0, kMetricId), copy_text(0, kUnit, CurrentMemoryContext),
             Max(get_float8(0, kLowest), -kLargestValue), Min(get_float8(0, kHighest), kLargestValue)};
  if (get_bool(0, kIsUnused)) run(keep_metric, {arg_text(name)});
  return true;
}

void forget_names() noexcept {
  if (cached_names == nullptr) return;
  cached_names->sources.clear();
  cached_names->metrics.clear();
}

void forget_name_locks() noexcept { highest_lock = 0; }

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_free_number);
PG_FUNCTION_INFO_V1(wearables_forget_names);

Datum wearables_forget_names(PG_FUNCTION_ARGS) {
  CacheInvalidateRelcacheByRelid(get_relname_relid("sources", get_namespace_oid("wearables", false)));
  PG_RETURN_VOID();
}

Datum wearables_free_number(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  SPI_connect();
  const OwnerScope scope = enter_owner();
  const int16 number = take_number(PG_GETARG_BOOL(0));
  leave(scope);
  SPI_finish();
  if (number > 0) PG_RETURN_INT16(number);
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("no number is left for another source or metric"),
                  errhint("Call wearables.reclaim_names(), which deletes those without samples.")));
}
}
