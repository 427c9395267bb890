// The look-ups of an INSERT into the view samples. An import names few things in many rows, mostly the ones of the row
// before, so that one is compared first, then a table of the statement is asked, and only then the database.
//
// A look-up enters SPI and the owner's rights by itself: the rows between need neither. It takes the lock of
// hold_names() before the first name. All is kept in the memory of the statement.
#include "pg/write/insert_lookup.h"

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "pg/parse/mapping.h"
#include "pg/people/user.h"
#include "pg/server/boundary.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

constexpr std::uint32_t kNoSource = kNone;

struct Known {
  std::unordered_set<std::int64_t> users;
  std::unordered_map<std::string, Metric> metrics;
  std::unordered_set<std::string> channels;
  std::unordered_map<std::string, std::uint32_t> source_indexes;
  std::vector<SourceRef> sources;
};

// Finds in the statement's own tables; nullptr where the name is new. The answer stays where it is.
const Metric* find_known(const Known& known, std::string_view name, std::string_view* kept) {
  const auto found = known.metrics.find(std::string(name));
  if (found == known.metrics.end()) return nullptr;
  *kept = found->first;
  return &found->second;
}

Result<std::uint32_t> find_or_add(Known& known, std::string_view provider, std::string_view type,
                                  std::string_view channel) {
  // lengths tell apart what the texts joined do not
  std::string key = std::to_string(provider.size()) + ' ' + std::to_string(type.size()) + ' ';
  key.append(provider).append(type).append(channel);
  const auto [at, added] = known.source_indexes.try_emplace(std::move(key), static_cast<uint32>(known.sources.size()));
  if (added) known.sources.push_back({std::string(provider), std::string(type), std::string(channel)});
  return at->second;
}

bool is_source(const SourceRef& source, std::string_view provider, std::string_view type, std::string_view channel) {
  return source.provider == provider && source.type == type && source.channel == channel;
}

// Rights of the owner, for statements.
struct Door {
  OwnerScope scope;
};

Door open_door() {
  SPI_connect();
  return {enter_owner()};
}

void close(const Door& door) {
  leave(door.scope);
  SPI_finish();
}

const char* c_string(std::string_view text) { return pnstrdup(text.data(), text.size()); }

}  // namespace

struct InsertLookup {
  MemoryContext context;
  Known* known;
  // of the row before
  int64 user_id;
  bool has_user;
  std::string_view metric_name;
  const Metric* metric;
  std::uint32_t source;
};

InsertLookup* make_insert_lookup(MemoryContext context) {
  auto* lookup = static_cast<InsertLookup*>(MemoryContextAllocZero(context, sizeof(InsertLookup)));
  lookup->context = context;
  lookup->known = owned_by<Known>(context);
  lookup->source = kNoSource;
  return lookup;
}

void check_user(int64 user_id) {
  if (is_user(user_id)) return;
  ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION), errmsg("user " INT64_FORMAT " does not exist", user_id),
                  errhint("Register the user with wearables.register_user().")));
}

void require_user(InsertLookup* lookup, int64 user_id) {
  if (lookup->has_user && lookup->user_id == user_id) return;
  Known& known = *lookup->known;
  if (!known.users.contains(user_id)) {
    const Door door = open_door();
    check_user(user_id);
    close(door);
    call_core([&]() -> Result<Done> {
      known.users.insert(user_id);
      return Done{};
    });
  }
  lookup->user_id = user_id;
  lookup->has_user = true;
}

const Metric& require_metric(InsertLookup* lookup, std::string_view name) {
  if (lookup->metric != nullptr && lookup->metric_name == name) return *lookup->metric;
  Known& known = *lookup->known;
  std::string_view kept;
  auto find = [&]() -> Result<const Metric*> { return find_known(known, name, &kept); };
  const Metric* metric = call_core(find);
  if (metric == nullptr) {
    Metric found;
    const Door door = open_door();
    hold_names();
    const bool exists = find_metric(c_string(name), &found);
    if (exists) found.unit = MemoryContextStrdup(lookup->context, found.unit);
    close(door);
    if (!exists) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("metric \"%s\" does not exist", c_string(name)),
                      errhint("See wearables.metrics for the names.")));
    }
    call_core([&]() -> Result<Done> {
      known.metrics.emplace(name, found);
      return Done{};
    });
    metric = call_core(find);
  }
  lookup->metric_name = kept;
  lookup->metric = metric;
  return *metric;
}

void require_open_channel(InsertLookup* lookup, std::string_view channel) {
  Known& known = *lookup->known;
  if (lookup->source != kNoSource && known.sources[lookup->source].channel == channel) return;
  if (call_core([&]() -> Result<bool> { return known.channels.contains(std::string(channel)); })) return;
  const Door door = open_door();
  const bool follows = is_summary_channel(channel);
  close(door);
  if (follows) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("samples of channel \"%s\" cannot be inserted, because they are derived from documents",
                           c_string(channel)),
                    errhint("Insert into channel timeseries, or change the mapping and replay the events.")));
  }
  call_core([&]() -> Result<Done> {
    known.channels.emplace(channel);
    return Done{};
  });
}

uint32 index_of_source(InsertLookup* lookup, std::string_view provider, std::string_view type,
                       std::string_view channel) {
  Known& known = *lookup->known;
  if (lookup->source == kNoSource || !is_source(known.sources[lookup->source], provider, type, channel)) {
    lookup->source = call_core([&] { return find_or_add(known, provider, type, channel); });
  }
  return lookup->source;
}

const std::vector<SourceRef>& sources_of(const InsertLookup& lookup) { return lookup.known->sources; }

}  // namespace wearables::pg
