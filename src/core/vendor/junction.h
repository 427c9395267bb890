// Junction (formerly Vital), which delivers through Svix. Sources: its event catalogue (194 types) and its guide to
// timestamps and time zones.
#pragma once

#include "core/vendor/vendor.h"

namespace wearables {

extern const Vendor kJunction;

}  // namespace wearables
