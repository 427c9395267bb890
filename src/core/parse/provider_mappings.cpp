// Which rows of a resource read for a provider, and in which order: the rules of MappingDef, applied once a plan.
#include "core/base/assert.h"
#include "core/parse/plan.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace wearables {
namespace {

using Rows = std::vector<const PlanMapping*>;

bool tried_before(const PlanMapping* a, const PlanMapping* b) {
  return std::tie(a->ordinal, a->mapping_id) < std::tie(b->ordinal, b->mapping_id);
}

// The metric and those whose parent it is are chosen between together.
std::uint16_t root_of(const Plan::Impl& plan, const PlanMapping& row) {
  const std::string& parent = plan.metrics[row.metric].def.parent;
  const auto found = plan.metric_names.find(parent);
  return parent.empty() || found == plan.metric_names.end() ? row.metric : found->second;
}

// Those of the provider that are on, and the general ones whose place it does not take: of the documents, or of the
// streams within them.
Rows rows_for(const PlanResource& resource, const std::string& provider, bool of_stream) {
  std::set<std::pair<std::uint16_t, std::string_view>> own;
  for (const PlanMapping& row : resource.mappings) {
    if (row.of_stream != of_stream) continue;
    if (!provider.empty() && row.provider == provider) own.emplace(row.metric, row.channel);
  }
  Rows rows;
  for (const PlanMapping& row : resource.mappings) {
    if (row.of_stream != of_stream) continue;
    const bool applies = row.provider == provider || (row.provider.empty() && !own.contains({row.metric, row.channel}));
    if (applies && row.enabled) rows.push_back(&row);
  }
  return rows;
}

// Of each metric one row without a condition.
Rows without_unreached(const Rows& rows) {
  const auto goes_before = [](const PlanMapping* a, const PlanMapping* b) {
    return a->provider.empty() != b->provider.empty() ? b->provider.empty() : tried_before(a, b);
  };
  Rows reached = rows;
  std::erase_if(reached, [&](const PlanMapping* row) {
    return !row->condition && std::any_of(rows.begin(), rows.end(), [&](const PlanMapping* other) {
      return !other->condition && other->metric == row->metric && goes_before(other, row);
    });
  });
  return reached;
}

// A choice for each metric at the root of a row with a condition.
std::vector<PlanChoice> choices_between(const Plan::Impl& plan, const PlanResource& resource, Rows rows) {
  std::vector<PlanChoice> choices;
  std::stable_sort(rows.begin(), rows.end(), tried_before);
  for (const PlanMapping* row : rows) {
    if (!row->condition) continue;
    const std::uint16_t root = root_of(plan, *row);
    auto choice = std::find_if(choices.begin(), choices.end(), [&](const PlanChoice& c) { return c.root == root; });
    if (choice == choices.end()) choice = choices.insert(choice, PlanChoice{root, {}, {}});
    choice->conditional.push_back(static_cast<std::uint16_t>(row - resource.mappings.data()));
  }
  return choices;
}

// The choice that a row without a condition waits for; null: none.
PlanChoice* choice_of(const PlanResource& resource, std::vector<PlanChoice>& choices, const PlanMapping& row) {
  const auto found = std::find_if(choices.begin(), choices.end(), [&](const PlanChoice& choice) {
    return choice.root == row.metric ||
           std::any_of(choice.conditional.begin(), choice.conditional.end(),
                       [&](std::uint16_t number) { return resource.mappings[number].metric == row.metric; });
  });
  return found == choices.end() ? nullptr : &*found;
}

using ProviderMappings = PlanResource::ProviderMappings;

void make_mappings(const Plan::Impl& plan, const PlanResource& resource, bool of_stream,
                   std::vector<ProviderMappings>& target) {
  std::set<std::string> providers{""};
  for (const PlanMapping& row : resource.mappings) {
    if (row.of_stream == of_stream) providers.insert(row.provider);
  }
  for (const std::string& provider : providers) {
    const Rows rows = without_unreached(rows_for(resource, provider, of_stream));
    auto& made = target.emplace_back();
    made.provider = provider;
    made.choices = choices_between(plan, resource, rows);
    for (const PlanMapping* row : rows) {
      if (row->condition) continue;
      PlanChoice* choice = choice_of(resource, made.choices, *row);
      auto& list = choice == nullptr ? made.mappings : choice->rest;
      list.push_back(static_cast<std::uint16_t>(row - resource.mappings.data()));
    }
    WEARABLES_ASSERT(rows.size() >= made.mappings.size() + made.choices.size());
  }
}

const ProviderMappings& find_mappings(const std::vector<ProviderMappings>& groups, std::string_view provider) noexcept {
  for (const ProviderMappings& group : groups) {
    if (group.provider == provider) return group;
  }
  return groups.front();
}

}  // namespace

void make_provider_mappings(const Plan::Impl& plan, PlanResource& resource) {
  make_mappings(plan, resource, false, resource.provider_mappings);
  make_mappings(plan, resource, true, resource.stream_mappings);
}

const ProviderMappings& PlanResource::mappings_for(std::string_view provider_name) const noexcept {
  return find_mappings(provider_mappings, provider_name);
}

const ProviderMappings& PlanResource::stream_mappings_for(std::string_view provider_name) const noexcept {
  return find_mappings(stream_mappings, provider_name);
}

}  // namespace wearables
