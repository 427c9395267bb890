#include "core/json/storable_json.h"

#include "core/json/json_text.h"

namespace wearables {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";  // as long as the escape it stands for
constexpr std::string_view kNull = "null";

}  // namespace

std::string storable_json(std::string_view text) {
  std::string replaced;
  std::string storable = without_far_items(replace_unstorable_values(text, &replaced) ? replaced : text);
  for (std::size_t at = find_unstorable_escape(storable, 0); at < storable.size();
       at = find_unstorable_escape(storable, at)) {
    storable.replace(at, kReplacement.size(), kReplacement);
  }
  std::size_t at = 0;
  for (auto number = find_unstorable_number(storable, at); !number.empty();
       number = find_unstorable_number(storable, at)) {
    at = static_cast<std::size_t>(number.data() - storable.data());
    storable.replace(at, number.size(), std::string(number.size(), ' ').replace(0, kNull.size(), kNull));
  }
  return storable;
}

}  // namespace wearables
