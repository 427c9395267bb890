// Reads who a request claims to be, from the setting request.jwt.claims that an HTTP proxy sets for its transaction.
// The proxy has verified the token; what is decided here is only that a text which is no plain answer names nobody.
//
// It never raises for what the claims hold: a policy calls it for each statement, and an error would show a caller more
// than an empty result does. Takes no lock; all it allocates is in the caller's context.
#pragma once

namespace wearables::pg {

// The text of the claim that wearables_ingest.user_claim names, in the current memory context. Null: there are no
// claims, they are not one JSON object or nested more than 100 levels deep, or the claim is missing, not a text, empty,
// or there twice.
const char* claimed_id();

}  // namespace wearables::pg
