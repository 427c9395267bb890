// The walk over a body of samples.
#include "core/json/json_walk.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wearables {
namespace {

class TimeseriesWalk : public Walk {
 public:
  TimeseriesWalk(std::string_view body, const FieldSet& fields, const FieldSet& source_fields, RecordSink& sink,
                 bool (*stop)())
      : Walk(body, stop, Lists::kPassed),
        source_fields_(source_fields),
        sink_(sink),
        found_(room_for(fields)),
        destination_(destination_of(fields, found_.values.data(), found_.lists.data(), "")),
        wanted_{&destination_, &fields.root()},
        record_{true, found_.values, found_.lists, {}, 0, 0, 0} {}

  Result<WalkFindings> run();

 private:
  enum class Role { kEvent, kGroup, kElement };

  // An object that holds a list of samples, or is itself a sample: the members tell.
  struct Holder {
    Role role;
    const BodyPath* path;  // with index, where it stands
    std::size_t index;
    int depth;
    std::string_view group;     // the provider, where the source does not say
    std::vector<Value> source;  // empty: none so far
    bool looked_ahead = false;  // source and group are the last of all the object
    od::object_iterator member = {};
    od::object_iterator end = {};
  };

  bool event(od::object& object, const BodyPath* path, std::size_t index, int depth);
  bool holder(od::object& object, Holder& self);
  bool take_member(const Name& name, od::value& value, Holder& self);
  static std::string_view path_of_data(const Holder& self);
  bool take_data(od::value& value, Holder& self);
  bool list(od::value& value, Holder& self);
  bool look_for_source(od::value& list, Holder& self);
  bool take_source(od::value& value, Holder& self, const char* notes);
  bool take_provider(od::value& value, Holder& self);
  bool is_sample(od::value& value, int depth, bool* is);
  bool samples(od::value& value, const Holder& self);
  bool element(od::value& value, const BodyPath* list, std::size_t index, int depth);
  bool element_with_list(od::object& object, const BodyPath* list, std::size_t index, int depth);
  bool container(od::field& field, int depth, bool* is_list);
  bool groups(od::value& value, const Holder& self);
  bool group(od::value& value, Holder self);
  bool too_deep(od::value& value, const BodyPath* list, std::size_t index, int depth);

