#include "webhook_case.h"

#include <string>
#include <utility>
#include <vector>

namespace wearables {
namespace {

using namespace svix;

using testing::Case;
using testing::expect_all;
using testing::kBody;
using testing::kId;
using testing::kNow;
using testing::kNowText;
using testing::kOtherSecret;
using testing::kSecret;
using testing::kValid;
using enum Code;

struct Known {
  std::string secret;
  std::string id;
  std::int64_t timestamp;
  std::string body;
  std::string signature;
};

// Of the documentation, the suites (C#'s large bodies) and the server.
const Known kKnown[] = {
    {std::string(kSecret), std::string(kId), kNow, std::string(kBody), std::string(kValid)},
    {std::string(kOtherSecret), "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553,
     R"({"email":"test@example.com","username":"test_user"})", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="},
    {"plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", 1731705121, R"({"event_type":"ping","data":{"success":true}})",
     "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="},
    {std::string(kSecret), std::string(kId), kNow, std::string(1048576, 'a'),
     "v1,txpEUxqWZJ5nteTnymUVa+7C4NHpBeXJ6CsBAW0c3/A="},
    {std::string(kSecret), std::string(kId), kNow, std::string(262144, 'a'),
     "v1,Mw4Pe2WgApuT7NSqnSq0PQPV9gbLdggCl9B865x5Xh0="},
    {std::string(kSecret), std::string(kId), kNow, std::string(262143, 'a'),
     "v1,NTItnqyWMoFhk2Bbe5V/BMdcFRWgcSQaTgqLHX7FC7c="},
};

TEST(Sign, KnownAnswers) {
  for (const Known& known : kKnown) {
    const std::string stamp = std::to_string(known.timestamp);
    for (const std::string prefix : {"", "whsec_"}) {
      const auto signature = sign(known.id, known.timestamp, known.body, prefix + known.secret);
      ASSERT_TRUE(signature.ok()) << signature.error().message;
      EXPECT_EQ(signature.value(), known.signature);
    }
    const std::string_view secrets[] = {known.secret};
    EXPECT_TRUE(verify({known.id, stamp, known.signature}, known.body, secrets, known.timestamp));
  }
}

// A result that is ok has an error too, of the first code.
template <class T>
std::optional<Code> code_of(const Result<T>& result) {
  return result.ok() ? std::nullopt : std::optional(result.error().code);
}

TEST(Sign, RefusesWhatVerifyWouldRefuse) {
  EXPECT_EQ(code_of(sign("", kNow, kBody, kSecret)), kInvalidArgument);
  EXPECT_EQ(code_of(sign("msg_a.b", kNow, kBody, kSecret)), kInvalidArgument);
  EXPECT_EQ(code_of(sign(kId, 0, kBody, kSecret)), kInvalidArgument);
  EXPECT_EQ(code_of(sign(kId, -161426533, kBody, kSecret)), kInvalidArgument);
  EXPECT_EQ(code_of(sign(kId, kNow, kBody, "")), kBadSecret);
  EXPECT_EQ(code_of(sign(kId, kNow, kBody, "whsec_%")), kBadSecret);
  EXPECT_EQ(code_of(sign(kId, 1, kBody, kSecret)), std::nullopt);
}

// Where the official libraries disagree, or a suite asks for something else than we do. We take the
// strict reading that still accepts whatever the Svix server can send.
TEST(VerifyChoices, Timestamp) {
  const std::string raw = "only whole positive digits; the server sends nothing else";
  expect_all({
      {.name = "exactly 300 s old; Python, Go and C# refuse it",
       .timestamp = "1614265030",
       .why = "the tolerance is inclusive on both sides, as in six libraries"},
      {.name = "exactly 300 s new", .timestamp = "1614265630", .why = "the same"},
      {.name = "letters behind; JS and PHP read the digits",
       .timestamp = "1614265330abc",
       .signed_timestamp = "1614265330",
       .code = kBadTimestamp,
       .why = raw},
      {.name = "letters behind, signed so", .timestamp = "1614265330abc", .code = kBadTimestamp, .why = raw},
      {.name = "fraction; JS, Python and PHP cut it off",
       .timestamp = "1614265330.9",
       .signed_timestamp = "1614265330",
       .code = kBadTimestamp,
       .why = raw + "; a full stop would also move the parts of the signed text"},
      {.name = "blank before; JS, Python and PHP skip it",
       .timestamp = " 1614265330",
       .signed_timestamp = "1614265330",
       .code = kBadTimestamp,
       .why = raw},
      {.name = "blank behind",
       .timestamp = "1614265330 ",
       .signed_timestamp = "1614265330",
       .code = kBadTimestamp,
       .why = raw},
      {.name = "plus sign; seven libraries accept it",
       .timestamp = "+1614265330",
       .signed_timestamp = "1614265330",
       .code = kBadTimestamp,
       .why = raw},
      {.name = "leading zeros, number signed; seven libraries sign the number anew",
       .timestamp = "01614265330",
       .signed_timestamp = "1614265330",
       .code = kBadSignature,
       .why = "what was signed is the header's own text, as in Ruby and C#"},
      {.name = "leading zeros, text signed", .timestamp = "01614265330", .why = "the same"},
      {.name = "zero; only Ruby and PHP refuse it",
       .timestamp = "0",
       .tolerance = INT64_MAX,
       .code = kBadTimestamp,
       .why = raw},
      {.name = "negative, ignoring age; Rust accepts it",
       .timestamp = "-1",
       .ignore_age = true,
       .code = kBadTimestamp,
       .why = "no attempt was made before 1970, as in Ruby and PHP"},
      {.name = "more than 64 bits",
       .timestamp = "9223372036854775808",
       .tolerance = INT64_MAX,
       .code = kBadTimestamp,
       .why = raw},
      {.name = "64 bits", .timestamp = "9223372036854775807", .tolerance = INT64_MAX, .why = raw},
      {.name = "hexadecimal", .timestamp = "0x60378632", .code = kBadTimestamp, .why = raw},
      {.name = "exponent", .timestamp = "1614265330e0", .code = kBadTimestamp, .why = raw},
  });
}

TEST(VerifyChoices, SignatureList) {
  const std::string skipped = "an element that is no v1 signature is passed over, never an error";
  const std::string exact = "the text must be equal to the byte: 44 characters of base64";
  const auto refused = [](std::string name, std::string signature, std::string why) {
    return Case{
        .name = std::move(name), .signature = std::move(signature), .code = kBadSignature, .why = std::move(why)};
  };
  const auto asymmetric = [&](std::string name, std::string signature, std::string why) {
    Case made = refused(std::move(name), std::move(signature), std::move(why));
    made.code = kAsymmetric;
    return made;
  };
  expect_all({
      {.name = "element without comma; Python raises, C# refuses the list", .signature = "junk {v1}", .why = skipped},
      {.name = "v1 alone; Python and Ruby raise", .signature = "v1 {v1}", .why = skipped},
      {.name = "v1 and comma alone", .signature = "v1, {v1}", .why = skipped},
      {.name = "two blanks; Python raises, C# refuses",
       .signature = "v2,abc  {v1}",
       .why = "empty elements are skipped, as in seven libraries"},
      {.name = "blanks around", .signature = " {v1} ", .why = "the same"},
      {.name = "ed25519 first", .signature = "v1a,AAAA {v1}", .why = "the server may send v1a beside v1"},
      {.name = "the same signature twice", .signature = "{v1} {v1}"},
      refused("text behind a second comma; JS, Java, Go and Kotlin read the field", "{v1},extra", exact),
      refused("unpadded", std::string(kValid.substr(0, 46)), exact),
      refused("junk inside; Python drops it", "v1,g0hM!9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", exact),
      refused("doubled padding", "{v1}=", exact),
      refused("separated by tab; Ruby splits there", "v2,abc\t{v1}", "single blanks separate"),
      refused("separated by comma", "v2,abc,{v1}", "single blanks separate"),
      refused("separated by newline", "v2,abc\n{v1}", "single blanks separate"),
      refused("upper case version", "V1,{sig}", "versions are v1, to the byte"),
      refused("without version", "{sig}", "versions are v1, to the byte"),
      refused("only unknown versions", "v2,{sig} v10,{sig}", "versions are v1, to the byte"),
      asymmetric("no version but the asymmetric one that is known", "v2,{sig} v1a,{sig} v10,{sig}",
                 "versions are v1, to the byte"),
      refused("blank behind the comma", "v1, {sig}", exact),
      refused("bytes beyond ASCII", "v1,\xc3\xa9\xc3\xa9", exact),
      asymmetric("valid ed25519 of the server's test, alone",
                 "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7"
                 "TBAg==",
                 "asymmetric signatures are skipped, as everywhere"),
  });
}

// What an operator is to do must stand in the refusal: no retry makes such a signature match.
TEST(VerifyChoices, AsymmetricSignaturesAreNamed) {
  const std::string asymmetric = "the signature is asymmetric (v1a); configure the sender to sign symmetrically";
  const std::string other = "no v1 signature matches";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"v1a,AAAA", asymmetric},    {"v2,x v1a,AAAA v1a,BBBB", asymmetric},
      {"v1a,", asymmetric},        {"v1a,AAAA v1,AAAA", other},
      {"v1,AAAA v1a,AAAA", other}, {"v1a", other},
      {"v2,AAAA", other},          {"xv1a,AAAA", other}};
  for (const auto& [signature, message] : cases) {
    const std::string timestamp = std::to_string(kNow);
    const std::string_view secrets[] = {kSecret};
    const auto result = verify({kId, timestamp, signature}, "x", secrets, kNow);
    ASSERT_FALSE(result.ok()) << signature;
    EXPECT_EQ(result.error().message, message) << signature;
    EXPECT_EQ(result.error().code, message == asymmetric ? Code::kAsymmetric : Code::kBadSignature) << signature;
  }
}

TEST(VerifyChoices, SecretsAndBodies) {
  const std::string secret(kSecret);
  const std::string other(kOtherSecret);
  const std::string alphabet = "a typing error must show when the secret is set, as in JS, Go, Rust";
  expect_all({
      {.name = "missing padding; Go, Rust and C# refuse it",
       .body = "x",
       .signature = sign(kId, kNow, "x",
                         "AAAA"
                         "AA==")
                        .value(),
       .secrets = {"whsec_AAAAAA"},
       .why = "a key that lost its padding in a shell is still the key"},
      {.name = "newline behind; Java, Rust and Kotlin refuse it",
       .secrets = {secret + "\r\n"},
       .why = "secrets come from files"},
      {.name = "white space around", .secrets = {" \twhsec_" + secret + " \n"}, .why = "the same"},
      {.name = "18 bytes; the specification wants 24",
       .signature = sign(kId, kNow, kBody, "plJ3nmyCDGBKInavdOK15jsl").value(),
       .secrets = {"plJ3nmyCDGBKInavdOK15jsl"},
       .why = "Svix's own example; no library counts"},
      {.name = "other alphabet; Ruby and PHP drop characters",
       .secrets = {"-" + secret.substr(1)},
       .code = kBadSecret,
       .why = alphabet},
      {.name = "blank inside",
       .secrets = {secret.substr(0, 8) + " " + secret.substr(8)},
       .code = kBadSecret,
       .why = alphabet},
      {.name = "one character too many", .secrets = {secret + "A"}, .code = kBadSecret, .why = alphabet},
      {.name = "only white space", .secrets = {" \n"}, .code = kBadSecret},
      {.name = "malformed beside good", .secrets = {"%", secret}, .why = "one bad row must not stop deliveries"},
      {.name = "good beside malformed", .secrets = {secret, ""}, .why = "the same"},
      {.name = "malformed beside wrong", .secrets = {"%", other}, .code = kBadSignature},
      {.name = "none usable", .secrets = {"%", "whsec_"}, .code = kBadSecret, .why = "fails closed"},
      {.name = "no secret, no headers", .id = "", .secrets = {}, .code = kNoSecret},
      {.name = "no secret, ignoring age", .secrets = {}, .ignore_age = true, .code = kNoSecret},
      {.name = "body is not UTF-8; JS signs it decoded, Python raises, Rust refuses",
       .body = "{\"a\":\"\xff\xc3\"}",
       .why = "bytes are signed as received"},
      {.name = "body with NUL", .body = std::string("a\0b", 3), .why = "the same"},
      {.name = "NUL and what follows count",
       .body = std::string("a\0b", 3),
       .signed_body = std::string("a\0c", 3),
       .code = kBadSignature},
      {.name = "full stop in the id; every library accepts it",
       .id = "msg_a.b",
       .code = kBadMessageId,
       .why = "the specification forbids it: parts could change places"},
  });
}

TEST(Verify, RefusesEveryPrefixOfASignature) {
  for (std::size_t length = 1; length < kValid.size(); ++length) {
    expect_all(
        {{.name = "RUSTSEC-2024-0010", .signature = std::string(kValid.substr(0, length)), .code = kBadSignature}});
  }
}

TEST(Verify, EveryBitOfIdTimestampBodyAndSignatureCounts) {
  const std::string_view secrets[] = {kSecret};
  std::string parts[] = {std::string(kId), std::string(kNowText), std::string(kBody), std::string(kValid)};
  const auto passes = [&] { return verify({parts[0], parts[1], parts[3]}, parts[2], secrets, kNow, INT64_MAX).ok(); };
  ASSERT_TRUE(passes());
  for (std::string& part : parts) {
    for (std::size_t bit = 0; bit < part.size() * 8; ++bit) {
      part[bit / 8] = static_cast<char>(part[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(passes()) << part << " bit " << bit;
      part[bit / 8] = static_cast<char>(part[bit / 8] ^ 1 << bit % 8);
    }
  }
}

TEST(Verify, AgesFarApartDoNotOverflow) {
  const std::string_view secrets[] = {kSecret};
  const std::string latest = "9223372036854775807";
  const std::string signature = "v1," + testing::raw_signature(kSecret, kId, latest, kBody);
  const SignedHeaders headers{kId, latest, signature};
  const auto code = [&](const SignedHeaders& of, std::int64_t now, std::int64_t tolerance) {
    return code_of(verify(of, kBody, secrets, now, tolerance));
  };
  EXPECT_EQ(code(headers, INT64_MIN, INT64_MAX), kStaleTimestamp);
  EXPECT_EQ(code(headers, -1, INT64_MAX), kStaleTimestamp);
  EXPECT_EQ(code(headers, 0, INT64_MAX), std::nullopt);
  EXPECT_EQ(code(headers, INT64_MAX, 0), std::nullopt);
  EXPECT_EQ(code({kId, "1", signature}, INT64_MAX, 0), kStaleTimestamp);
}

TEST(Verify, ToleranceZeroIsThisVerySecond) {
  expect_all({{.name = "now", .tolerance = 0},
              {.name = "past", .timestamp = "1614265329", .tolerance = 0, .code = kStaleTimestamp},
              {.name = "future", .timestamp = "1614265331", .tolerance = 0, .code = kStaleTimestamp}});
}

TEST(CheckSecret, NamesWhatIsWrongAndNeverTheSecret) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "empty"},           {"whsec_", "empty"},      {"whsec_%SECRET", "not base64"},
      {"SECRE", "not base64"}, {"whsk_SECRET", "whsk_"}, {" whpk_SECRET", "whpk_"},
  };
  for (const auto& [secret, part] : cases) {
    const Result<Done> result = check_secret(secret);
    ASSERT_FALSE(result.ok()) << secret;
    EXPECT_EQ(result.error().code, kBadSecret);
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
    EXPECT_EQ(result.error().message.find("SECRE"), std::string::npos);
  }
  EXPECT_TRUE(check_secret(kSecret));
  EXPECT_TRUE(check_secret("whsec_" + std::string(kSecret) + "\n"));
  EXPECT_TRUE(check_secret("AA"));
}

