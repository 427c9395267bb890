// The HTTP headers of a delivery, out of the jsonb that a proxy hands over: an object of name -> text. Other values are
// passed over; anything but an object, or null, gives no headers.
#pragma once

#include "core/vendor/signature.h"

#include "pg/server/server.h"

namespace wearables::pg {

// Views into the jsonb.
SignedHeaders signed_headers(Jsonb* headers, const SignatureScheme& scheme);

// Of the header wearables-endpoint, in the current context; null: not named.
const char* named_endpoint(Jsonb* headers);

// What is stored of them: id, timestamp and signature of the scheme, content type, user agent. Cut to bounds, so that
// no sender fills the store by his headers.
Jsonb* audited_headers(Jsonb* headers, const SignatureScheme& scheme);

// Whether a request that PostgREST passed on asks to be undone once it is answered: "Prefer: tx=rollback".
bool asks_for_rollback(Jsonb* headers);

}  // namespace wearables::pg
