// What every signature scheme of webhooks has in common: three headers, secrets, and an age that is tolerated.
#pragma once

#include "core/base/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace wearables {

// The three headers of one delivery attempt; empty means absent. Views into the caller's memory.
struct SignedHeaders {
  std::string_view id;
  std::string_view timestamp;
  std::string_view signature;
};

// Names under which a scheme sends the three headers.
struct HeaderFamily {
  std::string_view id;
  std::string_view timestamp;
  std::string_view signature;

  // Whether it is one of the three, in any case.
  bool has(std::string_view name) const noexcept;
};

inline constexpr std::size_t kMaxHeaderFamilies = 4;  // of one scheme

// Picks the headers of a scheme from one (name, value) pair at a time; names in any case, other names
// ignored, the first value that is not empty counts. A family is taken whole: the first of which all
// three are there; when none is complete, what there is of the first that has any, so never a mixture.
class HeaderPicker {
 public:
  // The families, kMaxHeaderFamilies at most, must live as long as this.
  explicit HeaderPicker(std::span<const HeaderFamily> families) noexcept;

  void offer(std::string_view name, std::string_view value) noexcept;
  SignedHeaders headers() const noexcept;

 private:
  std::span<const HeaderFamily> families_;
  std::array<SignedHeaders, kMaxHeaderFamilies> values_;  // by family
};

inline constexpr std::int64_t kDefaultToleranceSeconds = 300;

// What one of several endpoints accepts.
struct Acceptance {
  std::span<const std::string_view> secrets;
  bool unreadable = false;  // it has secrets beside these, which cannot be had now
  std::int64_t tolerance_seconds = kDefaultToleranceSeconds;
};

struct Accepted {
  std::size_t place;     // of the acceptance
  std::int64_t sent_at;  // Unix seconds
};

// A scheme: the names of its headers, and functions.
struct SignatureScheme {
  std::span<const HeaderFamily> headers;  // in the order of preference, kMaxHeaderFamilies at most

  // What verify_any() says where no signature matches, word for word.
  const char* mismatch;

  // The first acceptance with a secret that some signature matches and a tolerance within which, both inclusive, the
  // timestamp lies from `now_seconds`. Of several errors the one that tells the sender most: a missing secret
  // counts only where no acceptance has one. A secret that cannot be read answers as one that does not match. Nothing
  // is accepted without an id.
  Result<Accepted> (*verify_any)(const SignedHeaders& headers, std::string_view body,
                                 std::span<const Acceptance> acceptances, std::int64_t now_seconds);

  // The signature header that verify_any() takes. kInvalidArgument for an id or a time that cannot be signed.
  Result<std::string> (*sign)(std::string_view id, std::int64_t timestamp_seconds, std::string_view body,
                              std::string_view secret);

  // kBadSecret unless the secret may be configured for an endpoint.
  Result<Done> (*check_secret)(std::string_view secret);
};

}  // namespace wearables
