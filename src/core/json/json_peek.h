// A look at some members of a body, without a walk over all of it. json.cpp's own.
#pragma once

#include "core/json/json_values.h"

#include <span>

namespace wearables {

class Peek : public Walk {
 public:
  Peek(std::string_view body, const FieldSet& fields, std::span<Value> values, const PeekGoal& goal)
      : Walk(body, nullptr), fields_(fields), values_(values), goal_(goal) {}

  Result<bool> run() {
    WEARABLES_ASSERT(values_.size() == fields_.size());
    const Destination destination = destination_of(fields_, values_.data(), nullptr);
    const auto done = Walk::run(
        [&](od::object& root) {
          return members(root, {&destination, &fields_.root()}, 1);
        },
        [](od::array&) { return false; });
    if (!done.ok()) return done.error();
    return known_;
  }

 private:
  bool members(od::object& object, const WantedValue& wanted, int depth) {
    return each_member(object, [&](const Name& name, od::value& value) {
      known_ = depth == 1 && goal_.reached(values_);
      return !known_ && member(value, wanted.member(name), depth + 1);
    });
  }

  bool member(od::value& value, const WantedValue& wanted, int depth) {
    const char first = *start(value);
    if (wanted.node == nullptr || first == '[') return true;
    if (first != '{') return take(value, wanted, depth);
    od::object object;
    return wanted.node->leaf() || (passed(value.get_object().get(object)) && members(object, wanted, depth));
  }

  const FieldSet& fields_;
  const std::span<Value> values_;
  const PeekGoal& goal_;
  bool known_ = false;
};

Result<bool> peek_object(std::string_view body, const FieldSet& fields, std::span<Value> values, const PeekGoal& goal) {
  return Peek(body, fields, values, goal).run();
}

// A copy of nothing in place of a large one makes the workspace release it.
void forget_large_body() { Workspace::get().copy({}); }

}  // namespace wearables