  const FieldSet& source_fields_;
  RecordSink& sink_;
  FoundFields found_;
  const Destination destination_;
  const WantedValue wanted_;
  Record record_;  // filled in place: to copy it right after its members were written would stall on store forwarding
  bool any_ = false;
  int lists_ahead_ = 0;  // the holders that are being walked and have looked ahead
};

Result<WalkFindings> TimeseriesWalk::run() {
  const auto done = Walk::run([&](od::object& object) { return event(object, nullptr, Record::kNotListed, 1); },
                              [&](od::array& array) {
                                bool empty = true;
                                const bool walked = each_element(array, [&](od::value& value, std::size_t index) {
                                  empty = false;
                                  if (*start(value) != '{') return check(value, 2);
                                  od::object object;
                                  return passed(value.get_object().get(object)) && event(object, nullptr, index, 2);
                                });
                                any_ = any_ || empty;
                                return walked;
                              });
  return findings(done, any_, "no list in \"data\", \"data.data\" or \"groups\"");
}

bool TimeseriesWalk::event(od::object& object, const BodyPath* path, std::size_t index, int depth) {
  Holder self{Role::kEvent, path, index, depth, {}, {}};
  return holder(object, self);
}

bool TimeseriesWalk::holder(od::object& object, Holder& self) {
  if (!passed(object.begin().get(self.member)) || !passed(object.end().get(self.end))) return false;
  for (; self.member != self.end; ++self.member) {
    od::field field;
    Name name;
    if (!passed((*self.member).get(field)) || !read_name(field, &name)) return false;
    if (!take_member(name, field.value(), self)) return false;
  }
  if (self.looked_ahead) --lists_ahead_;
  return true;
}

bool TimeseriesWalk::take_member(const Name& name, od::value& value, Holder& self) {
  if (name == kNameData) {
    if (*start(value) == '[') return take_data(value, self);
    if (*start(value) == '{' && self.role != Role::kElement) {
      bool is_sample = false;
      if (self.role == Role::kGroup && !this->is_sample(value, self.depth + 1, &is_sample)) return false;
      if (is_sample) return take_data(value, self);
      const BodyPath path{self.path, self.index, "data"};
      return group(value, {Role::kGroup, &path, Record::kNotListed, self.depth + 1, self.group, {}});
    }
    if (self.role != Role::kElement) note_instead(value, path_of_data(self), "a list or an object");
  }
  if (name == kNameSource) return take_source(value, self, "source.");
  if (self.role == Role::kGroup && name == kNameProvider) return take_provider(value, self);
  if (self.role == Role::kElement) return take(value, member_of(wanted_, name), self.depth + 1);
  if (self.role == Role::kEvent && name == kNameGroups) {
    if (*start(value) == '{') return groups(value, self);
    note_instead(value, "groups", "an object");
  }
  return check(value, self.depth + 1);
}

// In the words of a mapping's paths, which tell nothing of the body.
std::string_view TimeseriesWalk::path_of_data(const Holder& self) {
  if (self.role == Role::kEvent) return "data";
  return self.group.empty() ? "data.data" : "groups.*.data";
}

// A list of samples, or one sample in its place. The source is known before the first of them.
bool TimeseriesWalk::take_data(od::value& value, Holder& self) {
  if (self.source.empty() && !self.looked_ahead) {
    if (lists_ahead_ == kMaxListsAhead) {
      const BodyPath path{self.path, self.index, "data"};
      return too_deep(value, &path, Record::kNotListed, self.depth + 1);
    }
    if (!look_for_source(value, self)) return false;
  }
  if (self.source.empty()) self.source.resize(source_fields_.size());  // nothing is known of it
  sink_.begin_list(self.source, self.group);
  const bool walked = samples(value, self);
  sink_.end_list();
  return walked;
}

// Among the members behind the one that the holder is at. All lists of it have the source that is found so.
bool TimeseriesWalk::look_for_source(od::value& list, Holder& self) {
  const bool walked = look_ahead([&] {
    od::object_iterator behind = self.member;
    if (*start(list) == '[') pass_list(list);
    for (++behind; behind != self.end; ++behind) {
      od::field field;
      Name name;
      if (!passed((*behind).get(field)) || !read_name(field, &name)) return false;
      const bool is_provider = self.role == Role::kGroup && name == kNameProvider;
      if (name == kNameSource && !take_source(field.value(), self, nullptr)) return false;
      if (is_provider && !take_provider(field.value(), self)) return false;
    }
    return true;
  });
  self.looked_ahead = true;
  ++lists_ahead_;
  return walked;
}

// A null is no source: what stands beside it may say more.
bool TimeseriesWalk::take_source(od::value& value, Holder& self, const char* notes) {
  if (is_null_word(value)) return check(value, self.depth + 1);
  std::vector<Value> source(source_fields_.size());
  const Destination destination = destination_of(source_fields_, source.data(), nullptr, notes);
  if (!take(value, {&destination, &source_fields_.root()}, self.depth + 1)) return false;
  if (!self.looked_ahead) self.source = std::move(source);
  return true;
}

// Of a group without a source, the slug.
bool TimeseriesWalk::take_provider(od::value& value, Holder& self) {
  Value provider;
  WantedValue wanted;
  wanted.slot = &provider;
  if (!take(value, wanted, self.depth + 1)) return false;
  const bool names = provider.kind == Kind::kString && !provider.text.empty();
  if (names && !self.looked_ahead) self.group = provider.text;
  return true;
}

// Whether an object is one sample, in the place of a list of them: nothing in it could hold samples. It is not walked
// beyond the first that could: what is nested would be walked once for each level of it.
bool TimeseriesWalk::is_sample(od::value& value, int depth, bool* is) {
  bool empty = true;
  bool holds = false;
  const bool walked = look_ahead([&] {
    od::object object;
    return passed(value.get_object().get(object)) && each_member(object, [&](const Name& name, od::value& member) {
             empty = false;
             holds = name == kNameData || name == kNameSource || name == kNameProvider;
             return !holds && check(member, depth + 1);
           });
  });
  *is = !empty && !holds;
  return walked || holds;
}

bool TimeseriesWalk::samples(od::value& value, const Holder& self) {
  any_ = true;
  const BodyPath path{self.path, self.index, "data"};
  if (*start(value) == '{') return element(value, &path, Record::kNotListed, self.depth + 1);
  od::array array;
  if (!passed(value.get_array().get(array))) return false;
  return each_element(array, [&](od::value& sample, std::size_t index) {
    return !stopped() && element(sample, &path, index, self.depth + 2);
  });
}

[[gnu::flatten]] inline bool TimeseriesWalk::element(od::value& value, const BodyPath* list, std::size_t index,
                                                     int depth) {
  const std::size_t offset = offset_of(value);
  const bool is_object = *start(value) == '{';
  if (!is_object || depth > kMaxDepth) [[unlikely]] {
    if (!check(value, depth)) return false;
    sink_.record({false, {}, {}, list, index, offset, 0, is_object});
    return true;
  }
  od::object object;
  if (!passed(value.get_object().get(object))) return false;
  found_.clear();
  MemberCursor cursor(wanted_);
  bool has_list = false;
  const bool walked = each_field(
      object, [&](od::field & field) __attribute__((always_inline)) {
        return is_container(field.value()) ? container(field, depth + 1, &has_list)
                                           : take_scalar_field(field, cursor, depth + 1);
      });
  if (has_list) return element_with_list(object, list, index, depth);
  if (!walked) return false;
  record_.list = list;
  record_.index = index;
  record_.offset = offset;
  sink_.record(record_);
  return true;
}

// Of a sample; false too when it is a list of samples, before any of it is walked.
[[gnu::noinline]] bool TimeseriesWalk::container(od::field& field, int depth, bool* is_list) {
  Name name;
  if (!read_name(field, &name)) return false;
  od::value& value = field.value();
  *is_list = name == kNameData && *start(value) == '[';
  return !*is_list && take(value, name == kNameSource ? WantedValue{} : member_of(wanted_, name), depth);
}

[[gnu::noinline]] bool TimeseriesWalk::element_with_list(od::object& object, const BodyPath* list, std::size_t index,
                                                         int depth) {
  bool filled = false;
  if (!passed(object.reset().get(filled))) return false;
  found_.clear();
  Holder self{Role::kElement, list, index, depth, {}, {}};
  return holder(object, self);
}

bool TimeseriesWalk::groups(od::value& value, const Holder& self) {
  any_ = true;
  od::object object;
  if (!passed(value.get_object().get(object))) return false;
  const BodyPath above{self.path, self.index, "groups"};
  return each_member(object, [&](const Name& name, od::value& member) {
    const BodyPath path{&above, Record::kNotListed, name.text};
    if (*start(member) != '[') {
      return group(member, {Role::kGroup, &path, Record::kNotListed, self.depth + 2, name.text, {}});
    }
    od::array array;
    if (!passed(member.get_array().get(array))) return false;
    return each_element(array, [&](od::value& element, std::size_t index) {
      return group(element, {Role::kGroup, &path, index, self.depth + 3, name.text, {}});
    });
  });
}

bool TimeseriesWalk::group(od::value& value, Holder self) {
  if (*start(value) != '{') return check(value, self.depth);
  if (self.depth > kMaxDepth) return too_deep(value, self.path, self.index, self.depth);
  od::object object;
  return passed(value.get_object().get(object)) && holder(object, self);
}

// Whatever readings are in it count as one, which is too deep.
bool TimeseriesWalk::too_deep(od::value& value, const BodyPath* list, std::size_t index, int depth) {
  any_ = true;
  const std::size_t offset = offset_of(value);
  if (!check(value, depth)) return false;
  sink_.begin_list(std::vector<Value>(source_fields_.size()), "");
  sink_.record({false, {}, {}, list, index, offset, 0, true});
  sink_.end_list();
  return true;
}

}  // namespace

void RecordSink::begin_list(std::span<const Value>, std::string_view) {}
void RecordSink::end_list() {}

Result<WalkFindings> walk_timeseries(std::string_view body, const FieldSet& sample_fields,
                                     const FieldSet& source_fields, RecordSink& sink, bool (*stop)()) {
  return TimeseriesWalk(body, sample_fields, source_fields, sink, stop).run();
}

}  // namespace wearables
