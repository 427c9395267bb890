#include "core/json.h"

#include <simdjson.h>

#include "core/json_walk.h"

#include <algorithm>
#include <vector>

namespace wearables {

// The address of a row is good until the next one is made.
bool Walk::take_element(od::value& value, const Wanted& list, std::size_t index, int depth) {
  const FieldSet& fields = *list.target->fields;
  const FieldSet::Node* each = fields.each(*list.node);
  if (each == nullptr) {
    const std::string name = std::to_string(index);
    return take(value, list.member({name, name_head(name)}), depth);
  }
  const auto number = static_cast<std::size_t>(each->list);
  std::vector<Value>& rows = list.target->rows[number];
  rows.resize(rows.size() + fields.lists()[number].size());
  const Target row{&fields, rows.data() + rows.size() - fields.lists()[number].size(), nullptr};
  return take(value, {&row, each}, depth);
}

namespace {

constexpr ShortName kData("data");
constexpr ShortName kGroups("groups");
constexpr ShortName kSource("source");

std::string member_pointer(std::string_view base, std::string_view name) {
  return std::string(base) + "/" + escape_pointer(name);
}

std::string element_pointer(std::string_view base, std::size_t index) {
  return index == Record::kNotListed ? std::string(base)
                                     : std::string(base) + "/" + std::to_string(index);
}

class TimeseriesWalk : public Walk {
 public:
  TimeseriesWalk(std::string_view body, const FieldSet& fields, const FieldSet& source_fields,
                 RecordSink& sink, bool (*stop)())
      : Walk(body, stop),
        source_fields_(source_fields),
        sink_(sink),
        found_(fields),
        target_{&fields, found_.values.data(), found_.rows.data()},
        wanted_{&target_, &fields.root()},
        no_source_(source_fields.size()) {}

  Result<Done> run();

 private:
  enum class Role { kEvent, kGroup, kElement };

  // An object that holds a list of samples, or is itself a sample: the members tell. Where the list
  // stands before the source, it is postponed and the object walked a second time.
  struct Holder {
    Role role;
    std::string_view base;  // pointer; with index, where it stands
    std::size_t index;
    int depth;
    std::string_view group;
    std::vector<Value> source;
    std::vector<std::size_t> postponed;
    std::size_t members = 0;
    bool holds_list = false;
  };

  bool event(od::object& object, std::string_view base, std::size_t index, int depth);
  bool holder(od::object& object, Holder& self);
  bool member(const Name& name, od::value& value, Holder& self);
  bool data_member(od::value& value, Holder& self);
  bool take_source(od::value& value, Holder& self);
  bool postponed_lists(od::object& object, const Holder& self);
  bool list(od::value& value, const Holder& self);
  bool element(od::value& value, std::string_view list, std::size_t index, int depth);
  bool groups(od::value& value, const Holder& self);
  bool group(od::value& value, Holder self);

