#include "core/result.h"

#include <string>
#include <unordered_map>

#include "pg/boundary.h"
#include "pg/lock.h"
#include "pg/source.h"
#include "pg/spi.h"

namespace wearables::pg {

namespace {

struct Known {
  std::unordered_map<std::string, Source> sources;
  std::unordered_map<std::string, int16> metrics;
};

constinit MemoryContext known_context = nullptr;
constinit Known* known_rows = nullptr;

Known& known() {
  if (known_rows == nullptr) {
    known_context = AllocSetContextCreate(TopMemoryContext, "wearables sources", ALLOCSET_SMALL_SIZES);
    known_rows = owned_by<Known>(known_context);
  }
  return *known_rows;
}

Statement select_source{R"(
  SELECT s.source_id, s.floating_time FROM wearables.sources s
  WHERE s.provider = $1 AND s.source_type = $2 AND s.channel = $3)"};

// Junction marks the wall-clock time of these two as UTC (providers/timestamps-and-time-zones).
Statement insert_source{R"(
  INSERT INTO wearables.sources (provider, source_type, channel, floating_time)
  VALUES ($1, $2, $3, $1 IN ('abbott_libreview', 'freestyle_libre'))
  RETURNING source_id, floating_time)"};

Statement select_metric{"SELECT m.metric_id FROM wearables.metrics m WHERE m.name = $1"};

Statement insert_metric{R"(
  INSERT INTO wearables.metrics (name, unit, aggregate, kind, lowest, highest, parent, origin)
  SELECT $1, p.unit, p.aggregate, p.kind, p.lowest, p.highest, p.name, 'extended'
  FROM wearables.metrics p WHERE p.metric_id = $2
  RETURNING metric_id)"};

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

}  // namespace

void forget_sources() noexcept {
  if (known_rows == nullptr) return;
  known_rows->sources.clear();
  known_rows->metrics.clear();
}

Source source_of(std::string_view provider, std::string_view type, std::string_view channel) {
  const char* key = psprintf("%.*s\n%.*s\n%.*s", static_cast<int>(provider.size()), provider.data(),
                             static_cast<int>(type.size()), type.data(),
                             static_cast<int>(channel.size()), channel.data());
  auto& sources = known().sources;
  if (const auto* found = look_up<std::remove_reference_t<decltype(sources)>, Source>(sources, key)) {
    return *found;
  }
  const auto args = {arg_text(provider), arg_text(type), arg_text(channel)};
  if (run(select_source, args) == 0) {
    lock_catalog();
    if (run(select_source, args) == 0) run(insert_source, args);
  }
  const Source source{get_int2(0, 1), get_bool(0, 2)};
  keep(sources, key, source);
  return source;
}

int16 find_metric(std::string_view name) {
  return run(select_metric, {arg_text(name)}) == 0 ? int16{0} : get_int2(0, 1);
}

int16 extended_metric(std::string_view name, int16 parent_id) {
  auto& metrics = known().metrics;
  if (const auto* found = look_up<std::remove_reference_t<decltype(metrics)>, int16>(metrics, name)) {
    return *found;
  }
  int16 metric_id = find_metric(name);
  if (metric_id == 0) {
    lock_catalog();
    metric_id = find_metric(name);
    if (metric_id == 0) {
      run(insert_metric, {arg_text(name), arg_int2(parent_id)});
      metric_id = get_int2(0, 1);
    }
  }
  keep(metrics, name, metric_id);
  return metric_id;
}

}  // namespace wearables::pg
