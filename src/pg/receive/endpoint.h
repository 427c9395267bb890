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

// Where the user ids that an endpoint names are valid: endpoints of one vendor and environment name the same users.
struct UserSpace {
  std::string_view vendor;
  std::string_view environment;  // until the session looks an endpoint up again
};

// False, and `space` undefined, where the endpoint is gone. Within SPI; no secret is read.
bool find_user_space(std::string_view endpoint, UserSpace* space);

}  // namespace wearables::pg
