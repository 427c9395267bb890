#include "core/json/json_text.h"
#include "core/base/text.h"

#include <gtest/gtest.h>

#include <string>

namespace wearables {
namespace {

TEST(JsonText, IsNumber) {
  for (const char* text : {"0", "-0", "10", "1.5", "1e5", "1E-5", "-1.25e+400"}) {
    EXPECT_TRUE(is_number(text)) << text;
  }
  for (const char* text : {"", "-", "01", "1.", ".1", "1e", "1e+", "+1", "1x", "1 ", "1.5.5", "1e5e5"}) {
    EXPECT_FALSE(is_number(text)) << text;
  }
}

TEST(JsonText, EscapesValid) {
  for (const char* text : {"", "abc", "\\n\\u12aF\\ud800", "a\" \\q"}) EXPECT_TRUE(escapes_valid(text)) << text;
  for (const char* text : {"\\", "\\q", "\\u", "\\u123", "\\u123g", "\\U0041"}) {
    EXPECT_FALSE(escapes_valid(text)) << text;
  }
}

TEST(Text, ShowsNothing) {
  for (const std::string_view text : {"", " ", "  \t\n\x7f"}) EXPECT_TRUE(shows_nothing(text));
  EXPECT_TRUE(shows_nothing({"\0 ", 2}));
  for (const std::string_view text : {"a", " a", "\n?", "\xC3\xA9"}) EXPECT_FALSE(shows_nothing(text));
}

TEST(Text, PrintableCutsBetweenCharacters) {
  EXPECT_EQ(printable("abc", 5), "abc");
  EXPECT_EQ(printable("abc", 2), "ab");
  EXPECT_EQ(printable("a\xC3\xA9z", 2), "a");
  EXPECT_EQ(printable("a\xC3\xA9z", 3), "a\xC3\xA9");
  EXPECT_EQ(printable("\xF0\x9F\x98\x80", 3), "");
  EXPECT_EQ(printable(std::string_view("a\0\n\x7f", 4), 9), "a???");
  EXPECT_EQ(printable("", 0), "");
  EXPECT_TRUE(is_printable("\xC3\xA9 x", 4));
  EXPECT_FALSE(is_printable("", 4));
  EXPECT_FALSE(is_printable("abcde", 4));
  EXPECT_FALSE(is_printable("a\nb", 4));
}

// Longer texts are asked about eight bytes at a time.
TEST(Text, PrintableHoldsNoControlCharacterAnywhere) {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int code = 0; code < 256; ++code) {
        std::string text(size, at % 2 == 0 ? 'a' : '\xFF');
        text[at] = static_cast<char>(code);
        EXPECT_EQ(is_printable(text, 20), code >= 0x20 && code != 0x7f)
            << "byte " << code << " at " << at << " of " << size;
      }
    }
  }
}

}  // namespace
}  // namespace wearables
