// Foreign texts on their way into tables.
#pragma once

#include "core/base/pure.h"

#include <string>
#include <string_view>

namespace wearables {

// 1 to `max` bytes, none of them a control character (a NUL above all).
bool is_printable(std::string_view text, std::size_t max) noexcept;

// Nothing in it but blanks and control characters, or nothing at all.
bool shows_nothing(std::string_view text) noexcept;

// Printable whatever it was: control characters become '?', and what is beyond `max` bytes is cut
// off, between characters.
std::string printable(std::string_view text, std::size_t max);

// Of letters A to Z the case does not count.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace wearables