using Offers = std::vector<std::pair<std::string_view, std::string_view>>;

std::string picked(const Offers& offers) {
  HeaderPicker picker(kHeaderFamilies);
  for (const auto& [name, value] : offers) picker.offer(name, value);
  const SignedHeaders headers = picker.headers();
  return std::string(headers.id) + "|" + std::string(headers.timestamp) + "|" + std::string(headers.signature);
}

TEST(HeaderPicker, TakesOneFamilyWhole) {
  const Offers svix = {{"svix-id", "a"}, {"svix-timestamp", "b"}, {"svix-signature", "c"}};
  const Offers webhook = {{"webhook-id", "x"}, {"webhook-timestamp", "y"}, {"webhook-signature", "z"}};
  Offers both = webhook;
  both.insert(both.end(), svix.begin(), svix.end());
  EXPECT_EQ(picked(svix), "a|b|c");
  EXPECT_EQ(picked(webhook), "x|y|z");
  EXPECT_EQ(picked(both), "a|b|c");
  EXPECT_EQ(picked({}), "||");

  Offers partial = both;
  partial.pop_back();  // without svix-signature
  EXPECT_EQ(picked(partial), "x|y|z");
  EXPECT_EQ(picked({{"svix-id", "a"}, {"webhook-timestamp", "y"}, {"webhook-signature", "z"}}), "a||");
  EXPECT_EQ(picked({{"webhook-id", "x"}, {"webhook-signature", "z"}}), "x||z");
}

TEST(HeaderPicker, NamesAreFoldedAndWhole) {
  EXPECT_EQ(picked({{"Webhook-Id", "a"}, {"WEBHOOK-TIMESTAMP", "b"}, {"webhook-SIGNATURE", "c"}}), "a|b|c");
  EXPECT_EQ(picked({{"Svix-Id", "a"}, {"SVIX-TIMESTAMP", "b"}, {"svix-SIGNATURE", "c"}}), "a|b|c");
  EXPECT_EQ(picked({{"svix-idx", "a"},
                    {"xsvix-id", "a"},
                    {"svix_id", "a"},
                    {"svix", "a"},
                    {"-id", "a"},
                    {"svix-", "a"},
                    {"", "a"},
                    {"svix-id ", "a"},
                    {"svi\xd8-id", "a"}}),
            "||");
}

TEST(HeaderPicker, TheFirstValueThatIsNotEmptyCounts) {
  EXPECT_EQ(picked({{"svix-id", ""}, {"Svix-Id", "a"}, {"SVIX-ID", "b"}, {"svix-id", ""}}), "a||");
}

}  // namespace
}  // namespace wearables
