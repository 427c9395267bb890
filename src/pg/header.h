// The headers of a delivery, out of jsonb.
#pragma once

#include "core/webhook.h"

#include "pg/server.h"

namespace wearables::pg {

struct Headers {
  SignedHeaders of_signature;  // views into the jsonb
  Jsonb* audited;              // id, timestamp, signature, content type, user agent
};

// An object of name -> text; other values are passed over. Anything but an object gives no headers.
Headers read_headers(Jsonb* headers);

}  // namespace wearables::pg
