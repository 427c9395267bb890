#include "pg/heir.h"

#include "pg/spi.h"

namespace wearables::pg {

namespace {

// Those handled under older mappings are behind, and a replay finds them by that.
Statement select_heirs{R"(
  SELECT e.event_id, e.received_at FROM wearables.webhook_events e
  WHERE e.user_id = ANY ($1::bigint[]) AND e.status = 'processed' AND e.wrote_from <= $3 AND e.wrote_to >= $2
    AND e.revision = (SELECT max(r.revision) FROM wearables.revisions r) AND e.event_id <> ALL ($4::bigint[])
  ORDER BY e.version DESC, e.event_id DESC)"};

}  // namespace

Heir* find_heirs(Datum* users, int user_count, TimestampTz from, TimestampTz to, Datum* apart, int apart_count,
                 int* count) {
  MemoryContext caller = CurrentMemoryContext;
  const uint64 rows =
      run(select_heirs, {arg_array(INT8OID, users, nullptr, user_count), arg_instant(from), arg_instant(to),
                         arg_array(INT8OID, apart, nullptr, apart_count)});
  auto* heirs = static_cast<Heir*>(MemoryContextAllocHuge(caller, sizeof(Heir) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) {
    bool null;
    heirs[row] = {get_int8(row, 1), DatumGetTimestampTz(get(row, 2, &null))};
  }
  *count = static_cast<int>(rows);
  return heirs;
}

}  // namespace wearables::pg
