// Private to the room: its tables through their access methods, under a snapshot that the caller chooses. SQL would
// take that of the transaction, which under REPEATABLE READ does not show what a job has rolled up since.
#pragma once

#include "core/base/clock.h"

#include <string_view>

#include "pg/server/compat.h"

namespace wearables::pg {

// A table of schema wearables_internal and its primary key.
struct KeyedTable {
  Relation heap;
  Relation key;
};

// False, and nothing open, where the schema has no such table: it is older than this library.
bool open_internal_table(const char* name, LOCKMODE mode, KeyedTable* table);
void close_internal_table(const KeyedTable& table);  // its lock stays until the transaction ends

// Columns of rollups, and of rollup_users, in the order of the table.
enum RollupColumn { kRollupUser = 1, kRollupDay, kRollupEpoch, kRollupMetric, kRollupEntries };
enum RollupUserColumn {
  kStateUser = 1,
  kStateDueAt,
  kStateEpoch,
  kStateDueFrom,
  kStateDueTo,
  kStateRolledFrom,
  kStateRolledTo,
  kStateColumns = kStateRolledTo
};

// Days of UTC, both ends included; empty: from is infinity, to is -infinity.
struct DayRange {
  DateADT from = DATEVAL_NOEND;
  DateADT to = DATEVAL_NOBEGIN;

  bool empty() const { return from > to; }
  void add(const DayRange& other) {
    if (other.from < from) from = other.from;
    if (other.to > to) to = other.to;
  }
  bool has(const DayRange& other) const { return other.empty() || (from <= other.from && other.to <= to); }
  bool overlaps(const DayRange& other) const { return from <= other.to && other.from <= to; }
};

// A scan of one metric's rollups, ascending by day.
struct RollupScan {
  SysScanDesc scan;
  TupleDesc desc;
  ScanKeyData keys[4];
};
void begin_rollup_scan(const KeyedTable& rollups, Snapshot snapshot, int64 user_id, int16 metric_id,
                       const DayRange& days, RollupScan* scan);
HeapTuple next_rollup(const RollupScan& scan);
void end_rollup_scan(const RollupScan& scan);

// The epoch of the rollups that are valid under the snapshot: the number of the newest row of rollup_resets, or 0.
// False where there is no such table.
bool find_rollup_epoch(Snapshot snapshot, int64* epoch);

// Whether all that changes sample_points tells this room, so that rollups can hold: it is one plain table, with the
// trigger reset_rollups enabled for every session, and no subscription writes to it.
bool rollups_can_hold(Relation sample_points);

// When a user is rolled up of whom days from `first` on were written now.
TimestampTz rollup_due_time(int64 user_id, DateADT first);

// The UTC date of an instant.
DateADT utc_day(TimestampTz at);

}  // namespace wearables::pg
