// The headers of a delivery, out of jsonb.
#pragma once

#include "core/vendor/webhook.h"

#include "pg/server/server.h"

namespace wearables::pg {

struct Headers {
  SignedHeaders of_signature;  // views into the jsonb
  const char* endpoint;        // of the header wearables-endpoint; null: not named
  Jsonb* audited;              // id, timestamp, signature, content type, user agent
};

// An object of name -> text; other values are passed over. Anything but an object gives no headers. What is kept for
// audit is cut to bounds, so that no sender fills the store by his headers.
Headers read_headers(Jsonb* headers);

// Whether a request that PostgREST passed on asks to be undone once it is answered: "Prefer: tx=rollback".
bool asks_for_rollback(Jsonb* headers);

}  // namespace wearables::pg
