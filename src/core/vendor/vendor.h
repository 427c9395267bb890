// Who sends: all that the code knows of one aggregator of wearables' data. Another one is a file like junction.cpp and
// an entry in the table of vendor.cpp; what its readings mean are rows of resources and mappings.
#pragma once

#include "core/vendor/call_api.h"
#include "core/vendor/event_type.h"
#include "core/vendor/pull_api.h"
#include "core/vendor/signature.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace wearables {

struct EnvelopePaths {
  MemberPaths event_type;
  MemberPaths external_user_id;
  MemberPaths client_user_id;
};

struct ConnectionPaths {
  MemberPaths provider;
  MemberPaths provider_user_id;
  MemberPaths error_type;
  // What the connection offers: an object whose members are called by resources, the path from such a member to a text,
  // and the text that means that it is not to be had. Empty: the vendor does not say.
  std::string_view offers = {}, offer_state = {}, not_offered = {};
};

struct BackfillPaths {
  MemberPaths provider;
  MemberPaths from;
  MemberPaths to;
};

// Of an event that says that a document has a stream, which it does not hold.
struct StreamPaths {
  MemberPaths document;  // the document's id
  MemberPaths provider;
  MemberPaths source_type;
};

struct Vendor {
  std::string_view name;  // as endpoints.vendor holds it
  const SignatureScheme* signatures;

  // Milliseconds since 1970 when the message of this id was made, where the id says so.
  std::optional<std::int64_t> (*message_time_ms)(std::string_view message_id) noexcept;

  std::span<const EventPattern> event_types;
  std::string_view update_action;                    // of event types that tell a later state of what was made before
  std::span<const LifecycleWord> lifecycle_actions;  // of kConnection; any other is kNothing
  std::span<const LifecycleWord> lifecycle_errors;   // error types of kError that say more than that

  EnvelopePaths envelope;
  ConnectionPaths connection;
  BackfillPaths backfill;
  StreamPaths stream;
  const PullApi* pull;   // null: it has no history to ask for
  const CallApi* calls;  // null: it takes no calls

  // Providers whose wall-clock time the vendor marks as UTC.
  std::span<const std::string_view> wall_clock_providers;
};

// Null when the name is none of those known. The reference lives for ever.
const Vendor* find_vendor(std::string_view name) noexcept;
std::span<const Vendor* const> vendors() noexcept;

// Where nothing says which: of a body, or a signature, without an endpoint.
const Vendor& default_vendor() noexcept;

// Some vendor's wall_clock_providers name it.
bool is_wall_clock_provider(std::string_view provider) noexcept;

// An endpoint that may have been meant by a delivery, whose headers its vendor's scheme has picked.
struct Candidate {
  const Vendor* vendor;
  SignedHeaders headers;
  Acceptance acceptance;
};

// By the candidates' schemes as SignatureScheme::verify_any; Accepted::place is that of the candidate. Where no scheme
// takes it, the error of the one that came furthest.
Result<Accepted> verify_delivery(std::span<const Candidate> candidates, std::string_view body,
                                 std::int64_t now_seconds);

// R3's origin of a message in milliseconds since 1970: the time its id says, else that of its first delivery.
std::int64_t origin_ms(const Vendor& vendor, std::string_view message_id, std::int64_t sent_at_seconds) noexcept;

}  // namespace wearables
