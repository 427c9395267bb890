#include "core/write/version.h"

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/write/sample.h"

#include <algorithm>
#include <string>

namespace wearables {
namespace {

constexpr std::int64_t kLargestOriginMs = (std::int64_t{1} << (63 - kVersionLowBits)) - 1;
constexpr std::int64_t kUpdatedBit = std::int64_t{1} << (kVersionLowBits - 1);

std::int64_t join(std::int64_t origin_ms, std::int64_t low) noexcept {
  const std::int64_t origin = std::clamp<std::int64_t>(origin_ms, 0, kLargestOriginMs);
  const std::int64_t version = origin << kVersionLowBits | low;
  WEARABLES_ASSERT(version >= 0 && version_origin_ms(version) == origin);
  return version;
}

// `count` bits of a digest from byte `first` on, the highest first.
std::int64_t bits(const Digest& digest, std::size_t first, int count) noexcept {
  std::int64_t value = digest[first] << 16 | digest[first + 1] << 8 | digest[first + 2];
  return value >> (24 - count);
}

// Bytes of the digest of an identity.
constexpr std::size_t kPartAt = 0;     // two
constexpr std::size_t kVersionAt = 2;  // two and a half

}  // namespace

std::int64_t version_of(std::int64_t origin_ms, EventAge age, std::string_view endpoint, std::string_view message_id) {
  std::string name(endpoint);
  name.append(1, '\0').append(message_id);
  const std::int64_t updated = age == EventAge::kUpdated ? kUpdatedBit : 0;
  return join(origin_ms, updated | bits(sha256(name), 0, kVersionLowBits - 1));
}

std::int64_t version_of_document(std::int64_t origin_ms, std::string_view identity) {
  return join(origin_ms, bits(sha256(identity), kVersionAt, kVersionLowBits));
}

std::int64_t version_origin_ms(std::int64_t version) noexcept { return version >> kVersionLowBits; }

std::int16_t part_of(std::string_view identity) {
  const auto part = static_cast<std::int16_t>(bits(sha256(identity), kPartAt, 16));
  return part == kWholePart ? std::int16_t{1} : part;
}

Micros latest_instant_of(std::int64_t version) noexcept {
  constexpr Micros kMostAfterOrigin = kMicrosPerDay;
  return version_origin_ms(version) * kMicrosPerMillisecond + kMostAfterOrigin;
}

}  // namespace wearables
