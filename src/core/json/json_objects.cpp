// The walk over a body as it is.
#include "core/json/json_walk.h"

#include <cstddef>
#include <string_view>

namespace wearables {
namespace {

class ObjectWalk : public Walk {
 public:
  ObjectWalk(std::string_view body, const FieldSet& fields, RecordSink& sink, bool (*stop)())
      : Walk(body, stop),
        sink_(sink),
        found_(room_for(fields)),
        destination_(destination_of(fields, found_.values.data(), found_.lists.data())),
        wanted_{&destination_, &fields.root()} {}

  Result<WalkFindings> run() {
    const auto done = Walk::run([&](od::object& root) { return object(root, Record::kNotListed, start_of_root()); },
                                [&](od::array& array) {
                                  return each_element(array, [&](od::value& value, std::size_t index) {
                                    if (*start(value) != '{') return check(value, 2);
                                    const std::size_t offset = offset_of(value);
                                    od::object element;
                                    return passed(value.get_object().get(element)) && object(element, index, offset);
                                  });
                                });
    constexpr bool kAnyShapeWillDo = true;
    return findings(done, kAnyShapeWillDo, {});
  }

 private:
  bool object(od::object& members, std::size_t index, std::size_t offset) {
    found_.clear();
    if (!take_members(members, wanted_, 2)) return false;
    WEARABLES_ASSERT(end_of_object() > offset);
    sink_.record({true, found_.values, found_.lists, nullptr, index, offset, end_of_object() - offset});
    return true;
  }

  RecordSink& sink_;
  FoundFields found_;
  const Destination destination_;
  const WantedValue wanted_;
};

}  // namespace

Result<WalkFindings> walk_objects(std::string_view body, const FieldSet& fields, RecordSink& sink, bool (*stop)()) {
  return ObjectWalk(body, fields, sink, stop).run();
}

// A copy of nothing in place of a large one makes the workspace release it.
void forget_large_body() { Workspace::get().copy({}); }

}  // namespace wearables
