#include "core/envelope.h"
#include "core/event_type.h"
#include "core/json.h"
#include "core/normalize.h"
#include "core/version.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "pg/batch.h"
#include "pg/boundary.h"
#include "pg/connection.h"
#include "pg/drift.h"
#include "pg/heir.h"
#include "pg/ingest.h"
#include "pg/lock.h"
#include "pg/mapping.h"
#include "pg/quarantine.h"
#include "pg/sample.h"
#include "pg/spi.h"
#include "pg/summary.h"
#include "pg/user.h"

namespace wearables::pg {

namespace {

constexpr size_t kLargeBody = size_t{16} << 20;

int printable(std::string_view text) { return static_cast<int>(std::min<size_t>(text.size(), 200)); }

Outcome skipped(const char* note) {
  Outcome outcome{};
  outcome.status = Status::kSkipped;
  outcome.note = note;
  return outcome;
}

Batch* normalize_event(const Event& event, std::string_view resource) {
  const Plan& plan = plan_at(event.revision, Look::kFresh);
  Batch* batch = borrow_batch(CurrentMemoryContext);
  call_core([&] { return normalize(plan, resource, event.body, *batch, stop_requested); });
  if (event.body.size() > kLargeBody) call_core([]() -> Result<Done> { return forget_large_body(), Done{}; });
  return batch;
}

void settle_rows(std::vector<Row>& rows, Counts* counts) {
  counts->stale += static_cast<int64>(
      call_core([&]() -> Result<size_t> { return settle(rows); }));
}

void note_metric(Outcome* outcome, int16 metric_id) {
  for (int i = 0; i < outcome->metric_count; ++i) {
    if (outcome->metrics[i] == metric_id) return;
  }
  const Size size = sizeof(int16) * (outcome->metric_count + 1);
  outcome->metrics =
      static_cast<int16*>(outcome->metrics == nullptr ? palloc(size) : repalloc(outcome->metrics, size));
  outcome->metrics[outcome->metric_count++] = metric_id;
}

// Where the event's samples lie. A former span is kept: rows written then may still stand.
void remember_span(const Event& event, const std::vector<Row>& rows, Outcome* outcome) {
  outcome->from = event.wrote.metrics == nullptr ? PG_INT64_MAX : event.wrote.from;
  outcome->to = event.wrote.metrics == nullptr ? PG_INT64_MIN : event.wrote.to;
  if (event.wrote.metrics != nullptr) {
    const auto* former = reinterpret_cast<const int16*>(ARR_DATA_PTR(event.wrote.metrics));
    const int count = ArrayGetNItems(ARR_NDIM(event.wrote.metrics), ARR_DIMS(event.wrote.metrics));
    for (int i = 0; i < count; ++i) note_metric(outcome, former[i]);
  }
  int16 last = 0;
  for (const Row& row : rows) {
    if (row.metric_id != last) note_metric(outcome, last = row.metric_id);
    outcome->from = std::min(outcome->from, to_server(row.ts));
    outcome->to = std::max(outcome->to, to_server(row.ts));
  }
}

// Whether other mappings may have written it last: an event that failed names those it failed under.
bool of_other_mappings(const Event& event) {
  return event.status == Status::kFailed || event.wrote.revision != event.revision;
}

void write_timeseries(const Event& event, int64 user_id, bool wall_clock, std::vector<Row>& rows,
                      Outcome* outcome) {
  settle_rows(rows, &outcome->counts);
  // only other mappings, or another time zone, can have written what these do not yield
  if (event.wrote.metrics != nullptr && (wall_clock || of_other_mappings(event))) {
    outcome->removed = remove_orphans(user_id, event.version, event.wrote.metrics, event.wrote.from,
                                      event.wrote.to, rows.data(), rows.size());
  }
  write_samples(user_id, rows.data(), rows.size(), &outcome->counts);
  remember_span(event, rows, outcome);
}

struct Documents {
  std::vector<std::uint32_t> order;          // documents by version, then id: later ones win a shared key
  std::vector<std::vector<Row>> rows;        // by document, settled
  std::vector<std::string> texts;
};

std::int64_t version_of_document(const Document& document, std::int64_t event_version) {
  if (document.updated_at == kNoInstant) return event_version;
  return version_at(document.updated_at / 1000, event_version);
}

// Of two documents of one id the later in `order` stands; the rows of the other are stale.
void drop_superseded(const Batch& batch, Documents& out, size_t* stale) {
  std::unordered_set<std::string_view> standing;
  std::vector<std::uint32_t> kept;
  for (auto which = out.order.rbegin(); which != out.order.rend(); ++which) {
    if (standing.insert(batch.documents[*which].id).second) {
      kept.push_back(*which);
    } else {
      *stale += out.rows[*which].size();
    }
  }
  out.order.assign(kept.rbegin(), kept.rend());
}

// Rows by document, each at its document's version, and the texts that jsonb takes.
Result<Done> sort_out(const Batch& batch, std::string_view body, std::int64_t event_version,
                      const std::vector<Row>& rows, Documents& out, size_t* stale) {
  const size_t count = batch.documents.size();
  out.rows.resize(count);
  for (const Row& row : rows) {
    out.rows[row.document].push_back(row);
    out.rows[row.document].back().version =
        version_of_document(batch.documents[row.document], event_version);
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    out.order.push_back(i);
    out.texts.push_back(storable_json(body.substr(batch.documents[i].offset, batch.documents[i].length)));
  }
  std::stable_sort(out.order.begin(), out.order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const std::int64_t left = version_of_document(batch.documents[a], event_version);
    const std::int64_t right = version_of_document(batch.documents[b], event_version);
    return left != right ? left < right : batch.documents[a].id < batch.documents[b].id;
  });
  drop_superseded(batch, out, stale);
  return Done{};
}

// Of the rows of the live documents one per key remains: the later in `order` wins what two claim.
Result<Done> gather_live(Documents& documents, const bool* live, std::vector<Row>& rows, size_t* stale) {
  rows.clear();
  std::uint32_t rank = 0;
  for (size_t i = 0; i < documents.order.size(); ++i) {
    std::vector<Row>& of_document = documents.rows[documents.order[i]];
    if (!live[i]) *stale += of_document.size();
    if (!live[i]) continue;
    for (Row& row : of_document) {
      row.ordinal = rank++;
      rows.push_back(row);
    }
  }
  return Done{};
}

void write_documents(const Event& event, std::string_view resource, int64 user_id, const Batch& batch,
                     std::vector<Row>& rows, Outcome* outcome) {
  auto* documents = owned_by<Documents>(CurrentMemoryContext);
  size_t stale = 0;
  call_core([&] { return sort_out(batch, event.body, event.version, rows, *documents, &stale); });
  const auto count = static_cast<int>(documents->order.size());
  auto* stored = static_cast<DocumentRow*>(palloc0(sizeof(DocumentRow) * (count + 1)));
  auto* live = static_cast<bool*>(palloc0(sizeof(bool) * (count + 1)));
  const int16* source_ids = source_ids_of(batch);
  for (int i = 0; i < count; ++i) {
    const std::uint32_t which = documents->order[i];
    const Document& document = batch.documents[which];
    settle_rows(documents->rows[which], &outcome->counts);
    stored[i] = {document.id, documents->texts[which], version_of_document(document, event.version),
                 source_ids[document.source], documents->rows[which].data(),
                 static_cast<int>(documents->rows[which].size())};
  }
  outcome->removed = store_documents(user_id, resource, stored, count, live);
  call_core([&] { return gather_live(*documents, live, rows, &stale); });
  outcome->counts.stale += static_cast<int64>(stale);
  settle_rows(rows, &outcome->counts);
  write_samples(user_id, rows.data(), rows.size(), &outcome->counts);
}

// Whether a former handling may have left rows.
bool has_written(const Event& event) {
  return event.status == Status::kProcessed || event.status == Status::kFailed;
}

// What the event wrote when its resource was of another kind: no handling of this kind would find it.
int64 remove_former(const Event& event, std::string_view resource, ResourceKind kind, int64 user_id) {
  int64 removed = 0;
  if (kind != ResourceKind::kTimeseries && event.wrote.metrics != nullptr) {
    removed += remove_orphans(user_id, event.version, event.wrote.metrics, event.wrote.from, event.wrote.to,
                              nullptr, 0);
  }
  if (kind != ResourceKind::kSummary && has_written(event) &&
      (kind == ResourceKind::kSkipped || of_other_mappings(event))) {
    removed += withdraw_documents(user_id, resource, event.version);
  }
  return removed;
}

Outcome apply_data(const Event& event, std::string_view resource, ResourceKind kind, int64 user_id) {
  Outcome outcome{};
  outcome.status = Status::kProcessed;
  outcome.user_id = user_id;
  const Batch* batch = normalize_event(event, resource);
  auto* rows = owned_by<std::vector<Row>>(CurrentMemoryContext);
  const bool wall_clock = rows_of(*batch, user_id, event.version, rows);
  note_drift(resource, *batch, &outcome);
  note_freshness(*batch, rows->data(), user_id);
  outcome.counts.quarantined = quarantine(event.event_id, event.wrote.revision >= 0, *batch);
  const int64 former = remove_former(event, resource, kind, user_id);
  if (kind == ResourceKind::kTimeseries) {
    write_timeseries(event, user_id, wall_clock, *rows, &outcome);
  } else {
    write_documents(event, resource, user_id, *batch, *rows, &outcome);
  }
  outcome.removed += former;
  return outcome;
}

struct Skip {
  const char* reason;        // null: there may be something for us in the event
  std::string_view unknown;  // the resource, when no row knows it
};

// Event types without readings have rows, too: by all of their name but the last word.
Skip why_skip_other(std::string_view event_type, const Plan& plan) {
  const std::string_view subject = event_type.substr(0, event_type.rfind('.'));
  bool known;
  plan.kind(subject, &known);
  if (known) return {psprintf("resource \"%.*s\" is of kind skipped", printable(subject), subject.data()), {}};
  return {psprintf("event type \"%.*s\" carries nothing for us", printable(event_type), event_type.data()), subject};
}

Skip why_skip(const Event& event, const EventType& type, ResourceKind* kind) {
  if (event.body.empty()) return {"the body is empty", {}};
  if (event.event_type.empty()) return {"the body names no event type", {}};
  if (type.family == EventFamily::kConnection) return {};
  const Plan& plan = plan_at(event.revision, Look::kFresh);
  if (type.family == EventFamily::kOther) return why_skip_other(event.event_type, plan);
  bool known;
  *kind = plan.kind(type.resource, &known);
  if (type.family == EventFamily::kBackfillDone || *kind != ResourceKind::kSkipped) return {};
  const char* why = known ? "resource \"%.*s\" is of kind skipped" : "resource \"%.*s\" has no row in wearables.resources";
  return {psprintf(why, printable(type.resource), type.resource.data()), known ? std::string_view() : type.resource};
}

void take_back(const Event& event, std::string_view resource, int64 user_id, Outcome* outcome) {
  outcome->user_id = user_id;
  (void)quarantine(event.event_id, true, *owned_by<Batch>(CurrentMemoryContext));
  outcome->removed = remove_former(event, resource, ResourceKind::kSkipped, user_id);
}

// Nothing for us in it now: what it wrote when there was goes.
Outcome withdraw(const Event& event, std::string_view resource, const Skip& skip, Locks locks) {
  Outcome outcome = skipped(skip.reason);
  const int64 user_id = has_written(event) ? user_of(event) : 0;
  // before any row of the event: a session that handles it at the same time holds this and wants those
  if (user_id > 0 && locks == Locks::kTake) lock_user(user_id);
  if (!skip.unknown.empty()) note_unknown_resource(skip.unknown, &outcome);
  if (event.status == Status::kParked) unpark(event.event_id);
  if (user_id > 0) take_back(event, resource, user_id, &outcome);
  return outcome;
}

// A body that is not JSON has no event type, and no later mapping will find one.
void refuse_garbage(const Event& event) {
  if (event.body.empty() || !event.event_type.empty()) return;
  call_core([&]() -> Result<Done> {
    if (read_envelope(event.body).is_json) return Done{};
    return {Code::kInvalidJson, "the body is not JSON"};
  });
}

// The same handling as last time, with nothing new to write: the mark of last time is still true.
bool leaves_no_trace(const Event& event, const Outcome& outcome) {
  const Counts& counts = outcome.counts;
  return event.status == outcome.status && event.wrote.revision == event.revision &&
         counts.inserted + counts.changed + counts.confirmed + outcome.removed == 0;
}

Outcome apply(const Event& event, Locks locks) {
  refuse_garbage(event);
  const EventType type = classify(event.event_type);
  ResourceKind kind = ResourceKind::kSkipped;
  const Skip skip = why_skip(event, type, &kind);
  if (skip.reason != nullptr) return withdraw(event, type.resource, skip, locks);

  int64 user_id = user_of(event);
  if (user_id == 0 && locks == Locks::kTake) user_id = park(event);
  if (user_id == -1) return skipped("the user was erased");
  if (user_id == 0) {
    Outcome outcome = skipped("the user is not known");
    outcome.status = Status::kParked;
    return outcome;
  }
  if (locks == Locks::kTake) lock_user(user_id);
  if (type.family == EventFamily::kData || type.family == EventFamily::kPage) {
    return apply_data(event, type.resource, kind, user_id);
  }
  Outcome outcome{};
  outcome.user_id = user_id;
  if (type.family == EventFamily::kConnection) outcome.note = apply_connection(event, type.action, user_id);
  if (type.family == EventFamily::kBackfillDone) apply_backfill_notice(event, type.resource, user_id);
  outcome.status = outcome.note == nullptr ? Status::kProcessed : Status::kSkipped;
  return outcome;
}

bool frees_keys(const Event& event, const Outcome& outcome) {
  return outcome.removed > 0 && event.wrote.metrics != nullptr;
}

// A replay does this for all of its events at once.
void hand_down(const Event& event, const Outcome& outcome) {
  Datum user = Int64GetDatum(outcome.user_id), self = Int64GetDatum(event.event_id);
  int count;
  const Heir* heirs = find_heirs(&user, 1, event.wrote.from, event.wrote.to, &self, 1, &count);
  for (int i = 0; i < count; ++i) {
    Event heir;
    if (!load_event(heirs[i].event_id, heirs[i].received_at, &heir)) continue;
    const Outcome taken = ingest(heir, Locks::kHeld);
    if (frees_keys(heir, taken)) hand_down(heir, taken);
  }
}

}  // namespace

Outcome ingest(const Event& event, Locks locks) {
  const Outcome outcome = apply(event, locks);
  if (!leaves_no_trace(event, outcome)) mark_event(event, outcome);
  if (locks == Locks::kTake && frees_keys(event, outcome)) hand_down(event, outcome);
  return outcome;
}

Outcome refuse(Event* event, const Failed& failed, Locks locks) {
  Outcome outcome{};
  outcome.status = Status::kFailed;
  const int64 user_id = user_of(*event);
  if (user_id > 0 && locks == Locks::kTake) {
    lock_user(user_id);
    (void)load_event_head(event->event_id, event->received_at, event);
    // a replay did meanwhile, under newer mappings that can or need not read it, what was tried here
    if (event->status != Status::kFailed && event->wrote.revision > failed.revision) {
      outcome.status = event->status;
      return outcome;
    }
  }
  if (user_id > 0) take_back(*event, classify(event->event_type).resource, user_id, &outcome);
  mark_failed(event->event_id, event->received_at, failed, user_id > 0);
  if (locks == Locks::kTake && frees_keys(*event, outcome)) hand_down(*event, outcome);
  return outcome;
}

}  // namespace wearables::pg
