#include "core/json/storable_json.h"
#include "core/vendor/envelope.h"
#include "core/vendor/event_type.h"
#include "core/json/json.h"
#include "core/parse/normalize.h"
#include "core/base/text.h"

#include <algorithm>
#include <string>
#include <vector>

#include "pg/parse/batch.h"
#include "pg/server/boundary.h"
#include "pg/ingest/claimant.h"
#include "pg/people/connection.h"
#include "pg/pull/notice.h"
#include "pg/pull/stream.h"
#include "pg/parse/drift.h"
#include "pg/ingest/ingest.h"
#include "pg/ingest/skip.h"
#include "pg/server/lock.h"
#include "pg/parse/mapping.h"
#include "pg/parse/quarantine.h"
#include "pg/server/instant.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"
#include "pg/write/write.h"
#include "pg/people/erasure.h"
#include "pg/people/user.h"

namespace wearables::pg {

namespace {

Outcome skipped(const char* note) {
  Outcome outcome{};
  outcome.status = Status::kSkipped;
  outcome.note = note;
  return outcome;
}

void normalize_event(const Event& event, std::string_view resource, const ClosedNames* closed,
                     const std::vector<Refusal>& refused, Batch* batch) {
  const Plan& plan = plan_at(event.revision, SnapshotMode::kNew);
  call_core(
      [&] { return normalize(plan, resource, event.body, *batch, stop_requested, closed, refused, event.subject); });
}

// Where the documents of an event of the resource are stored, in the current context.
DocumentResources resources_of(const Event& event, std::string_view resource) {
  const std::string_view stream = plan_at(event.revision, SnapshotMode::kNew).streams(resource).within;
  return {resource, {pnstrdup(stream.data(), stream.size()), stream.size()}};
}

void settle_rows(std::vector<Row>& rows, Counts* counts) {
  counts->stale += static_cast<int64>(call_core([&]() -> Result<size_t> { return settle(rows); }));
}

void note_metric(Outcome* outcome, int16 metric_id) {
  for (int i = 0; i < outcome->metric_count; ++i) {
    if (outcome->metrics[i] == metric_id) return;
  }
  const Size size = sizeof(int16) * (outcome->metric_count + 1);
  outcome->metrics = static_cast<int16*>(outcome->metrics == nullptr ? palloc(size) : repalloc(outcome->metrics, size));
  outcome->metrics[outcome->metric_count++] = metric_id;
}

// Where the event's samples lie, or would lie if no newer ones did: a claimant is found by that. A former span is kept
// where rows written then may still stand.
void remember_span(const Event& event, bool keep_former, const Touched& touched, Outcome* outcome) {
  keep_former = keep_former && event.wrote.metrics != nullptr;
  outcome->from = keep_former ? event.wrote.from : PG_INT64_MAX;
  outcome->to = keep_former ? event.wrote.to : PG_INT64_MIN;
  if (keep_former) {
    const auto* former = reinterpret_cast<const int16*>(ARR_DATA_PTR(event.wrote.metrics));
    const int count = ArrayGetNItems(ARR_NDIM(event.wrote.metrics), ARR_DIMS(event.wrote.metrics));
    for (int i = 0; i < count; ++i) note_metric(outcome, former[i]);
  }
  for (const TouchedSeries& series : touched.series()) {
    if (series.offered.empty()) continue;
    note_metric(outcome, series.metric_id);
    outcome->from = std::min(outcome->from, to_server(series.offered.from));
    outcome->to = std::max(outcome->to, to_server(series.offered.to));
  }
}

// Whether other mappings may have written it last: an event that failed names those it failed under.
bool of_other_mappings(const Event& event) {
  return event.status == Status::kFailed || event.wrote.revision != event.revision;
}

// What the writer did joins the outcome: each reading of the event has been counted once.
void sum_up(int64 readings, Outcome* outcome) {
  add_counts(outcome->touched->counts(), &outcome->counts);
  outcome->removed = outcome->touched->removed();
  Assert(readings == sum_of(outcome->counts));
}

// Only other mappings, or another time zone, can have written what these do not yield; and only where more stood after
// the last handling than what stands among these rows.
bool may_have_orphans(const Event& event, bool wall_clock, int64 own) {
  if (event.wrote.metrics == nullptr || !(wall_clock || of_other_mappings(event))) return false;
  return event.wrote.stood != own || event.status == Status::kFailed;
}

void write_timeseries(const Event& event, int64 user_id, std::vector<Row>& rows, Outcome* outcome) {
  settle_rows(rows, &outcome->counts);
  const int64 own = write_samples(user_id, rows.data(), rows.size(), outcome->touched);
  const bool orphans = may_have_orphans(event, outcome->user_zone != nullptr, own);
  if (orphans) outcome->freed.add(retract_samples(event, user_id, rows.data(), rows.size(), outcome->touched));
  remember_span(event, !orphans, *outcome->touched, outcome);
}

// Whether a former handling may have left rows.
bool has_written(const Event& event) { return event.status == Status::kProcessed || event.status == Status::kFailed; }

// What the event wrote when its resource was of another kind: no handling of this kind would find it.
void remove_former(const Event& event, std::string_view resource, ResourceKind kind, int64 user_id, Outcome* outcome) {
  if (kind != ResourceKind::kTimeseries && event.wrote.metrics != nullptr) {
    outcome->freed.add(retract_samples(event, user_id, nullptr, 0, outcome->touched));
  }
  if (kind != ResourceKind::kSummary && has_written(event) &&
      (kind == ResourceKind::kSkipped || of_other_mappings(event))) {
    retract_documents(event, resources_of(event, resource), user_id, outcome->touched);
  }
}

// Retracts all that a former handling of the event wrote; its rows are the user's.
void retract_event(const Event& event, std::string_view resource, int64 user_id, Outcome* outcome) {
  outcome->user_id = user_id;
  outcome->touched = owned_by<Touched>(CurrentMemoryContext);
  (void)quarantine(event.event_id, user_id, true, *owned_by<Batch>(CurrentMemoryContext));
  remove_former(event, resource, ResourceKind::kSkipped, user_id, outcome);
  sum_up(0, outcome);
}

// Null stands where the readings would. What other mappings found elsewhere in the body goes.
Outcome hold_nothing(const Event& event, std::string_view resource, int64 user_id, const Batch& batch) {
  Outcome outcome = skipped(psprintf("no readings: \"%s\" is null", batch.null_at.c_str()));
  outcome.user_id = user_id;
  if (has_written(event)) retract_event(event, resource, user_id, &outcome);
  return outcome;
}

Outcome apply_data(const Event& event, std::string_view resource, ResourceKind kind, int64 user_id,
                   const Handling& handling) {
  Outcome outcome{};
  outcome.status = Status::kProcessed;
  outcome.user_id = user_id;
  Batch* batch = borrow_batch(CurrentMemoryContext);
  auto* refused = owned_by<std::vector<Refusal>>(CurrentMemoryContext);
  normalize_event(event, resource, handling.closed, *refused, batch);
  if (!batch->null_at.empty()) return hold_nothing(event, resource, user_id, *batch);
  const Names names = find_names(*batch, handling.missing);
  if (handling.missing->count > 0) end_for_names();
  auto* rows = owned_by<std::vector<Row>>(CurrentMemoryContext);
  const pg_tz* const* zones = find_zones(*batch);
  outcome.user_zone = make_rows(batch, zones, names, user_id, event.version, rows, refused);
  if (!refused->empty()) {
    // so that they are refused in their places, as if the body alone had told
    normalize_event(event, resource, handling.closed, *refused, batch);
    drop_refused(*refused, rows);
    Assert(rows->size() == batch->samples.size());
  }
  note_unknown_zones(zones, batch);
  outcome.touched = owned_by<Touched>(CurrentMemoryContext);
  note_drift(resource, *batch, &outcome);
  note_freshness(*batch, rows->data(), user_id);
  stop_point("read");
  outcome.counts.quarantined = quarantine(event.event_id, user_id, event.wrote.revision >= 0, *batch);
  release_samples(batch);
  remove_former(event, resource, kind, user_id, &outcome);
  if (kind == ResourceKind::kTimeseries) {
    write_timeseries(event, user_id, *rows, &outcome);
  } else {
    const bool under_other_mappings = has_written(event) && of_other_mappings(event);
    outcome.counts.stale += write_documents(event, resources_of(event, resource), user_id, *batch, names,
                                            under_other_mappings, rows, outcome.touched);
    if (plan_at(event.revision, SnapshotMode::kNew).streams(resource).follow) {
      ask_for_streams(event, resource, user_id);
    }
  }
  sum_up(static_cast<int64>(batch->readings), &outcome);
  return outcome;
}

[[noreturn]] void report_changed_user() {
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("the user of an event was changed concurrently")));
}

