#include "core/text.h"

#include <algorithm>

namespace wearables {
namespace {

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

bool is_printable(std::string_view text, std::size_t max) noexcept {
  return !text.empty() && text.size() <= max && std::none_of(text.begin(), text.end(), is_control);
}

std::string printable(std::string_view text, std::size_t max) {
  if (text.size() > max) {
    while (max > 0 && is_continuation(text[max])) --max;
    text = text.substr(0, max);
  }
  std::string result(text);
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return result;
}

}  // namespace wearables
