// Ids of sources and metrics: found, or made at first sight. Kept per backend; forgotten when a transaction
// or subtransaction aborts, since it may have made them.
#pragma once

#include <string_view>

#include "pg/server.h"

namespace wearables::pg {

struct Source {
  int16 source_id;
  bool floating_time;
};

// Within SPI and, because it may make the row, after the user's lock (lock.h).
Source source_of(std::string_view provider, std::string_view type, std::string_view channel);

// The metric that a sample's type named (cholesterol/hdl); made after the pattern of `parent_id`.
int16 extended_metric(std::string_view name, int16 parent_id);

// The same, read-only: 0 when there is none yet.
int16 find_metric(std::string_view name);

void forget_sources() noexcept;

}  // namespace wearables::pg
