// Every case of the verification suites of the official libraries: Svix (JavaScript, Python, Go,
// Java, Kotlin, C#, Ruby, PHP, Rust), Standard Webhooks (the same and Elixir), the Svix server and
// Svix Bridge. The number in front is that of our reading of the suites; the letters behind tell
// variants apart.
//
// Cases that cannot be put to this interface:
//   18  secret undefined, null, nil    a string_view is never null; empty is refused instead
//   27  tolerance NaN, null, nil       an int64 is neither; the SQL functions are STRICT
//   30  sign with a text as timestamp  an int64 is no text; not positive is refused, see Sign
//   31  null headers, provider, body   views are never null; no header at all is kMissingHeader
//   Py, JS  return value without JSON  verify() returns the timestamp and never looks into the body
//   Elixir  wrong types (id, secret, stamp, payload): the compiler; stamp +-301 s when signing:
//           sign() knows no clock; raises without an id: an error value instead
//   server  Retry-After, redirects, disabling, key lengths when a key is made: the sender's side
//   others  body over its cap, nothing stored of unverified bodies: the receive step, not verify()
#include "webhook_case.h"

namespace wearables {
namespace {

using namespace svix;

using testing::Case;
using testing::expect_all;
using testing::kBody;
using testing::kOtherSecret;
using testing::kSecret;
using testing::kValid;
using enum Code;

const std::string kWrong1 = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
const std::string kWrong2 = "v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
const std::string kWrongTf = "v1,tFtCZ5RDCPxzWQRWXWPgrCgE2frDBe9gjpbWQxnVfsQ=";
const std::string kWrongMm = "v1,Mm7xgUVICxZfQ3bgf0h0Dof65L/IFx+PnZvnDWPCX6Q=";
const std::string kWrong9D = "v1,9DfC1c3eeOrXB6w/5dIDydLNQaEyww5KalE5jLBZucE=";

TEST(WebhookSuites, Headers) {
  expect_all({
      {.name = "1, 2 valid, branded and unbranded"},
      {.name = "3 id absent", .id = "", .code = kMissingHeader},
      {.name = "4 timestamp absent", .timestamp = "", .signed_timestamp = "1614265330", .code = kMissingHeader},
      {.name = "5 signature absent", .signature = "", .code = kMissingHeader},
      {.name = "31 no header at all", .id = "", .timestamp = "", .signature = "", .code = kMissingHeader},
      {.name = "6a timestamp is a word (JS, Py)", .timestamp = "hello", .code = kBadTimestamp},
      {.name = "6b timestamp is a word (Ruby)", .timestamp = "teadwd", .code = kBadTimestamp},
      {.name = "32a version 2 in the id (Java, Kotlin)",
       .id = "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
       .signature = std::string(kValid),
       .code = kBadSignature},
      {.name = "32b no parts in the id",
       .id = "invalid_signature",
       .signature = std::string(kValid),
       .code = kBadSignature},
      {.name = "32c wrong text in the id",
       .id = "v1,invalid_signature",
       .signature = std::string(kValid),
       .code = kBadSignature},
  });
}

TEST(WebhookSuites, Signatures) {
  const auto refused = [](std::string name, std::string signature) {
    return Case{.name = std::move(name), .signature = std::move(signature), .code = kBadSignature};
  };
  expect_all({
      refused("7a wrong (Go)", kWrong1),
      refused("7b wrong (Py)", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="),
      refused("7c wrong (JS, PHP)", "v1,dawfeoifkpqwoekfpqoekf"),
      refused("7d wrong (C#, Ruby)", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLawdd"),
      refused("7e wrong (Rust)", "v1,R3PTzyfHASBKHH98a7yexTwaJ4yNIcGhFQc1yuN+BPU="),
      refused("8 badly formatted", "BAD_SIG_NATURE"),
      refused("9a partial signature", "v1,g0hM9"),
      refused("9b nothing behind the version", "v1,"),
      refused("14 several, none valid", kWrongTf + " " + kWrongMm + " " + kWrong9D),
      {.name = "12a third of four is valid", .signature = kWrong1 + " " + kWrong2 + " {v1} " + kWrong1},
      {.name = "12b the same, all v1 (Rust)", .signature = kWrongTf + " " + kWrongMm + " {v1} " + kWrong9D},
      {.name = "13 last of two is valid (C#)", .signature = kWrong1 + " {v1}"},
      refused("Java: right text, version 2", "v2,{sig}"),
      refused("Java: no parts", "invalid_signature"),
      refused("Java: wrong text", "v1,invalid_signature"),
      refused("Elixir: two words", "invalid signature"),
      refused("a hostile byte", "v1,\xff\xfe\xe2\x82"),
      {.name = "Bridge, others: another body", .signed_body = R"({"test": 2432232315})", .code = kBadSignature},
      {.name = "Bridge: the body that was signed"},
      {.name = "29 empty body (Ruby, JS)", .body = ""},
      {.name = "Py: body is not JSON", .body = "not json"},
  });
}

TEST(WebhookSuites, Timestamps) {
  expect_all({
      {.name = "10 old", .timestamp = "1614265029", .code = kStaleTimestamp},
      {.name = "11 new", .timestamp = "1614265631", .code = kStaleTimestamp},
      {.name = "19a ignoring age: now - 300 (Go)", .timestamp = "1614265030", .ignore_age = true},
      {.name = "19b ignoring age: now + 300 (Go)", .timestamp = "1614265630", .ignore_age = true},
      {.name = "19c ignoring age: now", .ignore_age = true},
      {.name = "19d ignoring age: now - 301 (Rust)", .timestamp = "1614265029", .ignore_age = true},
      {.name = "19e ignoring age: now + 301 (Rust)", .timestamp = "1614265631", .ignore_age = true},
      {.name = "20a ignoring age: altered to 2000-01-01 (Go)",
       .timestamp = "946684800",
       .signed_timestamp = "1614265330",
       .ignore_age = true,
       .code = kBadSignature},
      {.name = "20b ignoring age: altered by one (Rust)",
       .timestamp = "1614265331",
       .signed_timestamp = "1614265330",
       .ignore_age = true,
       .code = kBadSignature},
      {.name = "21 negative, correctly signed (Rust)", .timestamp = "-1", .code = kBadTimestamp},
      {.name = "22a tolerance 900: 600 old", .timestamp = "1614264730", .tolerance = 900},
      {.name = "22b tolerance 900: 600 new", .timestamp = "1614265930", .tolerance = 900},
      {.name = "23a tolerance 60: 120 old", .timestamp = "1614265210", .tolerance = 60, .code = kStaleTimestamp},
      {.name = "23b tolerance 60: 120 new", .timestamp = "1614265450", .tolerance = 60, .code = kStaleTimestamp},
      {.name = "24 wrong signature, wide tolerance", .signature = kWrong1, .tolerance = 900, .code = kBadSignature},
      {.name = "25 altered after signing, wide tolerance",
       .timestamp = "1614264730",
       .signed_timestamp = "1614265330",
       .tolerance = 900,
       .code = kBadSignature},
      {.name = "26a before the epoch, tolerance spans it (Ruby)",
       .timestamp = "-1234",
       .tolerance = 10'000'000'000,
       .code = kBadTimestamp},
      {.name = "26b the same, largest tolerance (PHP)",
       .timestamp = "-1234",
       .tolerance = INT64_MAX,
       .code = kBadTimestamp},
      {.name = "27 negative tolerance", .tolerance = -1, .code = kInvalidArgument},
      {.name = "30 timestamp with fraction (PHP)",
       .timestamp = "161426533.0",
       .tolerance = INT64_MAX,
       .code = kBadTimestamp},
      {.name = "30 timestamp in words (PHP)", .timestamp = "invalid timestamp", .code = kBadTimestamp},
  });
}

TEST(WebhookSuites, Secrets) {
  const std::string secret(kSecret);
  const std::string raw = base64_decode(kSecret).value();
  const auto refused = [](std::string name, std::string text) {
    return Case{.name = std::move(name), .secrets = {std::move(text)}, .code = kBadSecret};
  };
  expect_all({
      {.name = "15a with prefix", .secrets = {"whsec_" + secret}},
      {.name = "15b without prefix", .secrets = {secret}},
      refused("18a empty", ""),
      refused("18b nothing behind the prefix", "whsec_"),
      {.name = "28 raw bytes with another tolerance (Ruby)",
       .timestamp = "1614264730",
       .secrets = {base64_encode(raw)},
       .tolerance = 900},
      refused("server: one letter", "w"),
      refused("server: not base64", "whsec_%"),
      refused("server: public key", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="),
      refused("server: truncated private key", "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfV"),
      refused("server: misspelt prefix", "hwsec_" + secret),
      {.name = "server: rotation, receiver has the old one", .signature = "{other} {v1}"},
      {.name = "server: rotation, receiver has both",
       .signature = "{other} {v1}",
       .secrets = {std::string(kOtherSecret), secret}},
      {.name = "server: rotation, receiver has the new one",
       .signature = "{other} {v1}",
       .secrets = {std::string(kOtherSecret)}},
      {.name = "others: second configured secret", .secrets = {std::string(kOtherSecret), secret}},
      {.name = "others: wrong key", .secrets = {std::string(kOtherSecret)}, .code = kBadSignature},
      {.name = "others: no secret configured", .secrets = {}, .code = kNoSecret},
  });
}

// Py: 32 characters need no padding, 31 one '=', 34 two; the padded and the bare text are one key.
TEST(WebhookSuites, UnpaddedSecrets) {
  const std::string longer = std::string(kSecret) + "Ab";
  for (const auto& [text, padding] :
       {std::pair{longer.substr(0, 32), ""}, {longer.substr(0, 31), "="}, {longer, "=="}}) {
    const std::string signature = sign(testing::kId, testing::kNow, kBody, text + padding).value();
    for (const std::string& secret : {text, text + padding, "whsec_" + text}) {
      expect_all({{.name = secret, .signature = signature, .secrets = {secret}}});
    }
  }
}

}  // namespace
}  // namespace wearables
