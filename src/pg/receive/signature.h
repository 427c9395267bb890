// Signatures of deliveries as the server's functions see them.
#pragma once

#include "core/vendor/vendor.h"

#include "pg/server/server.h"

namespace wearables::pg {

// The bytes of a detoasted varlena.
inline std::string_view view_of(const void* varlena_value) {
  return {VARDATA_ANY(varlena_value), VARSIZE_ANY_EXHDR(varlena_value)};
}

// What came of trying candidates: plain data, so that it may live in a frame that an error leaves.
struct Verification {
  bool verified;
  size_t place;   // of the candidate
  int64 sent_at;  // Unix seconds
  Code code;      // unless verified, as `message`
  char message[200];
};

Verification verify_candidates(std::span<const Candidate> candidates, std::string_view body, TimestampTz now);

}  // namespace wearables::pg
