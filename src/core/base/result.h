// Result<T>: a value, or an Error that says what went wrong in words for the person who must act.
#pragma once

#include "core/base/pure.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace wearables {

// Every way the core can fail. The shell maps each to one SQLSTATE (pg/server/boundary.cpp).
enum class Code {
  kInvalidArgument,  // a caller's parameter is outside its documented domain
  kNoSecret,         // no signing secret is configured: nothing can be verified
  kBadSecret,        // a secret is not what its kind requires
  kMissingHeader,    // one of id, timestamp, signature is absent
  kBadTimestamp,     // the timestamp header is not whole Unix seconds
  kStaleTimestamp,   // outside the tolerance, past or future
  kBadSignature,     // no v1 signature matches
  kAsymmetric,       // the sender signs with a private key alone (v1a)
  kBadMessageId,     // a message id that no signature can cover unambiguously
  kInvalidJson,      // the body is not one JSON value
  kUnexpectedShape,  // JSON, but not of the shape its event type promises
  kInvalidMapping,   // a mapping row cannot be compiled
  kStopped,          // the caller's stop flag was set
};

// message: lower case, no full stop, never a secret and never a reading of somebody's body.
struct Error {
  Code code;
  std::string message;
};

// Holds a T or an Error. value() and error() are only for the side that is there.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T&& value) : value_(std::move(value)) {}
  Result(const T& value) : value_(value) {}
  Result(Error error) : error_(std::move(error)) {}
  Result(Code code, std::string message) : error_(Error{code, std::move(message)}) {}

  bool ok() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  T& value() & noexcept { return *value_; }
  const T& value() const& noexcept { return *value_; }
  T&& value() && noexcept { return std::move(*value_); }
  const Error& error() const noexcept { return error_; }

 private:
  std::optional<T> value_;
  Error error_{};
};

// Success without a value: Result<Done> f() { ...; return Done{}; }
struct Done {};

}  // namespace wearables
