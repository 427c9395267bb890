// Input: a line with the secret, header lines "name: value" up to an empty line, then the body.
// The clock stands at the timestamp of the official suites.
#include "core/vendor/junction.h"
#include "core/write/sample.h"
#include "core/write/version.h"
#include "core/vendor/svix.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace wearables;
using namespace wearables::svix;

constexpr std::int64_t kNow = 1614265330;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t length = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, length);
  rest.remove_prefix(std::min(length + 1, rest.size()));
  return line;
}

struct Delivery {
  std::string_view secret;
  SignedHeaders headers;
  std::string_view body;
};

Delivery read_delivery(std::string_view input) {
  Delivery delivery;
  delivery.secret = take_line(input);
  HeaderPicker picker(svix::kHeaderFamilies);
  for (std::string_view line = take_line(input); !line.empty(); line = take_line(input)) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    picker.offer(line.substr(0, colon), line.substr(colon + 2));
  }
  delivery.headers = picker.headers();
  delivery.body = input;
  return delivery;
}

bool verifies(const Delivery& delivery, const SignedHeaders& headers, std::string_view body) {
  return verify_ignoring_age(headers, body, {&delivery.secret, 1}).ok();
}

void check_verified(const Delivery& delivery, std::int64_t seconds) {
  const SignedHeaders& headers = delivery.headers;
  require(!headers.id.empty() && !headers.timestamp.empty() && !headers.signature.empty());
  require(check_secret(delivery.secret).ok());
  require(seconds > 0);

  std::string other(delivery.body);
  other.push_back(' ');
  require(!verifies(delivery, headers, other));
  if (!delivery.body.empty()) {
    other = delivery.body;
    other.back() = static_cast<char>(other.back() ^ 1);
    require(!verifies(delivery, headers, other));
  }
  const std::string id = std::string(headers.id) + "x";
  require(!verifies(delivery, {id, headers.timestamp, headers.signature}, delivery.body));
}

void check_verify(const Delivery& delivery) {
  const auto any_age = verify_ignoring_age(delivery.headers, delivery.body, {&delivery.secret, 1});
  const auto fresh = verify(delivery.headers, delivery.body, {&delivery.secret, 1}, kNow);
  require(!verify(delivery.headers, delivery.body, {}, kNow).ok());
  require(!fresh.ok() || any_age.ok());
  if (!any_age.ok()) {
    require(any_age.error().code == fresh.error().code || fresh.error().code == Code::kStaleTimestamp);
    return;
  }
  const std::int64_t seconds = any_age.value();
  const bool near = seconds >= kNow - kDefaultToleranceSeconds && seconds <= kNow + kDefaultToleranceSeconds;
  require(fresh.ok() == near);
  require(near || fresh.error().code == Code::kStaleTimestamp);
  check_verified(delivery, seconds);
}

// Whatever sign() makes, verify() takes, alone and in the middle of the list that came in.
void check_sign(const Delivery& delivery) {
  const auto signature = sign(delivery.headers.id, kNow, delivery.body, delivery.secret);
  if (!signature.ok()) return;
  require(check_secret(delivery.secret).ok());
  require(signature.value().size() == 47);
  const std::string now = std::to_string(kNow);
  require(verifies(delivery, {delivery.headers.id, now, signature.value()}, delivery.body));
  const std::string list = std::string(delivery.headers.signature) + " " + signature.value() + " v1,";
  require(verifies(delivery, {delivery.headers.id, now, list}, delivery.body));
  for (const std::size_t length : {3, 4, 8, 46}) {
    const std::string_view partial = std::string_view(signature.value()).substr(0, length);
    require(!verifies(delivery, {delivery.headers.id, now, partial}, delivery.body));
  }
}

// The messages are constants, so that no secret can get into one.
void check_secret_errors(std::string_view secret) {
  const auto result = check_secret(secret);
  if (result.ok()) return;
  require(result.error().code == Code::kBadSecret);
  const std::string& message = result.error().message;
  require(message == check_secret("").error().message || message == check_secret("%").error().message ||
          message == check_secret("whsk_").error().message);
}

void check_version(std::string_view text) {
  const auto ms = message_time_ms(text);
  if (ms) {
    require(text.size() == 31);
    require(*ms >= 1'400'000'000'000 && *ms < 5'694'967'296'000);
  }
  const std::int64_t origin = ms.value_or(static_cast<std::int64_t>(text.size()));
  const std::int64_t version = version_of(origin, EventAge::kCreated, "junction", text);
  require(version < version_of(origin, EventAge::kUpdated, "junction", text));
  require(version >= 0);
  require(version_origin_ms(version) == origin);
  require(version_origin_ms(version_of_document(origin, text)) == origin);
  require(part_of(text) != kWholePart);
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_event_type(std::string_view text) {
  const EventType type = classify(kJunction, text);
  require(lies_in(type.resource, text) && lies_in(type.action, text));
  require(type.resource.find('.') == std::string_view::npos);
  const bool about_a_resource = type.family == EventFamily::kData || type.family == EventFamily::kBackfillDone ||
                                type.family == EventFamily::kPage;
  require(type.resource.empty() != about_a_resource);
  require(type.family != EventFamily::kOther || type.action.empty());
  const std::string name = name_of_type(text);
  require(name.find('.') != std::string::npos && name.size() <= text.size() + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Delivery delivery = read_delivery(input);
  check_verify(delivery);
  check_sign(delivery);
  check_secret_errors(delivery.secret);
  for (const std::string_view text : {delivery.headers.id, delivery.body, input}) {
    check_version(text);
    check_event_type(text);
  }
  return 0;
}
