#include "core/vendor/vendor.h"

#include "core/base/assert.h"
#include "core/vendor/junction.h"

#include <algorithm>
#include <vector>

namespace wearables {
namespace {

constexpr const Vendor* kVendors[] = {&kJunction};

constexpr std::int64_t kMillisPerSecond = 1000;

// The candidates of one scheme, as it wants them.
struct Group {
  std::vector<Acceptance> acceptances;
  std::vector<std::size_t> places;
};

Group group_of(std::span<const Candidate> candidates, const SignatureScheme* scheme) {
  Group group;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].vendor->signatures != scheme) continue;
    group.acceptances.push_back(candidates[i].acceptance);
    group.places.push_back(i);
  }
  return group;
}

}  // namespace

const Vendor* find_vendor(std::string_view name) noexcept {
  for (const Vendor* vendor : kVendors) {
    if (vendor->name == name) return vendor;
  }
  return nullptr;
}

std::span<const Vendor* const> vendors() noexcept { return kVendors; }

const Vendor& default_vendor() noexcept { return *kVendors[0]; }

bool is_wall_clock_provider(std::string_view provider) noexcept {
  return std::any_of(std::begin(kVendors), std::end(kVendors), [&](const Vendor* vendor) {
    const auto& names = vendor->wall_clock_providers;
    return std::find(names.begin(), names.end(), provider) != names.end();
  });
}

Result<Accepted> verify_delivery(std::span<const Candidate> candidates, std::string_view body,
                                 std::int64_t now_seconds) {
  Error furthest{Code::kNoSecret, "no endpoint is configured"};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const SignatureScheme* scheme = candidates[i].vendor->signatures;
    const Group group = group_of(candidates, scheme);
    if (group.places.front() != i) continue;  // tried before
    const auto accepted = scheme->verify_any(candidates[i].headers, body, group.acceptances, now_seconds);
    WEARABLES_ASSERT(!accepted.ok() || accepted.value().place < group.places.size());
    WEARABLES_ASSERT(!accepted.ok() || !candidates[i].headers.id.empty());
    if (accepted.ok()) return Accepted{group.places[accepted.value().place], accepted.value().sent_at};
    if (i == 0 || accepted.error().code > furthest.code) furthest = accepted.error();
  }
  return furthest;
}

// A message is made before it is sent: an id that decodes to a later time is not of the vendor's making, and a version
// taken from it could never be overtaken.
std::int64_t origin_ms(const Vendor& vendor, std::string_view message_id, std::int64_t sent_at_seconds) noexcept {
  const std::optional<std::int64_t> created = vendor.message_time_ms(message_id);
  const std::int64_t latest = (sent_at_seconds + kDefaultToleranceSeconds) * kMillisPerSecond;
  return created.has_value() && *created <= latest ? *created : sent_at_seconds * kMillisPerSecond;
}

}  // namespace wearables
