#include "core/webhook.h"

#include "core/bytes.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace wearables {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

struct HeaderField {
  std::string_view name;
  std::string_view SignedHeaders::*value;
};
constexpr HeaderField kHeaderFields[] = {{"id", &SignedHeaders::id},
                                         {"timestamp", &SignedHeaders::timestamp},
                                         {"signature", &SignedHeaders::signature}};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool complete(const SignedHeaders& headers) noexcept {
  return !headers.id.empty() && !headers.timestamp.empty() && !headers.signature.empty();
}

bool blank(const SignedHeaders& headers) noexcept {
  return headers.id.empty() && headers.timestamp.empty() && headers.signature.empty();
}

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) + 1 - first);
}

Result<std::string> decode_secret(std::string_view secret) {
  std::string_view text = trimmed(secret);
  if (text.starts_with("whsk_") || text.starts_with("whpk_")) {
    return {Code::kBadSecret,
            "a whsk_ or whpk_ key is for asymmetric signatures, not a signing secret"};
  }
  if (text.starts_with(kSecretPrefix)) text.remove_prefix(kSecretPrefix.size());
  if (text.empty()) return {Code::kBadSecret, "the signing secret is empty"};
  std::optional<std::string> key = base64_decode(text);
  if (!key) return {Code::kBadSecret, "the signing secret is not base64"};
  return *std::move(key);
}

Result<std::vector<std::string>> decode_secrets(std::span<const std::string_view> secrets) {
  if (secrets.empty()) return {Code::kNoSecret, "no signing secret is configured"};
  std::vector<std::string> keys;
  for (const std::string_view secret : secrets) {
    Result<std::string> key = decode_secret(secret);
    if (key.ok()) {
      keys.push_back(std::move(key).value());
    } else if (secrets.size() == 1) {
      return key.error();
    }
  }
  if (keys.empty()) return {Code::kBadSecret, "no configured signing secret is usable"};
  return keys;
}

Result<Done> check_presence(const SignedHeaders& headers) {
  for (const HeaderField& field : kHeaderFields) {
    if (!(headers.*field.value).empty()) continue;
    std::string message = "the ";
    message.append(field.name)
        .append(" header is missing: all three svix-* or all three webhook-* headers are needed");
    return {Code::kMissingHeader, std::move(message)};
  }
  return Done{};
}

// Whole digits, so that there is one reading of what was signed: the header's own text.
Result<std::int64_t> parse_timestamp(std::string_view text) {
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, seconds);
  if (failure != std::errc{} || stop != end || seconds <= 0) {
    return {Code::kBadTimestamp, "the timestamp header is not positive whole unix seconds"};
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
  return {Code::kStaleTimestamp, "the timestamp lies " + std::to_string(distance) + " s in the " +
                                     (past ? "past" : "future") + ", tolerated are " +
                                     std::to_string(limit.tolerance) + " s"};
}

// One piece, for the one-shot HMAC. Its memory is kept from call to call, unless it is large: fresh
// memory costs as much again as the copy into it. Good until the next call.
const std::string& signed_text(std::string_view id, std::string_view timestamp,
                               std::string_view body) {
  constexpr std::size_t kAlwaysKept = std::size_t{1} << 20;
  static auto* const text = new std::string;
  const std::size_t size = id.size() + timestamp.size() + body.size() + 2;
  if (text->capacity() > kAlwaysKept && size < text->capacity() / 4) *text = std::string();
  text->clear();
  text->reserve(size);
  return text->append(id).append(1, '.').append(timestamp).append(1, '.').append(body);
}

std::string signature_of(std::string_view text, std::string_view key) {
  return "v1," + base64_encode(bytes_of(hmac_sha256(key, text)));
}

// Elements stand between single blanks. One that is not to the byte what we would write is no
// match: other versions, missing commas, missing padding and partial signatures need no rules of
// their own.
bool lists(std::string_view signatures, std::string_view expected) noexcept {
  while (!signatures.empty()) {
    const std::size_t length = std::min(signatures.find(' '), signatures.size());
    if (equal_in_constant_time(signatures.substr(0, length), expected)) return true;
    signatures.remove_prefix(std::min(length + 1, signatures.size()));
  }
  return false;
}

