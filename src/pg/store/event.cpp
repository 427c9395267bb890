// Reads and marks rows of webhook_events. Whoever looks for an event holds the lock on events before the statement's
// snapshot is taken, for make_event_partitions() moves rows from one partition to another. A row is marked under its
// user's lock, where it has a user; that it was read before that lock was there is caught by its revision.
#include "pg/store/event.h"

#include "pg/parse/mapping.h"
#include "pg/parse/names.h"
#include "pg/receive/endpoint.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

#define SELECT_EVENT(body)                                                                                       \
  "SELECT e.received_at, e.version, e.endpoint, e.event_type, e.external_user_id, "                              \
  "e.client_user_id, " body ", e.revision, e.wrote_metrics, e.wrote_from, e.wrote_to, " REVISION_IN_FORCE        \
  ", e.status::text, e.quarantined, e.stale, "                                                                   \
  "e.inserted::bigint + e.changed + e.confirmed + e.unchanged, e.user_zone, e.user_id, " STREAM_SUBJECT_OF_EVENT \
  " "                                                                                                            \
  "FROM wearables.webhook_events e WHERE e.event_id = $1"

Statement select_event{SELECT_EVENT("e.payload") " AND e.received_at = $2"};
Statement select_event_anywhere{SELECT_EVENT("e.payload")};
Statement select_event_head{SELECT_EVENT("NULL::bytea") " AND e.received_at = $2"};
#undef SELECT_EVENT

enum EventColumn {
  kReceivedAt = 1,
  kVersion,
  kEndpoint,
  kEventType,
  kExternalUserId,
  kClientUserId,
  kPayload,
  kRevision,
  kWroteMetrics,
  kWroteFrom,
  kWroteTo,
  kRevisionInForce,
  kStatus,
  kQuarantined,
  kStale,
  kStood,
  kUserZone,
  kUserId,
  kSubject
};

// Newest first: a key that is removed is then free for the older event that rightly claims it.
Statement select_newest_first{R"(
  SELECT e.event_id, e.received_at FROM wearables.webhook_events e
  WHERE e.event_id = ANY ($1::bigint[]) ORDER BY e.version DESC, e.event_id DESC)"};

Statement select_of_other_zone{R"(
  SELECT e.event_id, e.received_at FROM wearables.webhook_events e
  WHERE e.user_id = $1 AND e.user_zone IS NOT NULL AND e.user_zone <> $2 AND e.event_id < $3
  ORDER BY e.event_id DESC LIMIT $4)"};

// The columns of both.
enum EventKeyColumn { kKeyEventId = 1, kKeyReceivedAt };

Statement update_event{R"(
  UPDATE wearables.webhook_events e
  SET status = $3::wearables.event_status, revision = $4, user_id = $5, note = $6, error = NULL,
      processed_at = clock_timestamp(),
      inserted = $7, changed = $8, confirmed = $9, unchanged = $10, stale = $11, quarantined = $12,
      wrote_metrics = $13, wrote_from = $14, wrote_to = $15, user_zone = $18,
      drift = CASE WHEN $17 IS NOT NULL THEN ARRAY(
        SELECT ROW($17[i], $17[i + 1], $17[i + 2], $17[i + 3])::wearables_internal.drift_term
        FROM generate_series(1, cardinality($17), 4) i) END
  WHERE e.event_id = $1 AND e.received_at = $2 AND e.revision IS NOT DISTINCT FROM $16
    AND e.user_id IS NOT DISTINCT FROM $19)"};

Statement update_failed{R"(
  UPDATE wearables.webhook_events e
  SET status = 'failed', error = $3, note = NULL, processed_at = clock_timestamp(),
      revision = CASE WHEN $5 >= 0 THEN $5 ELSE )" REVISION_IN_FORCE R"( END, drift = NULL,
      inserted = NULL, changed = NULL, confirmed = NULL, unchanged = NULL, stale = NULL, quarantined = NULL,
      user_id = CASE WHEN NOT $4 THEN e.user_id END, wrote_metrics = CASE WHEN NOT $4 THEN e.wrote_metrics END,
      wrote_from = CASE WHEN NOT $4 THEN e.wrote_from END, wrote_to = CASE WHEN NOT $4 THEN e.wrote_to END,
      user_zone = CASE WHEN NOT $4 THEN e.user_zone END
  WHERE e.event_id = $1 AND e.received_at = $2)"};

