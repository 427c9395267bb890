// The floors of retention (retention_floors), as the writer and the charts see them.
#pragma once

#include "core/write/floor.h"

#include "pg/server/server.h"

namespace wearables::pg {

// Those that are committed now, and what this transaction has moved. Costs nothing as long as nobody moves one. Who
// writes samples asks under the lock of their user: a drop comes after the commit of its floor, under that lock, so no
// reading gets below a floor once its samples are dropped. Valid until the next call; ask for one value at a time where
// SQL runs in between.
const Floors& current_floors();

// The floor of the metric, kNoInstant where there is none.
inline Micros current_floor(int16 metric_id) { return current_floors().of(metric_id); }

}  // namespace wearables::pg
