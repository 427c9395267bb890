// Rejected readings, one row each. The rows of an event are written by whoever handles it, under its user's lock, so
// that no other session has them; of a former handling those that are still right stay as they are, and a replay that
// changes nothing leaves no trace. Memory is that of the caller's context.
#include "core/write/sample.h"

#include "pg/parse/quarantine.h"
#include "pg/parse/names.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

Statement select_former{R"(
  SELECT q.ordinal, q.pointer, q.reason, q.metric, q.detail, q.user_id, q.ts, q.day IS NOT NULL
  FROM wearables.quarantine q WHERE q.event_id = $1 ORDER BY q.ordinal)"};
enum {
  kFormerOrdinal = 1,
  kFormerPointer,
  kFormerReason,
  kFormerMetric,
  kFormerDetail,
  kFormerUser,
  kFormerTs,
  kFormerIsDay
};

Statement delete_former{"DELETE FROM wearables.quarantine q WHERE q.event_id = $1 AND q.ordinal = ANY ($2::integer[])"};

Statement insert_rejected{R"(
  INSERT INTO wearables.quarantine (event_id, ordinal, pointer, reason, metric, detail, user_id, ts, day)
  SELECT $1, r.ordinal, r.pointer, r.reason, r.metric, r.detail, $7, r.ts,
         CASE WHEN r.is_day THEN (r.ts AT TIME ZONE 'UTC')::date END
  FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $8::timestamptz[], $9::boolean[])
    AS r (ordinal, pointer, reason, metric, detail, ts, is_day)
  ON CONFLICT (event_id, ordinal) DO NOTHING)"};

// Null where the reading's instant is not known.
bool has_instant(const Rejected& rejected) { return rejected.at != kNoInstant; }

bool is_same_time(uint64 row, const Rejected& rejected) {
  const TimestampTz at = has_instant(rejected) ? to_server(rejected.at) : DT_NOBEGIN;
  return get_instant(row, kFormerTs, DT_NOBEGIN) == at && get_bool(row, kFormerIsDay) == rejected.is_day;
}

Datum text_datum(std::string_view text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

// What stands is right if its ordinal, and all that is told, are those of a refusal of this handling. Both are in the
// order of the ordinals.
void remove_former(int64 event_id, int64 user_id, const Batch& batch, const char* const* metrics) {
  const uint64 rows = run(select_former, {arg_int8(event_id)});
  auto* wrong = static_cast<Datum*>(palloc(sizeof(Datum) * (rows + 1)));
  int count = 0;
  size_t next = 0;
  for (uint64 row = 0; row < rows; ++row) {
    const auto ordinal = static_cast<std::uint32_t>(get_int4(row, kFormerOrdinal));
    while (next < batch.rejected.size() && batch.rejected[next].ordinal < ordinal) ++next;
    const bool again = next < batch.rejected.size() && batch.rejected[next].ordinal == ordinal;
    const Rejected* same = again ? &batch.rejected[next] : nullptr;
    const bool right = same != nullptr && get_text(row, kFormerPointer) == same->pointer &&
                       get_text(row, kFormerReason) == reason_name(same->reason) &&
                       get_text(row, kFormerMetric) == metrics[next] && get_text(row, kFormerDetail) == same->detail &&
                       get_int8(row, kFormerUser, 0) == user_id && is_same_time(row, *same);
    if (!right) wrong[count++] = Int32GetDatum(static_cast<int32>(ordinal));
  }
  if (count > 0) run(delete_former, {arg_int8(event_id), arg_array(INT4OID, wrong, nullptr, count)});
}

// The name of each refusal's metric, empty for none; one look-up each while the metric stays the same.
const char* const* metrics_of(const Batch& batch) {
  auto** names = static_cast<const char**>(palloc(sizeof(char*) * (batch.rejected.size() + 1)));
  int16 last = kNoMetric;
  const char* name = "";
  for (size_t i = 0; i < batch.rejected.size(); ++i) {
    const int16 metric = batch.rejected[i].metric_id;
    if (metric != last) {
      name = metric == kNoMetric ? nullptr : metric_label(metric, SnapshotMode::kNew).name;
      if (name == nullptr) name = "";
      last = metric;
    }
    names[i] = name;
  }
  return names;
}

}  // namespace

int64 quarantine(int64 event_id, int64 user_id, bool again, const Batch& batch) {
  const auto count = static_cast<int>(batch.rejected.size());
  if (count == 0 && !again) return 0;
  const char* const* metrics = metrics_of(batch);
  if (again) remove_former(event_id, user_id, batch, metrics);
  if (count == 0) return 0;
  auto column = [count] { return static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1))); };
  Datum *ordinal = column(), *pointer = column(), *reason = column(), *metric = column(), *detail = column(),
        *ts = column(), *is_day = column();
  auto* no_metric = static_cast<bool*>(palloc(sizeof(bool) * (count + 1)));
  auto* no_detail = static_cast<bool*>(palloc(sizeof(bool) * (count + 1)));
  auto* no_ts = static_cast<bool*>(palloc(sizeof(bool) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    const Rejected& rejected = batch.rejected[i];
    ordinal[i] = Int32GetDatum(static_cast<int32>(rejected.ordinal));
    pointer[i] = text_datum(rejected.pointer);
    reason[i] = text_datum(reason_name(rejected.reason));
    no_metric[i] = *metrics[i] == '\0';
    metric[i] = text_datum(metrics[i]);
    no_detail[i] = rejected.detail.empty();
    detail[i] = text_datum(rejected.detail);
    no_ts[i] = !has_instant(rejected);
    ts[i] = TimestampTzGetDatum(no_ts[i] ? 0 : to_server(rejected.at));
    is_day[i] = BoolGetDatum(rejected.is_day);
  }
  run(insert_rejected,
      {arg_int8(event_id), arg_array(INT4OID, ordinal, nullptr, count), arg_array(TEXTOID, pointer, nullptr, count),
       arg_array(TEXTOID, reason, nullptr, count), arg_array(TEXTOID, metric, no_metric, count),
       arg_array(TEXTOID, detail, no_detail, count), arg_int8(user_id), arg_array(TIMESTAMPTZOID, ts, no_ts, count),
       arg_array(BOOLOID, is_day, nullptr, count)});
  return batch.refused;
}

}  // namespace wearables::pg