// A copy that outlives the result row. What had to be detoasted is a copy already, and may be large.
std::string_view copy_view(uint64 row, int column, MemoryContext context) {
  bool null;
  const Datum value = get(row, column, &null);
  if (null) return {};
  MemoryContext old = MemoryContextSwitchTo(context);
  auto* stored = reinterpret_cast<struct varlena*>(value);
  struct varlena* flat = pg_detoast_datum_packed(stored);
  if (flat == stored) {
    flat = static_cast<struct varlena*>(palloc(VARSIZE_ANY(stored)));
    memcpy(flat, stored, VARSIZE_ANY(stored));
  }
  MemoryContextSwitchTo(old);
  return {VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat)};
}

const char* name_of(Status status) {
  switch (status) {
    case Status::kReceived:
      return "received";
    case Status::kProcessed:
      return "processed";
    case Status::kSkipped:
      return "skipped";
    case Status::kParked:
      return "parked";
    case Status::kFailed:
      return "failed";
  }
  return "failed";
}

Status status_of(std::string_view name) {
  for (const Status status : {Status::kProcessed, Status::kSkipped, Status::kParked, Status::kFailed}) {
    if (name == name_of(status)) return status;
  }
  return Status::kReceived;
}

Wrote wrote_of_row(MemoryContext context) {
  Wrote wrote{get_int8(0, kRevision, -1), get_int8(0, kUserId),     nullptr,
              get_instant(0, kWroteFrom), get_instant(0, kWroteTo), get_int4(0, kQuarantined),
              get_int4(0, kStale),        get_int8(0, kStood),      copy_view(0, kUserZone, context)};
  bool null;
  const Datum metrics = get(0, kWroteMetrics, &null);
  if (!null) {
    MemoryContext old = MemoryContextSwitchTo(context);
    wrote.metrics = DatumGetArrayTypePCopy(metrics);
    MemoryContextSwitchTo(old);
  }
  return wrote;
}

// The span grows with each handling: a replay must find what any of them wrote.
struct Span {
  Arg metrics, from, to;
};

Span span_to_remember(const Outcome& outcome) {
  if (outcome.metric_count == 0) {
    return {arg_datum(INT2ARRAYOID, 0, true), arg_datum(TIMESTAMPTZOID, 0, true), arg_datum(TIMESTAMPTZOID, 0, true)};
  }
  Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * outcome.metric_count));
  for (int i = 0; i < outcome.metric_count; ++i) values[i] = Int16GetDatum(outcome.metrics[i]);
  return {arg_array(INT2OID, values, nullptr, outcome.metric_count), arg_instant(outcome.from),
          arg_instant(outcome.to)};
}

Arg arg_drift(const Outcome& outcome) {
  if (outcome.drift_count == 0) return arg_datum(TEXTARRAYOID, 0, true);
  return arg_array(TEXTOID, outcome.drift, nullptr, outcome.drift_count);
}

Arg arg_count(int64 count) { return arg_int4(static_cast<int32>(count)); }

void take_row(int64 event_id, MemoryContext caller, Event* event) {
  event->event_id = event_id;
  event->received_at = get_instant(0, kReceivedAt);
  event->version = get_int8(0, kVersion);
  event->endpoint = copy_view(0, kEndpoint, caller);
  event->event_type = copy_view(0, kEventType, caller);
  event->external_user_id = copy_view(0, kExternalUserId, caller);
  event->client_user_id = copy_view(0, kClientUserId, caller);
  event->body = copy_view(0, kPayload, caller);
  event->subject = stream_subject_in(0, kSubject, caller);
  event->wrote = wrote_of_row(caller);
  event->revision = get_int8(0, kRevisionInForce);
  event->status = status_of(get_text(0, kStatus));
  event->vendor = &vendor_of(event->endpoint, SnapshotMode::kNew);
}

}  // namespace

const StreamSubject* stream_subject_in(uint64 row, int column, MemoryContext context) {
  enum { kId, kProvider, kSourceType, kFrom, kTo, kParts };
  bool null;
  const Datum value = get(row, column, &null);
  if (null) return nullptr;
  MemoryContext caller = MemoryContextSwitchTo(context);
  Datum* parts;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypePCopy(value), TEXTOID, -1, false, TYPALIGN_INT, &parts, &nulls, &count);
  Assert(count == kParts);
  const auto view = [&](int part) -> std::string_view {
    return nulls[part] ? std::string_view() : std::string_view(TextDatumGetCString(parts[part]));
  };
  const auto instant = [&](int part) -> Micros {
    return nulls[part] ? kNoInstant : DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(view(part).data())));
  };
  auto* subject = static_cast<StreamSubject*>(palloc(sizeof(StreamSubject)));
  *subject = {view(kId), view(kProvider), view(kSourceType), instant(kFrom), instant(kTo)};
  MemoryContextSwitchTo(caller);
  return subject;
}

