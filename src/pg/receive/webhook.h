// receive(): verify, store, enqueue, in one transaction (R1).
#pragma once

#include "pg/server/server.h"

namespace wearables::pg {

struct Receipt {
  const char* status;  // "accepted", "duplicate", "refused"
  int64 event_id;      // 0 when refused
  int http_status;
  const char* reason;  // null unless refused; never a secret, never of the body
};

// Within SPI. `body` is a detoasted varlena (bytea or text: the bytes count) and is stored as it is.
// `endpoint` null: the header wearables-endpoint names it, and without one every enabled endpoint is
// tried.
Receipt receive(Jsonb* headers, const void* body, const char* endpoint);

}  // namespace wearables::pg
