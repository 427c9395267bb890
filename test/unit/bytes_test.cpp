#include "core/base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace wearables {
namespace {

std::string hex(const Digest& digest) {
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

struct Pair {
  std::string bytes;
  std::string text;
};

// RFC 4648 section 10, and the two digits that the other alphabet writes otherwise.
const Pair kBase64[] = {{"", ""},
                        {"f", "Zg=="},
                        {"fo", "Zm8="},
                        {"foo", "Zm9v"},
                        {"foob", "Zm9vYg=="},
                        {"fooba", "Zm9vYmE="},
                        {"foobar", "Zm9vYmFy"},
                        {"\xfb\xff\xbe", "+/++"},
                        {std::string(1, '\0'), "AA=="}};

TEST(Base64, KnownAnswersBothWays) {
  for (const Pair& pair : kBase64) {
    EXPECT_EQ(base64_encode(pair.bytes), pair.text);
    EXPECT_EQ(base64_decode(pair.text), pair.bytes) << pair.text;
  }
}

TEST(Base64, PaddingMayBeMissing) {
  EXPECT_EQ(base64_decode("Zg"), "f");
  EXPECT_EQ(base64_decode("Zg="), "f");
  EXPECT_EQ(base64_decode("Zm8"), "fo");
  EXPECT_EQ(base64_decode("Zm9vYg"), "foob");
}

TEST(Base64, BitsBehindTheLastByteAreIgnored) { EXPECT_EQ(base64_decode("Zh=="), "f"); }

TEST(Base64, OtherTextIsRefused) {
  for (const char* text : {"Z", "Zm9vY", "Zg===", "Zm9v=", "=", "==", "=Zg=", "Z=g=", "Zm9v\n", " Zm9v", "Zm 9v",
                           "Zm-_", "Zm9v!", "Zm9v.", "Zg==Zg==", "Zm9\xc3", "%"}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(base64_decode(std::string_view("Zm\0v", 4)), std::nullopt);
}

TEST(Base64, EveryByteAtEveryLengthSurvives) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes) << bytes.size();
    bytes += static_cast<char>(i * 37);
  }
}

TEST(ConstantTimeComparison, ComparesLengthAndContents) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time({}, ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("bbc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
  EXPECT_FALSE(equal_in_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

// FIPS 180-2, appendix B.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

struct Hmac {
  std::string key;
  std::string message;
  const char* digest;
};

// RFC 4231, cases 1 to 4, 6 and 7 (5 is about truncation); and nothing at all.
const Hmac kHmac[] = {
    {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {std::string(20, '\xaa'), std::string(50, '\xdd'),
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
     "\x18\x19",
     std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {std::string(131, '\xaa'),
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {"", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

TEST(HmacSha256, KnownAnswers) {
  for (const Hmac& known : kHmac) {
    EXPECT_EQ(hex(hmac_sha256(known.key, known.message)), known.digest) << known.message;
  }
}

TEST(HmacSha256, AnEmptyKeyDoesNotReuseTheLastOne) {
  const Digest empty = hmac_sha256({}, "message");
  hmac_sha256("another key", "message");
  EXPECT_EQ(hmac_sha256({}, "message"), empty);
}

}  // namespace
}  // namespace wearables