  const FieldSet& source_fields_;
  RecordSink& sink_;
  Found found_;
  const Target target_;
  const Wanted wanted_;
  const std::vector<Value> no_source_;
  bool any_ = false;
};

Result<Done> TimeseriesWalk::run() {
  auto done =
      Walk::run([&](od::object& object) { return event(object, "", Record::kNotListed, 1); },
                [&](od::array& array) {
                  bool empty = true;
                  const bool walked = each_element(array, [&](od::value& value, std::size_t index) {
                    empty = false;
                    if (*start(value) != '{') return check(value, 2);
                    od::object object;
                    return passed(value.get_object().get(object)) && event(object, "", index, 2);
                  });
                  any_ = any_ || empty;
                  return walked;
                });
  if (!done.ok() || any_) return done;
  return {Code::kUnexpectedShape, "no list of samples"};
}

bool TimeseriesWalk::event(od::object& object, std::string_view base, std::size_t index,
                           int depth) {
  Holder self{Role::kEvent, base, index, depth, {}, {}, {}};
  return holder(object, self);
}

bool TimeseriesWalk::holder(od::object& object, Holder& self) {
  if (too_deep(self.depth)) return false;
  const bool walked = each_member(object, [&](const Name& name, od::value& value) {
    const bool fine = member(name, value, self);
    ++self.members;
    return fine;
  });
  return walked && (self.postponed.empty() || postponed_lists(object, self));
}

bool TimeseriesWalk::member(const Name& name, od::value& value, Holder& self) {
  if (name == kData) {
    if (*start(value) == '[') return data_member(value, self);
    if (*start(value) == '{' && self.role != Role::kElement) {
      const std::string base = member_pointer(element_pointer(self.base, self.index), "data");
      return group(value,
                   {Role::kGroup, base, Record::kNotListed, self.depth + 1, self.group, {}, {}});
    }
  }
  if (name == kSource) return take_source(value, self);
  if (self.role == Role::kElement) {
    return take(value, wanted_.member(name), self.depth + 1);
  }
  if (self.role == Role::kEvent && name == kGroups && *start(value) == '{') {
    return groups(value, self);
  }
  return check(value, self.depth + 1);
}

bool TimeseriesWalk::data_member(od::value& value, Holder& self) {
  self.holds_list = true;
  if (!self.source.empty() && self.postponed.empty()) return list(value, self);
  self.postponed.push_back(self.members);
  return true;
}

bool TimeseriesWalk::take_source(od::value& value, Holder& self) {
  self.source.assign(source_fields_.size(), Value{});
  const Target target{&source_fields_, self.source.data(), nullptr};
  return take(value, {&target, &source_fields_.root()}, self.depth + 1);
}

bool TimeseriesWalk::postponed_lists(od::object& object, const Holder& self) {
  bool filled = false;
  if (!passed(object.reset().get(filled))) return false;
  std::size_t member = 0;
  auto next = self.postponed.begin();
  for (auto&& item : object) {
    od::field field;
    if (!passed(std::forward<decltype(item)>(item).get(field))) return false;
    if (next != self.postponed.end() && *next == member++) {
      ++next;
      if (!list(field.value(), self)) return false;
    }
  }
  return true;
}

bool TimeseriesWalk::list(od::value& value, const Holder& self) {
  any_ = true;
  od::array array;
  if (too_deep(self.depth + 1) || !passed(value.get_array().get(array))) return false;
  const std::string pointer = member_pointer(element_pointer(self.base, self.index), "data");
  sink_.begin_list(self.source.empty() ? no_source_ : self.source, self.group);
  const bool walked = each_element(array, [&](od::value& sample, std::size_t index) {
    return !stopped() && element(sample, pointer, index, self.depth + 2);
  });
  sink_.end_list();
  return walked;
}

bool TimeseriesWalk::element(od::value& value, std::string_view list, std::size_t index,
                             int depth) {
  const std::size_t offset = offset_of(value);
  if (*start(value) != '{') {
    if (!check(value, depth)) return false;
    sink_.record({false, {}, {}, list, index, offset, 0});
    return true;
  }
  od::object object;
  if (!passed(value.get_object().get(object))) return false;
  found_.clear();
  Holder self{Role::kElement, list, index, depth, {}, {}, {}};
  if (!holder(object, self)) return false;
  if (!self.holds_list) {
    sink_.record({true, found_.values, found_.rows, list, index, offset, 0});
  }
  return true;
}

bool TimeseriesWalk::groups(od::value& value, const Holder& self) {
  any_ = true;
  od::object object;
  if (!passed(value.get_object().get(object))) return false;
  const std::string base = member_pointer(element_pointer(self.base, self.index), "groups");
  return each_member(object, [&](const Name& name, od::value& member) {
    const std::string pointer = member_pointer(base, name.text);
    if (*start(member) != '[') {
      return group(member,
                   {Role::kGroup, pointer, Record::kNotListed, self.depth + 2, name.text, {}, {}});
    }
    od::array array;
    if (!passed(member.get_array().get(array))) return false;
    return each_element(array, [&](od::value& element, std::size_t index) {
      return group(element, {Role::kGroup, pointer, index, self.depth + 3, name.text, {}, {}});
    });
  });
}

bool TimeseriesWalk::group(od::value& value, Holder self) {
  if (*start(value) != '{') return check(value, self.depth);
  od::object object;
  return passed(value.get_object().get(object)) && holder(object, self);
}

class DocumentWalk : public Walk {
 public:
  DocumentWalk(std::string_view body, std::string_view list_key, const FieldSet& fields,
               std::uint16_t id_slot, RecordSink& sink, bool (*stop)())
      : Walk(body, stop),
        list_key_(list_key),
        id_slot_(id_slot),
        sink_(sink),
        found_(fields),
        target_{&fields, found_.values.data(), found_.rows.data()},
        wanted_{&target_, &fields.root()} {}

  Result<Done> run();

 private:
  // An object that is a document, or stands around documents: the members tell. Both fill the same
  // slots, since what stands around documents is none.
  struct Holder {
    bool is_event;
    std::string_view base;  // pointer; with index, where it stands
    std::size_t index;
    std::size_t offset;
    int depth;
    bool holds_documents = false;
  };

  bool holder(od::object& object, Holder self);
  bool member(const Name& name, od::value& value, Holder& self);
  bool holds_documents(const Name& name, od::value& value, const Holder& self) const;
  bool list(od::value& value, std::string_view pointer, int depth);
  bool element(od::value& value, const Holder& self);

