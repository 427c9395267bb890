// The senders as receive() sees them: settings and resolved secrets. The rows are kept by the session until
// they change, files and variables are read anew for each delivery: a rotation counts at once.
#pragma once

#include "core/vendor/vendor.h"

#include <string_view>

#include "pg/server/spi.h"

namespace wearables::pg {

inline constexpr int kMaxSecrets = 16;  // ordinals 0 to 15

struct Endpoint {
  const char* name;
  const Vendor* vendor;
  int64 tolerance_seconds;
  int success_status;
  int secret_count;
  bool unreadable;  // it has secrets beside these, which cannot be read now
  std::string_view secrets[kMaxSecrets];
};

// The enabled endpoints, or the one of that name (null: all), in the current context. Within SPI.
Endpoint* load_endpoints(const char* name, int* count);

// The vendor of an endpoint, enabled or not; the default one where the endpoint is gone: what it sent stays readable.
// Within SPI; no secret is read.
const Vendor& vendor_of(std::string_view endpoint, SnapshotMode mode);

// The vendor's environment of an endpoint, as the row has it; empty where the endpoint is gone. As long as the session
// hears of no change. Within SPI; no secret is read.
std::string_view environment_of(std::string_view endpoint);

}  // namespace wearables::pg
