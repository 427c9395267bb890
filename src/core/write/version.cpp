#include "core/write/version.h"

#include "core/base/assert.h"
#include "core/base/bytes.h"

#include <algorithm>
#include <string>

namespace wearables {
namespace {

constexpr std::int64_t kLargestOriginMs = (std::int64_t{1} << (63 - kVersionHashBits)) - 1;
constexpr std::int64_t kHashMask = (std::int64_t{1} << kVersionHashBits) - 1;

}  // namespace

std::int64_t version_of(std::int64_t origin_ms, std::string_view endpoint, std::string_view message_id) {
  std::string name(endpoint);
  name.append(1, '\0').append(message_id);
  const Digest digest = sha256(name);
  static_assert(kVersionHashBits == 20);
  return version_at(origin_ms, digest[0] << 12 | digest[1] << 4 | digest[2] >> 4);
}

std::int64_t version_at(std::int64_t origin_ms, std::int64_t version) noexcept {
  const std::int64_t origin = std::clamp<std::int64_t>(origin_ms, 0, kLargestOriginMs);
  const std::int64_t result = origin << kVersionHashBits | (version & kHashMask);
  WEARABLES_ASSERT(result >= 0 && version_origin_ms(result) == origin);
  return result;
}

std::int64_t version_origin_ms(std::int64_t version) noexcept { return version >> kVersionHashBits; }

}  // namespace wearables