// The names are held before the revision in force is read: a metric that is deleted meanwhile waits for what will be
// written under this revision, or is gone from the one that is read.
bool load_event(int64 event_id, TimestampTz received_at, Event* event) {
  hold_names();
  lock_events();
  const uint64 rows = received_at == 0 ? run(select_event_anywhere, {arg_int8(event_id)})
                                       : run(select_event, {arg_int8(event_id), arg_instant(received_at)});
  if (rows > 0) take_row(event_id, CurrentMemoryContext, event);
  return rows > 0;
}

bool load_event_head(int64 event_id, TimestampTz received_at, Event* event) {
  lock_events();
  const uint64 rows = run(select_event_head, {arg_int8(event_id), arg_instant(received_at)});
  if (rows > 0) take_row(event_id, CurrentMemoryContext, event);
  return rows > 0;
}

namespace {

EventKey* copy_keys(uint64 rows, int* found) {
  auto* keys = static_cast<EventKey*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(EventKey) * (rows + 1)));
  for (uint64 row = 0; row < rows; ++row) keys[row] = {get_int8(row, kKeyEventId), get_instant(row, kKeyReceivedAt)};
  *found = static_cast<int>(rows);
  return keys;
}

}  // namespace

EventKey* find_events_newest_first(Datum* event_ids, int count, int* found) {
  lock_events();
  return copy_keys(run(select_newest_first, {arg_array(INT8OID, event_ids, nullptr, count)}), found);
}

EventKey* find_events_of_other_zone(int64 user_id, std::string_view zone, int64 before, int most, int* found) {
  lock_events();
  return copy_keys(run(select_of_other_zone, {arg_int8(user_id), arg_text(zone), arg_int8(before), arg_int4(most)}),
                   found);
}

bool mark_event(const Event& event, const Outcome& outcome) {
  const Counts& counts = outcome.counts;
  Assert(outcome.status != Status::kReceived && outcome.status != Status::kFailed);
  Assert(counts.inserted >= 0 && counts.changed >= 0 && counts.confirmed >= 0);
  Assert(counts.unchanged >= 0 && counts.stale >= 0 && counts.quarantined >= 0);
  Assert(outcome.metric_count == 0 || outcome.from <= outcome.to);
  const Span span = span_to_remember(outcome);
  const uint64 marked = run(
      update_event, {arg_int8(event.event_id), arg_instant(event.received_at), arg_text(name_of(outcome.status)),
                     arg_int8(event.revision), arg_datum(INT8OID, Int64GetDatum(outcome.user_id), outcome.user_id == 0),
                     arg_text_or_null(outcome.note == nullptr ? "" : outcome.note), arg_count(counts.inserted),
                     arg_count(counts.changed), arg_count(counts.confirmed), arg_count(counts.unchanged),
                     arg_count(counts.stale), arg_count(counts.quarantined), span.metrics, span.from, span.to,
                     arg_datum(INT8OID, Int64GetDatum(event.wrote.revision), event.wrote.revision < 0),
                     arg_drift(outcome), arg_text_or_null(outcome.user_zone == nullptr ? "" : outcome.user_zone),
                     arg_datum(INT8OID, Int64GetDatum(event.wrote.user_id), event.wrote.user_id == 0)});
  Assert(marked <= 1);
  // it was read before its user's lock was there: what a replay wrote meanwhile must not be undone or forgotten
  if (marked > 0 || (outcome.user_id == 0 && outcome.former_id == 0)) return marked > 0;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("the event was processed concurrently by another session")));
}

void mark_failed(int64 event_id, TimestampTz received_at, const FailedAttempt& attempt, bool retracted) {
  lock_events();
  run(update_failed, {arg_int8(event_id), arg_instant(received_at), arg_text(attempt.error), arg_bool(retracted),
                      arg_int8(attempt.revision)});
}

}  // namespace wearables::pg
