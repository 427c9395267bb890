#include "pg/write/sample_arrays.h"

#include <cmath>

#include "pg/server/instant.h"

namespace wearables::pg {

namespace {

Datum* datums(int capacity) { return static_cast<Datum*>(palloc(sizeof(Datum) * capacity)); }
bool* flags(int capacity) { return static_cast<bool*>(palloc(sizeof(bool) * capacity)); }

}  // namespace

Columns make_columns(int capacity) {
  return {datums(capacity), datums(capacity), datums(capacity), datums(capacity),
          datums(capacity), datums(capacity), datums(capacity), datums(capacity),
          flags(capacity),  flags(capacity),  flags(capacity),  0};
}

void append(Columns* columns, const Row& row) {
  const int i = columns->count++;
  columns->metric[i] = Int16GetDatum(row.metric_id);
  columns->ts[i] = TimestampTzGetDatum(to_server(row.ts));
  columns->source[i] = Int16GetDatum(row.source_id);
  columns->value[i] = Float8GetDatum(row.value);
  columns->secondary[i] = Float8GetDatum(row.secondary);
  columns->no_secondary[i] = std::isnan(row.secondary);
  columns->no_end[i] = row.ts_end == kNoInstant;
  columns->end[i] = TimestampTzGetDatum(columns->no_end[i] ? 0 : to_server(row.ts_end));
  columns->no_offset[i] = row.tz_offset == kNoOffset;
  columns->offset[i] = Int16GetDatum(row.tz_offset);
  columns->version[i] = Int64GetDatum(row.version);
}

Columns columns_of(const Row* rows, int count) {
  Columns columns = make_columns(count + 1);
  for (int i = 0; i < count; ++i) append(&columns, rows[i]);
  return columns;
}

Arg metrics_of(const Columns& c) { return arg_array(INT2OID, c.metric, nullptr, c.count); }
Arg instants_of(const Columns& c) { return arg_array(TIMESTAMPTZOID, c.ts, nullptr, c.count); }
Arg sources_of(const Columns& c) { return arg_array(INT2OID, c.source, nullptr, c.count); }
Arg values_of(const Columns& c) { return arg_array(FLOAT8OID, c.value, nullptr, c.count); }
Arg secondaries_of(const Columns& c) { return arg_array(FLOAT8OID, c.secondary, c.no_secondary, c.count); }
Arg ends_of(const Columns& c) { return arg_array(TIMESTAMPTZOID, c.end, c.no_end, c.count); }
Arg offsets_of(const Columns& c) { return arg_array(INT2OID, c.offset, c.no_offset, c.count); }
Arg versions_of(const Columns& c) { return arg_array(INT8OID, c.version, nullptr, c.count); }

}  // namespace wearables::pg