// A link that was made past register_user() may give an event another user than the one whose lock its replay took.
// Either user may be nobody, 0 or less.
void ensure_user_locks(int64 user_id, int64 former_id, Locks locks) {
  int64 users[2];
  int count = 0;
  if (user_id > 0) users[count++] = user_id;
  if (former_id > 0 && former_id != user_id) users[count++] = former_id;
  if (locks == Locks::kTake) return lock_users(users, count);
  for (int i = 0; i < count; ++i) {
    if (!holds_user_lock(users[i])) report_changed_user();
  }
}

// Nothing for us in it now: what it wrote when there was goes.
Outcome withdraw(const Event& event, const EventType& type, const Skip& skip, Locks locks) {
  Outcome outcome = skipped(skip.reason);
  const int64 user_id = has_written(event) ? event.wrote.user_id : 0;
  // before any row of the event: a session that handles it at the same time holds this and wants those
  ensure_user_locks(user_id, 0, locks);
  if (!skip.unknown.empty()) note_unknown_resource(skip.unknown, &outcome);
  if (event.status == Status::kParked) unpark(event.event_id);
  if (user_id > 0) retract_event(event, type.resource, user_id, &outcome);
  if (user_id > 0 && type.family == EventFamily::kBackfillDone) withdraw_requests(event.event_id);
  return outcome;
}

