// The walk over a body of documents.
#include "core/json/json_walk.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace wearables {
namespace {

class DocumentWalk : public Walk {
 public:
  DocumentWalk(std::string_view body, std::string_view list_key, const FieldSet& fields, std::uint16_t id_slot,
               RecordSink& sink, bool (*stop)())
      : Walk(body, stop),
        list_key_(list_key),
        id_slot_(id_slot),
        sink_(sink),
        found_(room_for(fields)),
        destination_(destination_of(fields, found_.values.data(), found_.lists.data(), "")),
        wanted_{&destination_, &fields.root()} {}

  Result<WalkFindings> run();

 private:
  // An object that is a document, or stands around documents: the members tell.
  struct Holder {
    bool is_event;
    const BodyPath* path;  // with index, where it stands
    std::size_t index;
    std::size_t offset;
    int depth;
    bool holds_documents = false;
    bool has_id = false;     // of an event
    bool is_inside = false;  // of a document that an object is around
  };

  bool event(od::object& object, Holder self);
  bool event_member(const Name& name, od::value& value, Holder& self);
  bool document(od::object& object, Holder self);
  bool container(od::field& field, Holder& self);
  bool documents(const Name& name, od::value& value, Holder& self);
  bool list(od::value& value, const BodyPath& path, int depth);
  bool element(od::value& value, const Holder& self);
  bool around_null(od::object& object, const Holder& self, bool* is_null);
  bool has_id(od::value& value, int depth, bool* has);

  const std::string_view list_key_;
  const std::uint16_t id_slot_;
  RecordSink& sink_;
  FoundFields found_;
  const Destination destination_;
  const WantedValue wanted_;
  bool any_ = false;
};

Result<WalkFindings> DocumentWalk::run() {
  const auto done = Walk::run(
      [&](od::object& object) {
        return event(object, {true, nullptr, Record::kNotListed, start_of_root(), 1});
      },
      [&](od::array& array) {
        bool empty = true;
        const bool walked = each_element(array, [&](od::value& value, std::size_t index) {
          empty = false;
          return element(value, {true, nullptr, index, offset_of(value), 2});
        });
        any_ = any_ || empty;
        return walked;
      });
  if (any_) return findings(done, any_, {});
  const std::string key = list_key_.empty() ? "" : " or \"" + std::string(list_key_) + '"';
  return findings(done, any_, "no object or list in \"data\"" + key);
}

bool DocumentWalk::element(od::value& value, const Holder& self) {
  if (stopped()) return false;
  const bool is_object = *start(value) == '{';
  if (is_object && self.depth <= kMaxDepth) {
    od::object object;
    if (!passed(value.get_object().get(object))) return false;
    return self.is_event ? event(object, self) : document(object, self);
  }
  if (!check(value, self.depth)) return false;
  if (self.is_event) return true;
  any_ = true;
  sink_.record({false, {}, {}, self.path, self.index, self.offset, 0, is_object});
  return true;
}

// What stands around documents is not theirs: only of one that stands by itself are the members
// wanted, and then read a second time.
bool DocumentWalk::event(od::object& object, Holder self) {
  const bool walked =
      each_member(object, [&](const Name& name, od::value& value) { return event_member(name, value, self); });
  if (!walked || self.holds_documents || !self.has_id) return walked;
  bool filled = false;
  return passed(object.reset().get(filled)) && document(object, self);
}

bool DocumentWalk::event_member(const Name& name, od::value& value, Holder& self) {
  const char first = *start(value);
  const bool may_hold = name == kNameData || name.text == list_key_;
  if (may_hold && is_container(value)) return documents(name, value, self);
  if (may_hold) note_instead(value, name.text, "an object or a list");
  if (name == kNameId && first != 'n') self.has_id = true;
  return take(value, {}, self.depth + 1);
}

bool DocumentWalk::document(od::object& object, Holder self) {
  found_.clear();
  MemberCursor cursor(wanted_);
  const bool walked = each_field(
      object, [&](od::field & field) __attribute__((always_inline)) {
        return is_container(field.value()) ? container(field, self) : take_scalar_field(field, cursor, self.depth + 1);
      });
  if (!walked || self.holds_documents) return walked;
  if (!found_.values[id_slot_].present()) {
    bool is_null = false;
    if (!around_null(object, self, &is_null)) return false;
    if (is_null) return true;
  }
  any_ = true;
  WEARABLES_ASSERT(end_of_object() > self.offset);
  const std::size_t length = end_of_object() - self.offset;
  sink_.record({true, found_.values, found_.lists, self.path, self.index, self.offset, length});
  return true;
}

// {"data":{"data":null}} is no document without an id, but an object around none.
bool DocumentWalk::around_null(od::object& object, const Holder& self, bool* is_null) {
  bool filled = false;
  if (self.index != Record::kNotListed || self.is_event) return true;
  if (!passed(object.reset().get(filled))) return false;
  const QuotedName data("data");
  return each_field(object, [&](od::field& field) {
    const bool found = data.begins(field.key().raw()) && is_null_word(field.value());
    *is_null = *is_null || found;
    if (found) note_instead(field.value(), "data.data", "");
    return true;
  });
}

// `data` of a meal is its food, so an object inside a document is none, unless it has an id and what is around it has
// none, once: what is nested would be looked through at each level of it. Nor is a list beside an id.
bool DocumentWalk::container(od::field& field, Holder& self) {
  Name name;
  if (!read_name(field, &name)) return false;
  od::value& value = field.value();
  bool holds = false;
  if (name == kNameData && !found_.values[id_slot_].present()) {
    holds = *start(value) == '[';
    const bool may_wrap = self.index == Record::kNotListed && !self.is_inside;
    if (!holds && may_wrap && !has_id(value, self.depth + 1, &holds)) return false;
  }
  if (holds) return documents(name, value, self);
  return take(value, member_of(wanted_, name), self.depth + 1);
}

// The name of a food may be "id", too, but what stands there is an object.
bool DocumentWalk::has_id(od::value& value, int depth, bool* has) {
  if (depth > kMaxDepth || *start(value) != '{') return true;
  return look_ahead([&] {
    od::object object;
    return passed(value.get_object().get(object)) && each_member(object, [&](const Name& name, od::value& member) {
             *has = *has || (name == kNameId && !is_container(member) && !is_null_word(member));
             return check(member, depth + 1);
           });
  });
}

bool DocumentWalk::documents(const Name& name, od::value& value, Holder& self) {
  self.holds_documents = true;
  const BodyPath path{self.path, self.index, name.text};
  if (*start(value) == '[') return list(value, path, self.depth + 1);
  Holder inside{false, &path, Record::kNotListed, offset_of(value), self.depth + 1};
  inside.is_inside = !self.is_event;
  return element(value, inside);
}

bool DocumentWalk::list(od::value& value, const BodyPath& path, int depth) {
  any_ = true;
  od::array array;
  if (!passed(value.get_array().get(array))) return false;
  return each_element(array, [&](od::value& document, std::size_t index) {
    return element(document, {false, &path, index, offset_of(document), depth + 1});
  });
}

}  // namespace

Result<WalkFindings> walk_documents(std::string_view body, std::string_view list_key, const FieldSet& fields,
                                    std::uint16_t id_slot, RecordSink& sink, bool (*stop)()) {
  return DocumentWalk(body, list_key, fields, id_slot, sink, stop).run();
}

}  // namespace wearables
