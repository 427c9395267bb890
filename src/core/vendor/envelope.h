// What the receive step and the lifecycle handlers read from a body: names, never readings.
#pragma once

#include "core/base/clock.h"
#include "core/base/result.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace wearables {

inline constexpr std::size_t kMaxEventType = 200;  // bytes

// Empty strings where the body does not say. An id is a text that is not blank, or a number, as it
// is written; one that no text column holds is none. user: $.user_id, else $.data.user_id. Of a list
// of events, what all of them agree on.
struct Envelope {
  bool is_json = false;
  bool is_deep = false;  // nested deeper than kMaxDepth somewhere, where nothing was read
  std::string event_type;  // $.event_type, else $.type: a text that is not blank; cut, printable
  std::string external_user_id;
  std::string client_user_id;
};

// Never fails: whatever is verified is stored, readable or not. Reads the whole body, and nothing from one that
// is not JSON.
Envelope read_envelope(std::string_view body);

// The same for a body that is JSON and names each field once, at a fraction of the cost: an object is read only
// until the fields are known, and not checked. is_json: as far as it was read.
Envelope peek_envelope(std::string_view body);

// provider.connection.*: provider may be an object {slug} or a string; `source` is the older name.
struct ConnectionNotice {
  std::string provider;          // slug
  std::string external_user_id;  // at the provider; empty when null
  std::string error_type;        // provider.connection.error
};
Result<ConnectionNotice> read_connection(std::string_view body);

// historical.data.*: the range that was looked through. kNoInstant where the body does not say.
struct BackfillNotice {
  std::string provider;
  Micros from = kNoInstant;
  Micros to = kNoInstant;
};
Result<BackfillNotice> read_backfill_notice(std::string_view body);

// `text` (a JSON value cut from a body) with what jsonb refuses replaced: \u0000 and lone surrogates
// become \ufffd; numbers beyond any double, bare words and what is nested deeper than kMaxDepth
// become null; and without_far_items().
std::string storable_json(std::string_view text);

}  // namespace wearables
