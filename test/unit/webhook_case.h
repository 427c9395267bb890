// One delivery against verify(), as a row of a table.
#pragma once

#include "core/base/bytes.h"
#include "core/vendor/svix.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wearables::testing {

using namespace svix;

// The fixture of every official suite. Time is a parameter here, so "now" is its timestamp.
inline constexpr std::string_view kSecret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
inline constexpr std::string_view kOtherSecret = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
inline constexpr std::string_view kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
inline constexpr std::string_view kBody = R"({"test": 2432232314})";
inline constexpr std::int64_t kNow = 1614265330;
inline constexpr std::string_view kNowText = "1614265330";
inline constexpr std::string_view kValid = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

// The signature a sender would write, over these very texts; independent of sign().
inline std::string raw_signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                                 std::string_view body) {
  const std::string key = base64_decode(secret).value();
  const std::string text = std::string(id) + "." + std::string(timestamp) + "." + std::string(body);
  return base64_encode(bytes_of(hmac_sha256(key, text)));
}

// What the delivery says, what was signed where that differs, and what verify() must answer.
struct Case {
  std::string name;  // row of the suites, or the place where the libraries disagree
  std::string id{kId};
  std::string timestamp{kNowText};
  std::string body{kBody};
  std::string signature = "{v1}";  // see signature_header()
  std::vector<std::string> secrets{std::string(kSecret)};
  std::optional<std::string> signed_timestamp{};
  std::optional<std::string> signed_body{};
  std::int64_t tolerance = kDefaultToleranceSeconds;
  bool ignore_age = false;
  std::optional<Code> code{};  // nothing: must verify
  std::string why{};           // of our choice
};

inline void replace_all(std::string& text, std::string_view mark, std::string_view by) {
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + by.size())) {
    text.replace(at, mark.size(), by);
  }
}

// {v1}: the valid element, {sig}: the same without "v1,", {other}: an element made with
// kOtherSecret.
inline std::string signature_header(const Case& c) {
  const std::string timestamp = c.signed_timestamp.value_or(c.timestamp);
  const std::string body = c.signed_body.value_or(c.body);
  const std::string valid = raw_signature(kSecret, c.id, timestamp, body);
  std::string text = c.signature;
  replace_all(text, "{v1}", "v1," + valid);
  replace_all(text, "{sig}", valid);
  replace_all(text, "{other}", "v1," + raw_signature(kOtherSecret, c.id, timestamp, body));
  return text;
}

// Empty values stay empty, which is how a table row says "absent".
inline Result<std::int64_t> deliver(const Case& c, const std::string& family) {
  const std::string signature = signature_header(c);
  HeaderPicker picker(svix::kHeaderFamilies);
  picker.offer(family + "-id", c.id);
  picker.offer(family + "-timestamp", c.timestamp);
  picker.offer(family + "-signature", signature);
  const std::vector<std::string_view> secrets(c.secrets.begin(), c.secrets.end());
  if (c.ignore_age) return verify_ignoring_age(picker.headers(), c.body, secrets);
  return verify(picker.headers(), c.body, secrets, kNow, c.tolerance);
}

inline void expect_outcome(const Case& c, const Result<std::int64_t>& result) {
  ASSERT_EQ(result.ok(), !c.code.has_value()) << result.error().message;
  if (result.ok()) {
    const std::size_t zeros = c.timestamp.find_first_not_of('0');
    EXPECT_EQ(std::to_string(result.value()), c.timestamp.substr(zeros));
  } else {
    EXPECT_EQ(result.error().code, *c.code) << result.error().message;
    EXPECT_FALSE(result.error().message.empty());
  }
}

// Every row is delivered under both families of header names.
inline void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    for (const std::string family : {"svix", "webhook"}) {
      SCOPED_TRACE(family + ": " + c.name + (c.why.empty() ? "" : " (" + c.why + ")"));
      expect_outcome(c, deliver(c, family));
    }
  }
}

}  // namespace wearables::testing
