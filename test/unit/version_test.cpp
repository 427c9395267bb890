#include "core/write/sample.h"
#include "core/write/version.h"
#include "core/vendor/svix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace wearables {
namespace {

using svix::message_time_ms;

struct Known {
  const char* ksuid;
  std::int64_t ms;
};

// Ids of the vendor's documentation and tests, the ends of the range, and one made with no payload.
const Known kMessageIds[] = {
    {"27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553200}, {"2KWPBgLlAfxdpx2AI54pPJ85f4W", 1674087231400},
    {"24NVKcPqNLXKu3xQhJnw8fSumZK", 1643470968168}, {"2KWPBdHJtZgRy4d5v9zR2Nk3TuK", 1674087231000},
    {"000000000000000000000000000", 1400000000000}, {"aWgEPTl1tmebfsQzFP4bxwgy80V", 5694967295020},
};

TEST(MessageTime, KnownIds) {
  for (const Known& known : kMessageIds) {
    EXPECT_EQ(message_time_ms(std::string("msg_") + known.ksuid), known.ms) << known.ksuid;
  }
}

struct Reference {
  const char* ksuid;
  std::int64_t seconds;
  int fifth_byte;
};

// Lines of svix/rust-ksuid tests/test_kuids.txt: plain KSUIDs, so the fifth byte is random here and
// moves the time by at most a second.
const Reference kReferences[] = {
    {"000000pryYUMiBILyxOCoroLz6w", 1400000000, 0x1b}, {"02GY99XXwBHbeBundUPJoqYpvet", 1404299266, 0x1c},
    {"04X6IIDacKaayM4WWom0flpf3mY", 1408598532, 0x1c}, {"06neRUhXJYTR91j4xEPDUA0V5tP", 1412897798, 0x99},
    {"094CagOCzNhvjoRZRDVDHJKnqOz", 1417197064, 0xfc}, {"1n4zDt7GFkSswJ3xakbE7WmJcJT", 1610664034, 0x3b},
    {"3cQWawBPNBPWPAu0slalPsUJVtw", 1825627334, 0xa0}, {"4w2Lu1POk4NI1LlS7tLO6RhxXcp", 1980400910, 0xfb},
    {"7H7bKtN2s0UqDwbgAUpul99vKUo", 2255553934, 0x45}, {"7yC48WC7YZoBtnM8lJG6tAlIF7E", 2337239988, 0x00},
    {"Avog4wr5pg8jsUvRKS0bMcWGvfR", 2685480534, 0xb8}, {"Bv1Y3dd1slBcykUPsem6C9zAyvc", 2801560716, 0x01},
    {"EaVkoxCTqthH0fcB70FCa4GRXoM", 3115407134, 0xc5}, {"IFCpYyuaJTvWzRQ3LSviJIPgWpj", 3545333734, 0xfe},
    {"LttuItm9X2fy8zJjGq3WTYL8xQ2", 3975260334, 0x56}, {"PYaz2yfEQqhwTqOA1KjjaCFmw13", 4405186934, 0xf8},
    {"TDI3mvlbqSOCDSP3OYhbnmCLXrh", 4835113534, 0x9a}, {"Wrz8WuzgQFoPNN5M7FejEOHRUkH", 5265040134, 0x81},
    {"aUPf7mFrUnN0EOdNdxHfaKaityu", 5690667468, 0x81}, {"aWgEPSxXBanB99NnxEAvXojbELl", 5694967295, 0xe5},
};

TEST(MessageTime, ReferenceList) {
  for (const Reference& line : kReferences) {
    const std::int64_t ms = line.seconds * 1000 + line.fifth_byte * 4 % 1000;
    EXPECT_EQ(message_time_ms(std::string("msg_") + line.ksuid), ms) << line.ksuid;
  }
}

TEST(MessageTime, IdsSortByTimeByteForByte) {
  EXPECT_TRUE(std::is_sorted(
      std::begin(kReferences), std::end(kReferences),
      [](const Reference& a, const Reference& b) { return std::string_view(a.ksuid) < std::string_view(b.ksuid); }));
}

TEST(MessageTime, OtherIdsHaveNone) {
  const std::string valid = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
  ASSERT_TRUE(message_time_ms(valid));
  const std::vector<std::string> others = {
      "",
      "msg_",
      "msg_p5jXN8AQM9LWM0D4loKWxJek",  // ids of the vendor's tests that are no KSUIDs
      "msg_loFOjxBNrRLzqYUf",
      valid.substr(4),
      valid.substr(0, 30),
      valid + "0",
      "msg_0" + valid.substr(4),
      "MSG_" + valid.substr(4),
      "evt_" + valid.substr(4),
      "msg-" + valid.substr(4),
      " " + valid,
      valid + "\n",
      "msg_aWgEPTl1tmebfsQzFP4bxwgy80W",  // one more than 160 bits hold
      "msg_aWgEPTl1tmebfsQzFP4bxwgy810",
      "msg_aWgEPTl1tmebfsQzFP4bxwgz000",
      "msg_b00000000000000000000000000",
      "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz",
      "msg_27UH4WbU6Z5A5EzD8u03UvzRbp-",
      "msg_27UH4WbU6Z5A5EzD8u03UvzRbp_",
      "msg_-7UH4WbU6Z5A5EzD8u03UvzRbpk",
      "msg_27UH4WbU6Z5A5 zD8u03UvzRbpk",
      "msg_27UH4WbU6Z5A5\xc3\xa9"
      "D8u03UvzRbpk",
      std::string("msg_27UH4WbU6Z5A5\0zD8u03UvzRbpk", 31),
  };
  for (const std::string& id : others) EXPECT_EQ(message_time_ms(id), std::nullopt) << id;
}

// The numbers are for ever: they are stored with every sample.
TEST(Version, KnownAnswers) {
  EXPECT_EQ(version_of(1649367553200, EventAge::kCreated, "junction", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            1729487231464509424);
  EXPECT_EQ(version_of(0, EventAge::kCreated, "junction", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"), 266224);
  EXPECT_EQ(version_of(0, EventAge::kCreated, "", ""), 225696);
  EXPECT_EQ(version_of(1, EventAge::kCreated, "a", "b"), 1232275);
  EXPECT_EQ(version_of(1, EventAge::kCreated, "ab", ""), 1357029);
}

TEST(Version, EndpointAndMessageAreToldApart) {
  EXPECT_NE(version_of(1, EventAge::kCreated, "ab", "c"), version_of(1, EventAge::kCreated, "a", "bc"));
  EXPECT_NE(version_of(1, EventAge::kCreated, "a", "m"), version_of(1, EventAge::kCreated, "b", "m"));
}

TEST(Version, TheOriginOutweighsTheHash) {
  std::int64_t last = -1;
  for (std::int64_t ms = 1700000000000; ms < 1700000000100; ++ms) {
    const std::int64_t version = version_of(ms, EventAge::kCreated, "junction", "msg_" + std::to_string(ms * 7919));
    EXPECT_GT(version, last);
    EXPECT_EQ(version_origin_ms(version), ms);
    last = version;
  }
}

TEST(Version, OriginsOutsideTheRangeCountAsTheNearestInside) {
  constexpr std::int64_t kLargest = (std::int64_t{1} << 43) - 1;
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t ms : {kMin, std::int64_t{-1}, std::int64_t{0}}) {
    EXPECT_EQ(version_of(ms, EventAge::kCreated, "e", "m"), version_of(0, EventAge::kCreated, "e", "m"));
    EXPECT_EQ(version_origin_ms(version_of(ms, EventAge::kCreated, "e", "m")), 0);
  }
  for (const std::int64_t ms : {kLargest, kLargest + 1, kMax}) {
    EXPECT_EQ(version_of(ms, EventAge::kCreated, "e", "m"), version_of(kLargest, EventAge::kCreated, "e", "m"));
    EXPECT_EQ(version_origin_ms(version_of(ms, EventAge::kCreated, "e", "m")), kLargest);
  }
}

TEST(Version, AnUpdateOutranksACreationOfTheSameMillisecond) {
  for (int i = 0; i < 100; ++i) {
    const std::string created = "msg_" + std::to_string(i), updated = "msg_" + std::to_string(i + 1000);
    EXPECT_LT(version_of(5, EventAge::kCreated, "e", created), version_of(5, EventAge::kUpdated, "e", updated));
    EXPECT_LT(version_of(5, EventAge::kUpdated, "e", updated), version_of(6, EventAge::kCreated, "e", created));
  }
}

TEST(VersionOfDocument, IsItsOriginAndAHashOfItsIdentity) {
  EXPECT_EQ(version_of_document(5, "night-1"), version_of_document(5, "night-1"));
  EXPECT_NE(version_of_document(5, "night-1"), version_of_document(5, "night-2"));
  EXPECT_EQ(version_origin_ms(version_of_document(5, "night-1")), 5);
}

// The numbers are for ever: they are part of the key of every sample of a document.
TEST(PartOf, KnownAnswers) {
  EXPECT_EQ(part_of("abc"), static_cast<std::int16_t>(0xba78));  // SHA-256("abc") begins with ba7816bf
  EXPECT_EQ(part_of(""), static_cast<std::int16_t>(0xe3b0));
}

TEST(PartOf, IsNeverThatOfTheWhole) {
  for (int i = 0; i < 200000; ++i) ASSERT_NE(part_of(std::to_string(i)), kWholePart);
}

TEST(Version, AnEventTellsOfADayAfterItsOriginAtMost) {
  constexpr std::int64_t kDayMs = 86'400'000;
  EXPECT_EQ(latest_instant_of(version_of(1700000000123, EventAge::kUpdated, "e", "m")),
            (1700000000123 + kDayMs) * kMicrosPerMillisecond);
  EXPECT_EQ(latest_instant_of(version_of(-1, EventAge::kCreated, "e", "m")), kMicrosPerDay);
}

}  // namespace
}  // namespace wearables