// The same handling as last time, with nothing new to write: the mark of last time is still true.
bool leaves_no_trace(const Event& event, const Outcome& outcome) {
  const Counts& counts = outcome.counts;
  const Wrote& wrote = event.wrote;
  // a name for which there was no room then gives other counts under the same revision
  return outcome.former_id == 0 && event.status == outcome.status && wrote.revision == event.revision &&
         wrote.quarantined == counts.quarantined &&
         wrote.user_zone == (outcome.user_zone == nullptr ? "" : outcome.user_zone) &&
         wrote.stood + wrote.stale ==
             counts.inserted + counts.changed + counts.confirmed + counts.unchanged + counts.stale &&
         counts.inserted + counts.changed + counts.confirmed + outcome.removed == 0;
}

Outcome of_erased() {
  Outcome outcome = skipped("the user was erased");
  outcome.erased = true;
  return outcome;
}

// How often this session had been told of changes before it was looked whose the event is.
struct Told {
  uint64 erasures, links;
};

// Retracts what the event wrote for the person whom its ids named when it was handled last. Gives the event as it is
// then: one that has written nothing.
Event leave_former(const Event& event, std::string_view resource, Outcome* left) {
  retract_event(event, resource, event.wrote.user_id, left);
  retract_connection(event, event.wrote.user_id);
  stop_point("former left");
  Event free = event;
  free.wrote.metrics = nullptr;
  free.wrote.user_id = 0;
  return free;
}

// For a user who is known, whose lock is held.
Outcome apply_for_user(const Event& event, const EventType& type, ResourceKind kind, int64 user_id,
                       const Handling& handling) {
  const bool announces_stream =
      type.family == EventFamily::kData && plan_at(event.revision, SnapshotMode::kNew).streams(type.resource).is_stream;
  if ((type.family == EventFamily::kData || type.family == EventFamily::kPage) && !announces_stream) {
    return apply_data(event, type.resource, kind, user_id, handling);
  }
  Outcome outcome{};
  outcome.status = Status::kProcessed;
  outcome.user_id = user_id;
  if (type.family == EventFamily::kConnection) apply_connection(event, type.lifecycle, user_id);
  if (announces_stream) outcome.note = ask_for_announced_stream(event, type.resource, user_id);
  if (type.family == EventFamily::kBackfillDone) outcome.note = ask_for_announced(event, type.resource, user_id);
  return outcome;
}

