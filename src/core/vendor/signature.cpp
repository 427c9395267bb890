#include "core/vendor/signature.h"

#include "core/base/assert.h"
#include "core/base/text.h"

#include <algorithm>

namespace wearables {
namespace {

struct HeaderField {
  std::string_view HeaderFamily::*name;
  std::string_view SignedHeaders::*value;
};
constexpr HeaderField kHeaderFields[] = {{&HeaderFamily::id, &SignedHeaders::id},
                                         {&HeaderFamily::timestamp, &SignedHeaders::timestamp},
                                         {&HeaderFamily::signature, &SignedHeaders::signature}};

bool complete(const SignedHeaders& headers) noexcept {
  return !headers.id.empty() && !headers.timestamp.empty() && !headers.signature.empty();
}

bool blank(const SignedHeaders& headers) noexcept {
  return headers.id.empty() && headers.timestamp.empty() && headers.signature.empty();
}

}  // namespace

bool HeaderFamily::has(std::string_view name) const noexcept {
  return std::any_of(std::begin(kHeaderFields), std::end(kHeaderFields),
                     [&](const HeaderField& field) { return equal_ignoring_case(name, this->*field.name); });
}

HeaderPicker::HeaderPicker(std::span<const HeaderFamily> families) noexcept : families_(families) {
  WEARABLES_ASSERT(families.size() <= kMaxHeaderFamilies);
}

void HeaderPicker::offer(std::string_view name, std::string_view value) noexcept {
  for (std::size_t i = 0; i < families_.size(); ++i) {
    for (const HeaderField& field : kHeaderFields) {
      std::string_view& slot = values_[i].*field.value;
      if (slot.empty() && equal_ignoring_case(name, families_[i].*field.name)) slot = value;
    }
  }
}

SignedHeaders HeaderPicker::headers() const noexcept {
  const auto begin = values_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(families_.size());
  if (const auto whole = std::find_if(begin, end, complete); whole != end) return *whole;
  const auto any = std::find_if_not(begin, end, blank);
  return any == end ? SignedHeaders{} : *any;
}

}  // namespace wearables
