// The only place where raw events are inserted: deliveries of a webhook, and pages that are pulled.
#pragma once

#include "core/write/version.h"

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

// What the message id of a pulled page begins with (pull:BACKFILL_ID:PAGE), and that of a stream
// (stream:STREAM_ID:REQUEST). Those of senders may not.
inline constexpr char kPulledIdPrefix[] = "pull:";
inline constexpr char kStreamIdPrefix[] = "stream:";

// What is to be stored. Texts that are empty are stored as null.
struct NewEvent {
  std::string_view endpoint;
  std::string_view message_id;  // with `endpoint` the key of the ledger: the same for every delivery of one message
  TimestampTz received_at;      // also the partition key
  int64 origin_ms;              // when the event was made, in milliseconds since 1970: its version begins with it (R3)
  EventAge age;                 // the next bit of its version
  std::string_view event_type;  // "pulled.data.<resource>" for a page
  std::string_view resource;    // that the type is about
  std::string_view external_user_id;
  std::string_view client_user_id;
  Jsonb* headers;       // kept for audit; null: none
  const void* payload;  // bytea, stored byte for byte
  int16 priority;       // of its job: 0 for what has just been delivered
};

struct InsertedEvent {
  int64 event_id;
  bool is_new;  // false: the message was stored before; nothing but its ledger row has changed
};

// Stores the event, its ledger row and its job, and wakes the workers at commit. The caller's commit is made durable,
// for the sender is told of success after it (R1). Within SPI, as owner; waits for a partition that is being made.
InsertedEvent insert_event(const NewEvent& event);

}  // namespace wearables::pg
