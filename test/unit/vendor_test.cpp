// The vendors that are known, and that another one is an instance of Vendor and nothing else: one that is made up here
// has its own headers, signatures, event types and places in a body, and goes through the same functions.
#include "core/vendor/vendor.h"

#include "core/base/bytes.h"
#include "core/vendor/envelope.h"
#include "core/vendor/junction.h"
#include "core/vendor/svix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace wearables {
namespace {

constexpr char kAcmeMismatch[] = "no signature matches";

// Acme signs `timestamp:body` by itself, with the secret as it is written, and writes the signature after "hmac=".
std::string acme_signature(std::string_view timestamp, std::string_view body, std::string_view secret) {
  return "hmac=" + base64_encode(bytes_of(hmac_sha256(secret, {timestamp, ":", body})));
}

Result<Accepted> acme_verify_any(const SignedHeaders& headers, std::string_view body,
                                 std::span<const Acceptance> acceptances, std::int64_t now_seconds) {
  if (headers.signature.empty()) return {Code::kMissingHeader, "no signature"};
  std::int64_t sent_at = 0;
  std::from_chars(headers.timestamp.data(), headers.timestamp.data() + headers.timestamp.size(), sent_at);
  for (std::size_t i = 0; i < acceptances.size(); ++i) {
    if (std::abs(sent_at - now_seconds) > acceptances[i].tolerance_seconds) continue;
    for (const std::string_view secret : acceptances[i].secrets) {
      if (acme_signature(headers.timestamp, body, secret) == headers.signature) return Accepted{i, sent_at};
    }
  }
  return {Code::kBadSignature, kAcmeMismatch};
}

Result<std::string> acme_sign(std::string_view, std::int64_t timestamp_seconds, std::string_view body,
                              std::string_view secret) {
  return acme_signature(std::to_string(timestamp_seconds), body, secret);
}

Result<Done> acme_check_secret(std::string_view secret) {
  if (secret.size() < 8) return {Code::kBadSecret, "the secret has fewer than 8 characters"};
  return Done{};
}

constexpr HeaderFamily kAcmeHeaders[] = {{"x-acme-delivery", "x-acme-sent", "x-acme-hmac"}};
constexpr SignatureScheme kAcmeSignatures{kAcmeHeaders, kAcmeMismatch, acme_verify_any, acme_sign, acme_check_secret};

// "m1700000000123": milliseconds, as they are.
std::optional<std::int64_t> acme_message_time_ms(std::string_view id) noexcept {
  std::int64_t ms = 0;
  if (!id.starts_with('m')) return std::nullopt;
  const auto [stop, failure] = std::from_chars(id.data() + 1, id.data() + id.size(), ms);
  if (failure != std::errc{} || stop != id.data() + id.size()) return std::nullopt;
  return ms;
}

constexpr EventPattern kAcmeTypes[] = {{"{resource}.{new|changed}", EventFamily::kData},
                                       {"history.{resource}", EventFamily::kBackfillDone},
                                       {"link.{action}", EventFamily::kConnection}};
constexpr LifecycleWord kAcmeLifecycle[] = {{"made", Lifecycle::kConnected}, {"broken", Lifecycle::kError}};
constexpr LifecycleWord kAcmeErrors[] = {{"returned", Lifecycle::kDeregistered}};
constexpr std::string_view kTopic[] = {"topic"};
constexpr std::string_view kPerson[] = {"who.id", "person"};
constexpr std::string_view kReference[] = {"who.reference"};
constexpr std::string_view kDevice[] = {"link.device"};
constexpr std::string_view kFault[] = {"link.fault"};
constexpr std::string_view kSince[] = {"span.since"};
constexpr std::string_view kUntil[] = {"span.until"};
constexpr std::string_view kWallClock[] = {"sundial"};

constexpr Vendor kAcme{
    .name = "acme",
    .signatures = &kAcmeSignatures,
    .message_time_ms = acme_message_time_ms,
    .event_types = kAcmeTypes,
    .update_action = "changed",
    .lifecycle_actions = kAcmeLifecycle,
    .lifecycle_errors = kAcmeErrors,
    .envelope = {kTopic, kPerson, kReference},
    .connection = {kDevice, kPerson, kFault},
    .backfill = {kDevice, kSince, kUntil},
    .stream = {},
    .pull = nullptr,
    .calls = nullptr,
    .wall_clock_providers = kWallClock,
};

TEST(Vendor, IsFoundByItsWholeName) {
  ASSERT_NE(find_vendor("junction"), nullptr);
  EXPECT_EQ(find_vendor("junction"), &kJunction);
  EXPECT_EQ(&default_vendor(), &kJunction);
  for (const char* name : {"", "Junction", "junction ", "junctio", "acme"}) EXPECT_EQ(find_vendor(name), nullptr);
}

TEST(Vendor, EachKnownOneIsComplete) {
  for (const Vendor* vendor : vendors()) {
    EXPECT_EQ(find_vendor(vendor->name), vendor);
    EXPECT_FALSE(vendor->event_types.empty());
    const auto& headers = vendor->signatures->headers;
    EXPECT_TRUE(!headers.empty() && headers.size() <= kMaxHeaderFamilies);
    for (const MemberPaths paths :
         {vendor->envelope.event_type, vendor->envelope.external_user_id, vendor->envelope.client_user_id,
          vendor->connection.provider, vendor->connection.provider_user_id, vendor->connection.error_type,
          vendor->backfill.provider, vendor->backfill.from, vendor->backfill.to}) {
      EXPECT_FALSE(paths.empty());
    }
  }
}

TEST(Vendor, ProvidersWithWallClockTime) {
  EXPECT_TRUE(is_wall_clock_provider("freestyle_libre"));
  EXPECT_TRUE(is_wall_clock_provider("abbott_libreview"));
  EXPECT_FALSE(is_wall_clock_provider("oura"));
  EXPECT_FALSE(is_wall_clock_provider(""));
}

TEST(AnotherVendor, HasItsOwnEventTypes) {
  const EventType data = classify(kAcme, "heartrate.changed");
  EXPECT_EQ(data.family, EventFamily::kData);
  EXPECT_EQ(data.resource, "heartrate");
  EXPECT_EQ(data.action, "changed");
  EXPECT_EQ(data.age, EventAge::kUpdated);
  EXPECT_EQ(classify(kAcme, "heartrate.new").age, EventAge::kCreated);
  EXPECT_EQ(classify(kAcme, "heartrate.deleted").family, EventFamily::kOther);
  EXPECT_EQ(classify(kAcme, "history.sleep").family, EventFamily::kBackfillDone);
  EXPECT_EQ(classify(kAcme, "link.made").lifecycle, Lifecycle::kConnected);
  EXPECT_EQ(classify(kAcme, "link.broken").lifecycle, Lifecycle::kError);
  EXPECT_EQ(lifecycle_of_error(kAcme, "returned"), Lifecycle::kDeregistered);
  EXPECT_EQ(lifecycle_of_error(kAcme, "deregistered_per_provider"), Lifecycle::kError);
  EXPECT_EQ(classify(kAcme, "link.looked-at").family, EventFamily::kConnection);
  EXPECT_EQ(classify(kAcme, "link.looked-at").lifecycle, Lifecycle::kNothing);
  EXPECT_EQ(classify(kAcme, "daily.data.heartrate.created").family, EventFamily::kOther);
  EXPECT_EQ(classify(kJunction, "heartrate.changed").family, EventFamily::kOther);
  EXPECT_EQ(classify(kAcme, "pulled.data.sleep").family, EventFamily::kPage) << "our own, whoever the vendor is";
}

TEST(AnotherVendor, HasItsOwnPlacesInABody) {
  const std::string body =
      R"({"topic":"heartrate.new","person":"p","who":{"id":"w","reference":"r"},"event_type":"x"})";
  for (const Envelope& envelope : {read_envelope(kAcme, body), peek_envelope(kAcme, body)}) {
    EXPECT_EQ(envelope.event_type, "heartrate.new");
    EXPECT_EQ(envelope.external_user_id, "w");
    EXPECT_EQ(envelope.client_user_id, "r");
  }
  EXPECT_EQ(read_envelope(kJunction, body).event_type, "x") << "each vendor keeps to its own paths";
  const auto link = read_connection(kAcme, R"({"link":{"device":"ring","fault":"gone"},"person":7})");
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(link.value().provider, "ring");
  EXPECT_EQ(link.value().error_type, "gone");
  EXPECT_EQ(link.value().provider_user_id, "7");
  const auto notice = read_backfill_notice(
      kAcme, R"({"link":{"device":"ring"},"span":{"since":"2024-05-01T00:00:00Z","until":"2024-05-02T00:00:00Z"}})");
  ASSERT_TRUE(notice.ok());
  EXPECT_EQ(notice.value().to - notice.value().from, 86'400 * kMicrosPerSecond);
}

TEST(AnotherVendor, HasItsOwnOriginOfAMessage) {
  EXPECT_EQ(origin_ms(kAcme, "m1700000000123", 1700000000), 1700000000123);
  EXPECT_EQ(origin_ms(kAcme, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1700000000), 1700000000000);
  EXPECT_EQ(origin_ms(kAcme, "m1700000301000", 1700000000), 1700000000000) << "made later than it was sent";
  EXPECT_EQ(origin_ms(kJunction, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1700000000), 1649367553200);
}

// Both vendors' endpoints are configured side by side, and a delivery comes without the name of one.
class Deliveries : public ::testing::Test {
 protected:
  static constexpr std::int64_t kNow = 1700000000;
  static constexpr std::string_view kBody = R"({"a":1})";
  static constexpr std::string_view kJunctionSecrets[] = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  static constexpr std::string_view kOtherSecrets[] = {"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"};
  static constexpr std::string_view kAcmeSecrets[] = {"open sesame"};

  // As a proxy hands them over: of one sender only.
  static Result<Accepted> deliver(const Vendor& sender, std::string_view secret) {
    const std::string at = std::to_string(kNow);
    const auto signature = sender.signatures->sign("m1", kNow, kBody, secret);
    const HeaderFamily& names = sender.signatures->headers.front();
    std::vector<Candidate> candidates{{&kAcme, {}, {}},
                                      {&kJunction, {}, {kOtherSecrets}},
                                      {&kAcme, {}, {kAcmeSecrets}},
                                      {&kJunction, {}, {kJunctionSecrets}}};
    for (Candidate& candidate : candidates) {
      HeaderPicker picker(candidate.vendor->signatures->headers);
      picker.offer(names.id, "m1");
      picker.offer(names.timestamp, at);
      picker.offer(names.signature, signature.value());
      candidate.headers = picker.headers();
    }
    return verify_delivery(candidates, kBody, kNow);
  }
};

TEST_F(Deliveries, AreVerifiedByTheSchemeOfEachEndpointsVendor) {
  const auto junction = deliver(kJunction, kJunctionSecrets[0]);
  ASSERT_TRUE(junction.ok()) << junction.error().message;
  EXPECT_EQ(junction.value().place, 3U);
  EXPECT_EQ(junction.value().sent_at, kNow);
  const auto acme = deliver(kAcme, kAcmeSecrets[0]);
  ASSERT_TRUE(acme.ok()) << acme.error().message;
  EXPECT_EQ(acme.value().place, 2U);
}

TEST_F(Deliveries, AreRefusedInTheWordsOfTheSchemeThatCameFurthest) {
  const auto acme = deliver(kAcme, "another secret");
  EXPECT_EQ(acme.error().message, "no signature matches");
  const auto junction = deliver(kJunction, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_EQ(junction.error().message, "no v1 signature matches");
  EXPECT_EQ(verify_delivery({}, kBody, kNow).error().code, Code::kNoSecret);
}

}  // namespace
}  // namespace wearables
