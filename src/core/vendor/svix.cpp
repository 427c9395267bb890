#include "core/vendor/svix.h"

#include "core/base/bytes.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace wearables::svix {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) + 1 - first);
}

Result<std::string> decode_secret(std::string_view secret) {
  std::string_view text = trimmed(secret);
  if (text.starts_with("whsk_") || text.starts_with("whpk_")) {
    return {Code::kBadSecret, "a whsk_ or whpk_ key is for asymmetric signatures, not a signing secret"};
  }
  if (text.starts_with(kSecretPrefix)) text.remove_prefix(kSecretPrefix.size());
  if (text.empty()) return {Code::kBadSecret, "the signing secret is empty"};
  std::optional<std::string> key = base64_decode(text);
  if (!key) return {Code::kBadSecret, "the signing secret is not base64"};
  return *std::move(key);
}

Result<Done> check_presence(const SignedHeaders& headers) {
  const char* missing = headers.id.empty()          ? "id"
                        : headers.timestamp.empty() ? "timestamp"
                        : headers.signature.empty() ? "signature"
                                                    : nullptr;
  if (missing == nullptr) return Done{};
  return {Code::kMissingHeader, std::string("the ") + missing +
                                    " header is missing: all three svix-* or all three webhook-* headers are needed"};
}

// Whole digits, so that there is one reading of what was signed: the header's own text.
Result<std::int64_t> parse_timestamp(std::string_view text) {
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, seconds);
  if (failure != std::errc{} || stop != end || seconds <= 0) {
    return {Code::kBadTimestamp, "the timestamp header is not a Unix time in whole seconds"};
  }
  return seconds;
}

struct AgeLimit {
  std::int64_t now;
  std::int64_t tolerance;
};

Result<Done> check_age(std::int64_t seconds, const AgeLimit& limit) {
  const bool past = seconds <= limit.now;
  // The distance of two int64 needs all bits of an unsigned one.
  const auto later = static_cast<std::uint64_t>(past ? limit.now : seconds);
  const auto earlier = static_cast<std::uint64_t>(past ? seconds : limit.now);
  const std::uint64_t distance = later - earlier;
  if (distance <= static_cast<std::uint64_t>(limit.tolerance)) return Done{};
  return {Code::kStaleTimestamp, "the timestamp is " + std::to_string(distance) + " s in the " +
                                     (past ? "past" : "future") + ", the tolerance is " +
                                     std::to_string(limit.tolerance) + " s"};
}

constexpr std::string_view kScheme = "v1,";
constexpr std::size_t kSignatureSize = kScheme.size() + 44;  // base64 of 32 bytes

std::string signature_of(const SignedHeaders& headers, std::string_view body, std::string_view key) {
  const Digest digest = hmac_sha256(key, {headers.id, ".", headers.timestamp, ".", body});
  return std::string(kScheme) + base64_encode(bytes_of(digest));
}

// Elements stand between single blanks. One that is not to the byte what we would write is no
// match: other versions, missing commas, missing padding and partial signatures need no rules of
// their own.
std::vector<std::string_view> well_formed(std::string_view signatures) {
  std::vector<std::string_view> found;
  signatures = signatures.substr(0, kMaxSignatureBytes);
  while (!signatures.empty() && found.size() < kMaxSignatures) {
    const std::size_t length = std::min(signatures.find(' '), signatures.size());
    const std::string_view element = signatures.substr(0, length);
    if (element.size() == kSignatureSize && element.starts_with(kScheme)) found.push_back(element);
    signatures.remove_prefix(std::min(length + 1, signatures.size()));
  }
  return found;
}

// Whether the sender signs with a private key alone: some element of version v1a, and none of v1.
bool only_asymmetric(std::string_view signatures) noexcept {
  bool asymmetric = false;
  signatures = signatures.substr(0, kMaxSignatureBytes);
  while (!signatures.empty()) {
    const std::size_t length = std::min(signatures.find(' '), signatures.size());
    if (signatures.starts_with(kScheme)) return false;
    asymmetric = asymmetric || signatures.starts_with("v1a,");
    signatures.remove_prefix(std::min(length + 1, signatures.size()));
  }
  return asymmetric;
}

// Which secrets sign this delivery; each is decoded and hashed with once.
class Matcher {
 public:
  Matcher(const SignedHeaders& headers, std::string_view body)
      : headers_(headers), body_(body), signatures_(well_formed(headers.signature)) {}

  bool matches(std::string_view key) {
    if (signatures_.empty()) return false;
    const auto known = std::find_if(tried_.begin(), tried_.end(), [&](const Tried& tried) { return tried.key == key; });
    if (known != tried_.end()) return known->matches;
    const std::string expected = signature_of(headers_, body_, key);
    bool any = false;
    for (const std::string_view signature : signatures_) {
      any = equal_in_constant_time(signature, expected) || any;
    }
    tried_.push_back({std::string(key), any});
    return any;
  }

 private:
  struct Tried {
    std::string key;
    bool matches;
  };

  const SignedHeaders& headers_;
  const std::string_view body_;
  const std::vector<std::string_view> signatures_;
  std::vector<Tried> tried_;
};

