// The walk over a body as it is.
#include "core/json/json_walk.h"

#include <cstddef>
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

}  // namespace

Result<WalkFindings> walk_objects(std::string_view body, const FieldSet& fields, RecordSink& sink) {
  return ObjectWalk(body, fields, sink).run();
}

// A copy of nothing in place of a large one makes the workspace release it.
void forget_large_body() { Workspace::get().copy({}); }

}  // namespace wearables
