// What charts read of the rollups, under the snapshot and with the rights of their caller.
#pragma once

#include <string_view>

#include "pg/rollup/rollup_tables.h"

namespace wearables::pg {

struct RollupReader {
  KeyedTable rollups;
  Snapshot snapshot;
  int64 epoch;
};

// Opens the rollups for the calling query. False, and nothing open, where only the samples give the answer: the session
// does not want rollups, the caller may not read all samples, or changes of samples might have gone unnoticed.
bool open_rollups(RollupReader* reader);
void close_rollups(const RollupReader& reader);

// Gives receive(arg, day, entries) each valid rollup of the user's metric within the days, ascending by day. What
// `entries` shows is gone after the call.
void read_rollups(const RollupReader& reader, int64 user_id, int16 metric_id, const DayRange& days,
                  void (*receive)(void* arg, DateADT day, std::string_view entries), void* arg);

}  // namespace wearables::pg
