// What the receive step and the lifecycle handlers read from a body: names, never readings.
#pragma once

#include "core/base/clock.h"
#include "core/base/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

struct Vendor;

inline constexpr std::size_t kMaxEventType = 200;  // bytes
// Bytes of an id of a person, and of what else a body names. wearables_internal.is_id() has the same bound.
inline constexpr std::size_t kMaxNamedText = 500;

// Empty strings where the body does not say. An id is a text that is not blank, or a number, as it
// is written; one that no text column holds is none. Of a list of events, what all of them agree on.
struct Envelope {
  bool is_json = false;
  bool is_deep = false;    // nested deeper than kMaxDepth somewhere, where nothing was read
  std::string event_type;  // a text that is not blank; cut, printable
  std::string external_user_id;
  std::string client_user_id;
};

// Never fails: whatever is verified is stored, readable or not. Reads the whole body, and nothing from one that
// is not JSON.
Envelope read_envelope(const Vendor& vendor, std::string_view body);

// The same for a body that is JSON and names each field once. Where the first choice for each field is usable, or is
// absent and the only one, nothing behind the last of them is looked at, and of what stands before it only where it
// ends. Else it is read_envelope(). is_json: as far as it was read. The sender waits for it, and readings are most of a
// body: of 89 kB it takes 0.3 us where they stand behind these members and 27 us where before, read_envelope() 33 us.
Envelope peek_envelope(const Vendor& vendor, std::string_view body);

// A body of kConnection.
struct ConnectionNotice {
  std::string provider;          // slug
  std::string provider_user_id;  // the person's id at the provider; empty when null
  std::string error_type;        // empty: none
};
Result<ConnectionNotice> read_connection(const Vendor& vendor, std::string_view body);

// Takes away those of the resources that the connection does not offer, as the body of a kConnection says. It says so
// where it names at least one of them; of a body that names none all stay.
Result<Done> keep_offered(const Vendor& vendor, std::string_view body, std::vector<std::string>& resources);

// A body of kBackfillDone: the range that was looked through. kNoInstant where the body does not say.
struct BackfillNotice {
  std::string provider;
  Micros from = kNoInstant;
  Micros to = kNoInstant;  // exclusive: a bare date means the end of that day
};
Result<BackfillNotice> read_backfill_notice(const Vendor& vendor, std::string_view body);

// A body of kData of a resource that is a stream: it announces the stream of a document, and holds nothing of it.
struct StreamNotice {
  std::string document_id;  // empty where the body does not say; so for the others
  std::string provider;     // slug
  std::string source_type;
};
Result<StreamNotice> read_stream_notice(const Vendor& vendor, std::string_view body);

}  // namespace wearables
