#include "core/field_set.h"
#include "core/sample.h"

#include <algorithm>

#include "pg/drift.h"
#include "pg/lock.h"
#include "pg/spi.h"

namespace wearables::pg {

namespace {

// What was seen, one row a term; a unit comes with the number of its metric.
#define SEEN                                                                                          \
  "(SELECT DISTINCT n.kind, CASE n.kind WHEN 'unit' THEN m.name ELSE n.path END AS path, n.value "    \
  "FROM unnest($2::text[], $3::text[], $4::smallint[], $5::text[]) AS n (kind, path, metric_id, value) " \
  "LEFT JOIN wearables.metrics m ON m.metric_id = n.metric_id) AS n "

// term_id is null for one that is new
Statement select_terms{
    "SELECT t.term_id FROM " SEEN
    "LEFT JOIN wearables_internal.drift_terms t ON t.kind = n.kind AND t.resource = $1 AND t.path = n.path AND t.value = n.value "
    "ORDER BY t.term_id"};

// A sender that makes up names must not fill the table, nor hold up others for a table that is full.
#define ROOM "(SELECT 10000 - count(*) FROM wearables_internal.drift_terms)"
Statement select_room{"SELECT " ROOM " > 0"};

Statement insert_terms{
    "INSERT INTO wearables_internal.drift_terms (kind, resource, path, value) "
    "SELECT n.kind, $1, n.path, n.value FROM " SEEN
    "WHERE NOT EXISTS (SELECT FROM wearables_internal.drift_terms t "
    "WHERE t.kind = n.kind AND t.resource = $1 AND t.path = n.path AND t.value = n.value) "
    "ORDER BY n.kind, n.path, n.value LIMIT greatest(0, " ROOM ") ON CONFLICT DO NOTHING"};
#undef ROOM
#undef SEEN

struct Terms {
  Datum *kind, *path, *metric, *value;
  int count;
};

Terms make_terms(size_t capacity) {
  auto column = [capacity] { return static_cast<Datum*>(palloc(sizeof(Datum) * (capacity + 1))); };
  return {column(), column(), column(), column(), 0};
}

Datum text_of(std::string_view text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

void append(Terms* terms, std::string_view kind, std::string_view path, std::string_view value, int16 metric_id = 0) {
  terms->kind[terms->count] = text_of(kind);
  terms->path[terms->count] = text_of(path);
  terms->metric[terms->count] = Int16GetDatum(metric_id);
  terms->value[terms->count++] = text_of(value);
}

// Of the refused readings one a unit and metric: the rest would say the same. As few as of the fields.
void append_units(const Batch& batch, Terms* terms) {
  const Rejected* seen[kMaxUnknowns];
  size_t count = 0;
  for (const Rejected& rejected : batch.rejected) {
    if (count == kMaxUnknowns) return;
    if (rejected.reason != Reason::kUnknownUnit || rejected.metric_id == kNoMetric) continue;
    const bool again = std::any_of(seen, seen + count, [&](const Rejected* other) {
      return other->metric_id == rejected.metric_id && other->detail == rejected.detail;
    });
    if (again) continue;
    seen[count++] = &rejected;
    append(terms, "unit", "", rejected.detail, rejected.metric_id);
  }
}

bool any_new(uint64 rows) {
  bool null = rows == 0;
  if (rows > 0) (void)get(rows - 1, 1, &null);
  return null;
}

bool has_room() { return run(select_room, {}) > 0 && get_bool(0, 1); }

void keep_terms(uint64 rows, Outcome* outcome) {
  outcome->drift = static_cast<int32*>(palloc(sizeof(int32) * (rows + 1)));
  outcome->drift_count = 0;
  for (uint64 row = 0; row < rows; ++row) {
    const int32 term_id = get_int4(row, 1);
    if (term_id != 0) outcome->drift[outcome->drift_count++] = term_id;
  }
}

void note(std::string_view resource, const Terms& terms, Outcome* outcome) {
  if (terms.count == 0) return;
  const auto args = {arg_text(resource), arg_array(TEXTOID, terms.kind, nullptr, terms.count),
                     arg_array(TEXTOID, terms.path, nullptr, terms.count),
                     arg_array(INT2OID, terms.metric, nullptr, terms.count),
                     arg_array(TEXTOID, terms.value, nullptr, terms.count)};
  uint64 rows = run(select_terms, args);
  if (any_new(rows)) {
    if (has_room()) {
      lock_catalog();
      run(insert_terms, args);
    }
    rows = run(select_terms, args);
  }
  keep_terms(rows, outcome);
}

}  // namespace

void note_drift(std::string_view resource, const Batch& batch, Outcome* outcome) {
  Terms terms = make_terms(batch.unknowns.size() + std::min(batch.rejected.size(), kMaxUnknowns));
  for (const Unknown& unknown : batch.unknowns) {
    append(&terms, unknown.text.empty() ? "field" : "value", unknown.path, unknown.text);
  }
  append_units(batch, &terms);
  note(resource, terms, outcome);
}

void note_unknown_resource(std::string_view resource, Outcome* outcome) {
  Terms terms = make_terms(1);
  append(&terms, "resource", "", "");
  note(resource, terms, outcome);
}

}  // namespace wearables::pg