Outcome apply(const Event& event, const Handling& handling, const Told& told) {
  const Locks locks = handling.locks;
  const EventType type = classify(*event.vendor, event.event_type);
  ResourceKind kind = ResourceKind::kSkipped;
  const Skip skip = why_skip(event, type, &kind);
  if (skip.reason != nullptr) return withdraw(event, type, skip, locks);

  int64 user_id = locks == Locks::kTake ? identify(event) : user_of(event);
  if (user_id == 0 && locks == Locks::kTake) user_id = park(event);
  stop_point("user found");
  const int64 former_id = event.wrote.user_id == user_id ? 0 : event.wrote.user_id;
  ensure_user_locks(user_id, former_id, locks);
  stop_point("user locked");
  if (locks == Locks::kTake) {
    // erased, or linked to somebody else, by a session that has held the lock since the user was found
    if (erasures_told() != told.erasures && is_erased(event)) return of_erased();
    if (links_told() != told.links && user_of(event) != user_id) report_changed_user();
  }
  Outcome left{};
  const Event free = former_id > 0 ? leave_former(event, type.resource, &left) : event;
  Outcome outcome;
  if (user_id > 0) {
    outcome = apply_for_user(free, type, kind, user_id, handling);
  } else if (user_id == 0) {
    outcome = skipped("the user is not registered");
    outcome.status = Status::kParked;
  } else {
    // one whom somebody has marked by hand has no hashes
    outcome = is_erased(event) ? of_erased() : skipped("the user was erased");
  }
  outcome.former_id = former_id;
  outcome.freed_of_former = left.freed;
  outcome.removed += left.removed;
  return outcome;
}

// A replay does this for all of its events at once.
void free_keys(const Event& event, const Outcome& outcome) {
  FreedSpan spans[kMostFreed];
  const int count = freed_spans(outcome, spans);
  reprocess_claimants(spans, count, &event.event_id, 1, nullptr, nullptr);
}

}  // namespace

int freed_spans(const Outcome& outcome, FreedSpan* spans) {
  int count = 0;
  const auto add_span = [&](int64 user_id, const InstantRange& freed) {
    if (!freed.empty()) spans[count++] = {user_id, to_server(freed.from), to_server(freed.to)};
  };
  add_span(outcome.user_id, outcome.freed);
  add_span(outcome.former_id, outcome.freed_of_former);
  return count;
}

Outcome ingest(const Event& event, const Handling& handling) {
  // also one that was skipped before its user was looked for
  const Told told{erasures_told(), links_told()};
  const Outcome outcome = is_erased(event) ? of_erased() : apply(event, handling, told);
  if (outcome.erased) {
    erase_event(event);
    return outcome;
  }
  stop_point("mark");
  const bool marked = leaves_no_trace(event, outcome) || mark_event(event, outcome);
  if (!marked && outcome.status == Status::kParked) unpark_unless_marked(event);
  stop_point("marked");
  if (handling.locks == Locks::kTake) free_keys(event, outcome);
  return outcome;
}

Outcome fail_event(Event* event, const FailedAttempt& failed, Locks locks) {
  Outcome outcome{};
  outcome.status = Status::kFailed;
  const int64 user_id = user_of(*event);
  if ((user_id > 0 || event->wrote.user_id > 0) && locks == Locks::kTake) {
    stop_point("refuse");
    ensure_user_locks(user_id, event->wrote.user_id, locks);
    (void)load_event_head(event->event_id, event->received_at, event);
    // a replay did meanwhile, under newer mappings that can or need not read it, what was tried here
    if (event->status != Status::kFailed && event->wrote.revision > failed.revision) {
      outcome.status = event->status;
      return outcome;
    }
  }
  const int64 holder = event->wrote.user_id > 0 ? event->wrote.user_id : user_id;
  if (holder > 0) {
    ensure_user_locks(holder, 0, Locks::kHeld);
    retract_event(*event, classify(*event->vendor, event->event_type).resource, holder, &outcome);
  }
  mark_failed(event->event_id, event->received_at, failed, holder > 0);
  if (locks == Locks::kTake) free_keys(*event, outcome);
  return outcome;
}

}  // namespace wearables::pg
