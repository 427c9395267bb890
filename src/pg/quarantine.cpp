#include "core/sample.h"

#include "pg/quarantine.h"
#include "pg/spi.h"

namespace wearables::pg {

namespace {

// what an earlier handling refused and this one does not, or for another reason
Statement delete_former{R"(
  DELETE FROM wearables.quarantine q
  WHERE q.event_id = $1 AND NOT EXISTS (
    SELECT FROM unnest($2::integer[], $3::text[], $4::text[], $5::smallint[]) AS r (ordinal, pointer, reason, metric_id)
    LEFT JOIN wearables.metrics m ON m.metric_id = r.metric_id
    WHERE r.ordinal = q.ordinal AND r.pointer = q.pointer AND r.reason = q.reason AND m.name IS NOT DISTINCT FROM q.metric))"};

Statement insert_rejected{R"(
  INSERT INTO wearables.quarantine (event_id, ordinal, pointer, reason, metric, detail)
  SELECT $1, r.ordinal, r.pointer, r.reason, m.name, r.detail
  FROM unnest($2::integer[], $3::text[], $4::text[], $5::smallint[], $6::text[])
    AS r (ordinal, pointer, reason, metric_id, detail)
  LEFT JOIN wearables.metrics m ON m.metric_id = r.metric_id
  ON CONFLICT (event_id, ordinal) DO NOTHING)"};

Datum text_datum(std::string_view text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

}  // namespace

int64 quarantine(int64 event_id, bool again, const Batch& batch) {
  const auto count = static_cast<int>(batch.rejected.size());
  if (count == 0 && !again) return 0;
  auto column = [count] { return static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1))); };
  Datum *ordinal = column(), *pointer = column(), *reason = column(), *metric = column(), *detail = column();
  auto* no_metric = static_cast<bool*>(palloc(sizeof(bool) * (count + 1)));
  auto* no_detail = static_cast<bool*>(palloc(sizeof(bool) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    const Rejected& rejected = batch.rejected[i];
    ordinal[i] = Int32GetDatum(static_cast<int32>(rejected.ordinal));
    pointer[i] = text_datum(rejected.pointer);
    reason[i] = text_datum(reason_name(rejected.reason));
    no_metric[i] = rejected.metric_id == kNoMetric;
    metric[i] = Int16GetDatum(rejected.metric_id);
    no_detail[i] = rejected.detail.empty();
    detail[i] = text_datum(rejected.detail);
  }
  const Arg ordinals = arg_array(INT4OID, ordinal, nullptr, count);
  const Arg pointers = arg_array(TEXTOID, pointer, nullptr, count);
  const Arg reasons = arg_array(TEXTOID, reason, nullptr, count);
  const Arg metrics = arg_array(INT2OID, metric, no_metric, count);
  if (again) run(delete_former, {arg_int8(event_id), ordinals, pointers, reasons, metrics});
  if (count == 0) return 0;
  run(insert_rejected,
      {arg_int8(event_id), ordinals, pointers, reasons, metrics,
       arg_array(TEXTOID, detail, no_detail, count)});
  return batch.refused;
}

}  // namespace wearables::pg
