// Private to the room: a chart while it is read (chart.cpp), of readings and of what days come to (chart_days.cpp).
#pragma once

#include "core/rollup/day_rollup.h"

#include "pg/read/bucket.h"
#include "pg/rollup/rollup_read.h"
#include "pg/server/spi.h"

extern "C" {
#include "utils/hsearch.h"
}

namespace wearables::pg {

struct Reading {
  TimestampTz ts;
  TimestampTz at;  // where it is charted
  int64 version;
  double value;
  double secondary;
  int16 source;
  int16 part;
  bool has_secondary;
};

// Zero bytes between its members would be part of the key.
struct LineKey {
  TimestampTz start;
  int64 source;
};

struct Line {
  LineKey key;
  TimestampTz end;
  RollupNumbers values;
  RollupNumbers secondaries;
  Reading last;
};

constexpr int kMostAtHand = 8;  // sources of one bucket

struct ChartQuery {
  DestReceiver receiver;  // first: the executor knows this alone
  // what is asked
  TimestampTz from;
  TimestampTz to;
  Width width;
  const pg_tz* rules;
  bool recorded;
  bool without_days;  // readings of calendar days are left out
  // what has been found
  HTAB* lines;
  Bucket bucket;
  Line* at_hand[kMostAtHand];  // of the bucket
  int count_at_hand;
  // a calendar day and where it is charted: of one day there are several readings
  Timestamp day;
  TimestampTz day_at;
  TimestampTz tiled_until;  // from a day of this metric that was asked on, buckets begin on whole hours up to there
};

// All readings of the entry lie in the bucket of its last one, and within the chart if that does.
void chart_entry(ChartQuery* chart, const RollupEntry& entry);

// The samples of a user's metric from `from` to before `to`.
void chart_samples(ChartQuery* chart, int64 user_id, int16 metric_id, TimestampTz from, TimestampTz to);

// The same of what days come to and of the samples of all other days. `rollups` null: of samples and frozen days alone.
void chart_metric(ChartQuery* chart, const RollupReader* rollups, int64 user_id, int16 metric_id, TimestampTz from,
                  TimestampTz to);

}  // namespace wearables::pg