// The keys of an acceptance, and why it has none.
struct Keys {
  std::vector<std::string> usable;
  Error why{Code::kNoSecret, "no signing secret is configured"};
};

Keys keys_of(const Acceptance& acceptance) {
  Keys keys;
  for (const std::string_view secret : acceptance.secrets) {
    Result<std::string> key = decode_secret(secret);
    if (key.ok()) {
      keys.usable.push_back(std::move(key).value());
    } else if (acceptance.secrets.size() == 1) {
      keys.why = key.error();
    } else {
      keys.why = {Code::kBadSecret, "no configured signing secret is usable"};
    }
  }
  return keys;
}

// What costs nothing comes first: a body is hashed only for a delivery that is fresh.
Result<Accepted> check_delivery(const SignedHeaders& headers, std::string_view body,
                                std::span<const Acceptance> acceptances, const std::optional<std::int64_t>& now) {
  std::vector<Keys> keys;
  Error why{Code::kNoSecret, "no signing secret is configured"};
  bool any = false;
  for (const Acceptance& acceptance : acceptances) {
    keys.push_back(keys_of(acceptance));
    any = any || acceptance.unreadable || !keys.back().usable.empty();
    if (keys.back().why.code > why.code) why = keys.back().why;
  }
  if (!any) return why;
  if (const auto present = check_presence(headers); !present.ok()) return present.error();
  const Result<std::int64_t> seconds = parse_timestamp(headers.timestamp);
  if (!seconds.ok()) return seconds.error();

  Matcher matcher(headers, body);
  std::optional<Error> stale;
  bool any_fresh = false;
  // With a full stop in the id, parts of a signed text could be passed off as other parts.
  const bool ambiguous = headers.id.find('.') != std::string_view::npos;
  for (std::size_t place = 0; place < acceptances.size(); ++place) {
    const Acceptance& acceptance = acceptances[place];
    if (keys[place].usable.empty() && !acceptance.unreadable) continue;
    if (now) {
      const auto fresh = check_age(seconds.value(), {*now, acceptance.tolerance_seconds});
      if (!fresh.ok()) {
        stale = fresh.error();
        continue;
      }
    }
    any_fresh = true;
    if (ambiguous) break;
    for (const std::string& key : keys[place].usable) {
      if (matcher.matches(key)) return Accepted{place, seconds.value()};
    }
  }
  if (!any_fresh && stale) return *stale;
  if (ambiguous) return Error{Code::kBadMessageId, "the message id contains a full stop"};
  if (only_asymmetric(headers.signature)) {
    return Error{Code::kAsymmetric, "the signature is asymmetric (v1a); configure the sender to sign symmetrically"};
  }
  return Error{Code::kBadSignature, kMismatch};
}

Result<std::int64_t> sent_at(const Result<Accepted>& accepted) {
  if (!accepted.ok()) return accepted.error();
  return accepted.value().sent_at;
}

}  // namespace

Result<std::int64_t> verify(const SignedHeaders& headers, std::string_view body,
                            std::span<const std::string_view> secrets, std::int64_t now_seconds,
                            std::int64_t tolerance_seconds) {
  if (tolerance_seconds < 0) return {Code::kInvalidArgument, "the tolerance is negative"};
  const Acceptance only{secrets, false, tolerance_seconds};
  return sent_at(check_delivery(headers, body, {&only, 1}, now_seconds));
}

Result<std::int64_t> verify_ignoring_age(const SignedHeaders& headers, std::string_view body,
                                         std::span<const std::string_view> secrets) {
  const Acceptance only{secrets};
  return sent_at(check_delivery(headers, body, {&only, 1}, std::nullopt));
}

Result<Accepted> verify_any(const SignedHeaders& headers, std::string_view body,
                            std::span<const Acceptance> acceptances, std::int64_t now_seconds) {
  return check_delivery(headers, body, acceptances, now_seconds);
}

Result<std::string> sign(std::string_view id, std::int64_t timestamp_seconds, std::string_view body,
                         std::string_view secret) {
  if (id.empty()) return {Code::kInvalidArgument, "the message id is empty"};
  if (id.find('.') != std::string_view::npos) {
    return {Code::kInvalidArgument, "the message id contains a full stop"};
  }
  if (timestamp_seconds <= 0) return {Code::kInvalidArgument, "the timestamp is not positive"};
  const Result<std::string> key = decode_secret(secret);
  if (!key.ok()) return key.error();
  const std::string timestamp = std::to_string(timestamp_seconds);
  return signature_of({id, timestamp, {}}, body, key.value());
}

Result<Done> check_secret(std::string_view secret) {
  const Result<std::string> key = decode_secret(secret);
  if (!key.ok()) return key.error();
  return Done{};
}

Result<Done> check_secret_strength(std::string_view secret) {
  const Result<std::string> key = decode_secret(secret);
  if (!key.ok()) return key.error();
  if (key.value().size() >= kMinSecretBytes) return Done{};
  return {Code::kBadSecret, "the signing secret has fewer than " + std::to_string(kMinSecretBytes) + " bytes"};
}

}  // namespace wearables::svix
