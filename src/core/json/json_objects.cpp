// The walk over a body as it is, and the look at some of its members.
#include "core/json/json_walk.h"

#include <cstddef>
#include <span>
#include <string_view>

namespace wearables {
namespace {

class ObjectWalk : public Walk {
 public:
  ObjectWalk(std::string_view body, const FieldSet& fields, RecordSink& sink)
      : Walk(body, nullptr),
        sink_(sink),
        found_(room_for(fields)),
        destination_(destination_of(fields, found_.values.data(), found_.lists.data())),
        wanted_{&destination_, &fields.root()} {}

  Result<WalkFindings> run() {
    const auto done = Walk::run([&](od::object& root) { return object(root, Record::kNotListed); },
                                [&](od::array& array) {
                                  return each_element(array, [&](od::value& value, std::size_t index) {
                                    if (*start(value) != '{') return check(value, 2);
                                    od::object element;
                                    return passed(value.get_object().get(element)) && object(element, index);
                                  });
                                });
    constexpr bool kAnyShapeWillDo = true;
    return findings(done, kAnyShapeWillDo, {});
  }

 private:
  bool object(od::object& members, std::size_t index) {
    found_.clear();
    if (!take_members(members, wanted_, 2)) return false;
    sink_.record({true, found_.values, found_.lists, "", index, 0, 0});
    return true;
  }

  RecordSink& sink_;
  FoundFields found_;
  const Destination destination_;
  const WantedValue wanted_;
};

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

}  // namespace

Result<WalkFindings> walk_objects(std::string_view body, const FieldSet& fields, RecordSink& sink) {
  return ObjectWalk(body, fields, sink).run();
}

Result<bool> peek_object(std::string_view body, const FieldSet& fields, std::span<Value> values, const PeekGoal& goal) {
  return Peek(body, fields, values, goal).run();
}

// A copy of nothing in place of a large one makes the workspace release it.
void forget_large_body() { Workspace::get().copy({}); }

}  // namespace wearables
