// An event on its way down the road: read from the raw store, marked with what became of it.
#pragma once

#include "core/parse/normalize.h"
#include "core/vendor/vendor.h"
#include "core/write/touched.h"

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

// What a former handling of the event left behind.
struct Wrote {
  int64 revision;      // -1: never handled
  int64 user_id;       // whose rows they are; 0: nobody's
  ArrayType* metrics;  // null: wrote no sample
  TimestampTz from, to;
  int32 quarantined, stale;
  int64 stood;                 // rows that stood at the event's version then; fewer do now, if others came
  std::string_view user_zone;  // as Outcome::user_zone; empty: none
};

enum class Status { kReceived, kProcessed, kSkipped, kParked, kFailed };

struct Event {
  int64 event_id;
  TimestampTz received_at;
  int64 version;
  std::string_view endpoint;
  const Vendor* vendor;  // of the endpoint
  std::string_view event_type;
  std::string_view external_user_id;
  std::string_view client_user_id;
  std::string_view body;
  const StreamSubject* subject;  // of a pulled stream; null: the body tells of itself
  Status status;
  Wrote wrote;
  int64 revision;  // in force now, read with the event
};

// Reads the event into the current context; false when there is none. received_at 0: not known, every
// partition is asked. Within SPI.
bool load_event(int64 event_id, TimestampTz received_at, Event* event);

// The same without the body.
bool load_event_head(int64 event_id, TimestampTz received_at, Event* event);

// What a statement selects of an event `e` for stream_subject_in().
#define STREAM_SUBJECT_OF_EVENT                                                                                  \
  "CASE WHEN e.event_type LIKE 'pulled.data.%' AND pg_catalog.jsonb_typeof(e.headers -> 'document') = 'object' " \
  "THEN ARRAY[e.headers -> 'document' ->> 'id', e.headers -> 'document' ->> 'provider', "                        \
  "e.headers -> 'document' ->> 'source_type', e.headers -> 'document' ->> 'from_us', "                           \
  "e.headers -> 'document' ->> 'to_us'] END"

// What was stored with a pulled stream of its document (pull/page.h), in `context`; null where nothing was.
const StreamSubject* stream_subject_in(uint64 row, int column, MemoryContext context);

struct EventKey {
  int64 event_id;
  TimestampTz received_at;
};

// Those of the events that are there, by version, the newest first; in the current context. Within SPI.
EventKey* find_events_newest_first(Datum* event_ids, int count, int* found);

// Up to `most` events of the user, the last received first, from the first before `before` on, whose readings hang on
// the user's time zone and were read in another one than `zone`; in the current context. Reads an index of such events.
// Within SPI.
EventKey* find_events_of_other_zone(int64 user_id, std::string_view zone, int64 before, int most, int* found);

// What became of an event. What is pointed to lives in the context of the caller of ingest().
struct Outcome {
  Status status;
  bool erased;       // its user was: the event is deleted, and not marked
  const char* note;  // why skipped or parked
  int64 user_id;     // 0: unknown
  Counts counts;
  int64 removed;       // samples a former handling wrote and this one does not yield
  Touched* touched;    // what was done to samples; null: nothing
  InstantRange freed;  // of what was removed the timeseries, whose keys other events may claim
  int64 former_id;     // whose it was when it was handled last, where its ids name somebody else now; else 0
  InstantRange freed_of_former;
  const char* user_zone;  // the user's time zone, where some instants hang on it; null: none does
  int16* metrics;         // timeseries metrics written, for a later replay
  int metric_count;
  TimestampTz from, to;  // their span
  Datum* drift;          // what no row knew: texts, kDriftColumns for each term
  int drift_count;       // of the texts
};

// Marks the event handled: status, revision, counts. False where another session handled it meanwhile and it neither
// has nor had a user, whose lock would have been held: that session's mark stands. Within SPI.
bool mark_event(const Event& event, const Outcome& outcome);

// An attempt that came to nothing.
struct FailedAttempt {
  const char* error;
  int64 revision;  // of the mappings it was made under; -1 when that is not known
};

// Marks the event failed. Unless all that it wrote was retracted, where that may still stand is kept. Within SPI.
void mark_failed(int64 event_id, TimestampTz received_at, const FailedAttempt& attempt, bool retracted);

}  // namespace wearables::pg
