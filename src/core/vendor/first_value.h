// What stands at the first of several places of a body, for vendors that are not sure where they put it.
#pragma once

#include "core/base/result.h"
#include "core/json/field_set.h"

#include <span>
#include <string>
#include <string_view>

namespace wearables {

struct FoundValue {
  Kind kind = Kind::kMissing;  // kMissing: at none of them
  std::string text;            // of kString and kNumber
  double number = 0;           // as Value::number
};

enum class Wanted { kAnyKind, kTexts };

// The value at the first of the dotted `paths` where one stands that is not null, of a body that is one object.
// kInvalidJson for a body that is not JSON.
Result<FoundValue> first_value(std::string_view body, std::span<const std::string_view> paths, Wanted wanted);

}  // namespace wearables
