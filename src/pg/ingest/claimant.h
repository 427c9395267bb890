// A key that an event gives up, because the mappings or its user's time zone changed, falls to whichever other event
// claims it. One that was handled before, under the same mappings, found the key taken: it is handled again.
#pragma once

#include "pg/ingest/ingest.h"

namespace wearables::pg {

struct FreedSpan {
  int64 user_id;
  TimestampTz from, to;
};

// What the outcome has freed, of its user and of the former one, into `spans`; returns how many.
inline constexpr int kMostFreed = 2;
int freed_spans(const Outcome& outcome, FreedSpan* spans);

// Told of each event that was handled again; the texts of both are gone by then.
using ClaimantNote = void (*)(void* arg, const Event& event, const Outcome& outcome);

// Handles again, newest first and each once, the events that may claim a key within the spans and were handled under
// the mappings and in the user's time zone in force. Those in `done` are left out: they were handled newest first, too.
// So none of them gives up a key in turn. One of another zone is not among them: it has a job since the zone was
// changed (zone_job.h). What cannot be handled here is put in the queue. `note` may be null. Within SPI, as owner,
// under the locks of the users.
void reprocess_claimants(const FreedSpan* spans, int count, const int64* done, int done_count, ClaimantNote note,
                         void* arg);

}  // namespace wearables::pg
