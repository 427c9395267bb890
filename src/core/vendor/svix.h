// Svix / Standard Webhooks signatures: verify what arrives, sign what users' tests send; and Svix' message ids.
// Source: the Standard Webhooks specification v1.0.0 and the suites of the official libraries.
#pragma once

#include "core/vendor/signature.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wearables::svix {

// Of a delivery's signature header the first so many bytes are looked at, and in them the first so
// many well-formed v1 signatures: a sender that rotates its secret sends 11 at most.
inline constexpr std::size_t kMaxSignatureBytes = 65536;
inline constexpr std::size_t kMaxSignatures = 32;

// The attempt's Unix seconds when some `v1` signature matches some secret, in constant time, and
// the timestamp is within `tolerance_seconds` of `now_seconds`, both inclusive. Secrets: base64
// with or without `whsec_`; malformed ones are passed over. Fails closed: no secret is kNoSecret,
// no usable one kBadSecret. Of several errors the one that comes first in Code.
Result<std::int64_t> verify(const SignedHeaders& headers, std::string_view body,
                            std::span<const std::string_view> secrets, std::int64_t now_seconds,
                            std::int64_t tolerance_seconds = kDefaultToleranceSeconds);

// The first acceptance that verify() would take the delivery by. A secret is hashed with once,
// however many name it, and not at all where the header holds no well-formed v1 signature or no
// acceptance finds the timestamp fresh. Of several errors the one that tells the sender most:
// a missing secret counts only where no acceptance has one. A secret that cannot be read answers as
// one that does not match.
Result<Accepted> verify_any(const SignedHeaders& headers, std::string_view body,
                            std::span<const Acceptance> acceptances, std::int64_t now_seconds);

// The same without the age check, for stored deliveries; the signature still covers the timestamp.
Result<std::int64_t> verify_ignoring_age(const SignedHeaders& headers, std::string_view body,
                                         std::span<const std::string_view> secrets);

// `v1,<base64>` over `id.timestamp.body`. kInvalidArgument unless the timestamp is positive and the
// id neither empty nor with a full stop, which would let the text be split in two ways.
Result<std::string> sign(std::string_view id, std::int64_t timestamp_seconds, std::string_view body,
                         std::string_view secret);

// kBadSecret unless `secret` decodes to at least one byte; whsk_ and whpk_ keys are refused by
// name. White space at the ends is ignored: files end in a newline.
Result<Done> check_secret(std::string_view secret);

// The same, and kBadSecret below so many bytes: the least that the specification allows. What signs
// for others (sign(), verify()) takes shorter ones: Svix' own documented example has 18 bytes.
inline constexpr std::size_t kMinSecretBytes = 24;
Result<Done> check_secret_strength(std::string_view secret);

inline constexpr HeaderFamily kHeaderFamilies[] = {{"svix-id", "svix-timestamp", "svix-signature"},
                                                   {"webhook-id", "webhook-timestamp", "webhook-signature"}};

inline constexpr char kMismatch[] = "no v1 signature matches";

inline constexpr SignatureScheme kSignatures{kHeaderFamilies, kMismatch, verify_any, sign, check_secret_strength};

// Milliseconds since 1970 of a KSUID message id: exactly `msg_` and 27 digits 0-9A-Za-z of which
// the number fits 160 bits; nothing for any other text. Layout: 4 bytes seconds since 1 400 000
// 000, 1 byte milliseconds/4 (svix KsuidMs: times 4, modulo 1000), 15 random bytes. Source:
// svix/rust-ksuid.
std::optional<std::int64_t> message_time_ms(std::string_view message_id) noexcept;

}  // namespace wearables::svix