// With a full stop in the id, parts of a signed text could be passed off as other parts.
Result<Done> check_signature(const SignedHeaders& headers, std::string_view body,
                             const std::vector<std::string>& keys) {
  if (headers.id.find('.') != std::string_view::npos) {
    return {Code::kBadSignature, "the id header holds a full stop"};
  }
  const std::string& text = signed_text(headers.id, headers.timestamp, body);
  for (const std::string& key : keys) {
    if (lists(headers.signature, signature_of(text, key))) return Done{};
  }
  return {Code::kBadSignature, "no v1 signature matches"};
}

// What costs nothing comes first: a body is hashed only for a delivery that is fresh.
Result<std::int64_t> check_delivery(const SignedHeaders& headers, std::string_view body,
                                    std::span<const std::string_view> secrets,
                                    const std::optional<AgeLimit>& limit) {
  const Result<std::vector<std::string>> keys = decode_secrets(secrets);
  if (!keys.ok()) return keys.error();
  if (const auto present = check_presence(headers); !present.ok()) return present.error();
  const Result<std::int64_t> seconds = parse_timestamp(headers.timestamp);
  if (!seconds.ok()) return seconds.error();
  if (limit) {
    if (const auto fresh = check_age(seconds.value(), *limit); !fresh.ok()) return fresh.error();
  }
  if (const auto match = check_signature(headers, body, keys.value()); !match.ok()) {
    return match.error();
  }
  return seconds.value();
}

}  // namespace

void HeaderPicker::offer(std::string_view name, std::string_view value) noexcept {
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos) return;
  const std::string_view family = name.substr(0, dash);
  SignedHeaders* const headers = equal_ignoring_case(family, "svix")      ? &svix_
                                 : equal_ignoring_case(family, "webhook") ? &webhook_
                                                                          : nullptr;
  if (headers == nullptr) return;
  for (const HeaderField& field : kHeaderFields) {
    std::string_view& slot = headers->*field.value;
    if (slot.empty() && equal_ignoring_case(name.substr(dash + 1), field.name)) slot = value;
  }
}

SignedHeaders HeaderPicker::headers() const noexcept {
  if (complete(svix_)) return svix_;
  if (complete(webhook_) || blank(svix_)) return webhook_;
  return svix_;
}

Result<std::int64_t> verify(const SignedHeaders& headers, std::string_view body,
                            std::span<const std::string_view> secrets, std::int64_t now_seconds,
                            std::int64_t tolerance_seconds) {
  if (tolerance_seconds < 0) return {Code::kInvalidArgument, "the tolerance is negative"};
  return check_delivery(headers, body, secrets, AgeLimit{now_seconds, tolerance_seconds});
}

Result<std::int64_t> verify_ignoring_age(const SignedHeaders& headers, std::string_view body,
                                         std::span<const std::string_view> secrets) {
  return check_delivery(headers, body, secrets, std::nullopt);
}

Result<std::string> sign(std::string_view id, std::int64_t timestamp_seconds, std::string_view body,
                         std::string_view secret) {
  if (id.empty()) return {Code::kInvalidArgument, "the message id is empty"};
  if (id.find('.') != std::string_view::npos) {
    return {Code::kInvalidArgument, "the message id holds a full stop"};
  }
  if (timestamp_seconds <= 0) return {Code::kInvalidArgument, "the timestamp is not positive"};
  const Result<std::string> key = decode_secret(secret);
  if (!key.ok()) return key.error();
  return signature_of(signed_text(id, std::to_string(timestamp_seconds), body), key.value());
}

Result<Done> check_secret(std::string_view secret) {
  const Result<std::string> key = decode_secret(secret);
  if (!key.ok()) return key.error();
  return Done{};
}

}  // namespace wearables