  const std::string_view list_key_;
  const std::uint16_t id_slot_;
  RecordSink& sink_;
  Found found_;
  const Target target_;
  const Wanted wanted_;
  bool any_ = false;
};

Result<Done> DocumentWalk::run() {
  auto done = Walk::run(
      [&](od::object& object) {
        return holder(object, {true, "", Record::kNotListed, start_of_root(), 1});
      },
      [&](od::array& array) {
        bool empty = true;
        const bool walked = each_element(array, [&](od::value& value, std::size_t index) {
          empty = false;
          return element(value, {true, "", index, offset_of(value), 2});
        });
        any_ = any_ || empty;
        return walked;
      });
  if (!done.ok() || any_) return done;
  return {Code::kUnexpectedShape, "no document"};
}

bool DocumentWalk::element(od::value& value, const Holder& self) {
  if (stopped()) return false;
  if (*start(value) == '{') {
    od::object object;
    return passed(value.get_object().get(object)) && holder(object, self);
  }
  if (!check(value, self.depth)) return false;
  if (!self.is_event) sink_.record({false, {}, {}, self.base, self.index, self.offset, 0});
  return true;
}

bool DocumentWalk::holder(od::object& object, Holder self) {
  if (too_deep(self.depth)) return false;
  found_.clear();
  const bool walked = each_member(
      object, [&](const Name& name, od::value& value) { return member(name, value, self); });
  if (!walked || self.holds_documents) return walked;
  if (self.is_event && !found_.values[id_slot_].present()) return true;
  any_ = true;
  const std::size_t length = end_of_object() - self.offset;
  sink_.record({true, found_.values, found_.rows, self.base, self.index, self.offset, length});
  return true;
}

bool DocumentWalk::member(const Name& name, od::value& value, Holder& self) {
  if (!holds_documents(name, value, self)) {
    return take(value, wanted_.member(name), self.depth + 1);
  }
  self.holds_documents = true;
  const std::string pointer = member_pointer(element_pointer(self.base, self.index), name.text);
  if (*start(value) == '[') return list(value, pointer, self.depth + 1);
  return element(value, {false, pointer, Record::kNotListed, offset_of(value), self.depth + 1});
}

// `data` of a meal is its food, so an object inside a document is none; nor is a list beside an id.
bool DocumentWalk::holds_documents(const Name& name, od::value& value, const Holder& self) const {
  const char first = *start(value);
  if (first != '[' && (first != '{' || !self.is_event)) return false;
  if (name == kData) return self.is_event || !found_.values[id_slot_].present();
  return self.is_event && name.text == list_key_;
}

bool DocumentWalk::list(od::value& value, std::string_view pointer, int depth) {
  any_ = true;
  od::array array;
  if (too_deep(depth) || !passed(value.get_array().get(array))) return false;
  return each_element(array, [&](od::value& document, std::size_t index) {
    return element(document, {false, pointer, index, offset_of(document), depth + 1});
  });
}

class ObjectWalk : public Walk {
 public:
  ObjectWalk(std::string_view body, const FieldSet& fields, RecordSink& sink)
      : Walk(body, nullptr), fields_(fields), sink_(sink), found_(fields) {}

  Result<Done> run() {
    return Walk::run([&](od::object& root) { return object(root, Record::kNotListed); },
                     [&](od::array& array) {
                       return each_element(array, [&](od::value& value, std::size_t index) {
                         if (*start(value) != '{') return check(value, 2);
                         od::object element;
                         return passed(value.get_object().get(element)) && object(element, index);
                       });
                     });
  }

 private:
  bool object(od::object& members, std::size_t index) {
    found_.clear();
    const Target target{&fields_, found_.values.data(), found_.rows.data()};
    if (!take_members(members, {&target, &fields_.root()}, 2)) return false;
    sink_.record({true, found_.values, found_.rows, "", index, 0, 0});
    return true;
  }

  const FieldSet& fields_;
  RecordSink& sink_;
  Found found_;
};

}  // namespace

void RecordSink::begin_list(std::span<const Value>, std::string_view) {}
void RecordSink::end_list() {}

Result<Done> walk_timeseries(std::string_view body, const FieldSet& sample_fields,
                             const FieldSet& source_fields, RecordSink& sink, bool (*stop)()) {
  return TimeseriesWalk(body, sample_fields, source_fields, sink, stop).run();
}

Result<Done> walk_documents(std::string_view body, std::string_view list_key,
                            const FieldSet& fields, std::uint16_t id_slot, RecordSink& sink,
                            bool (*stop)()) {
  return DocumentWalk(body, list_key, fields, id_slot, sink, stop).run();
}

Result<Done> walk_objects(std::string_view body, const FieldSet& fields, RecordSink& sink) {
  return ObjectWalk(body, fields, sink).run();
}

}  // namespace wearables
