// The walk over a body of samples. json.cpp's own.
#pragma once

#include "core/json/json_values.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

class TimeseriesWalk : public Walk {
 public:
  TimeseriesWalk(std::string_view body, const FieldSet& fields, const FieldSet& source_fields, RecordSink& sink,
                 bool (*stop)(), bool early)
      : Walk(body, stop),
        source_fields_(source_fields),
        sink_(sink),
        found_(room_for(fields)),
        destination_(destination_of(fields, found_.values.data(), found_.lists.data(), "")),
        wanted_{&destination_, &fields.root()},
        no_source_(source_fields.size()),
        record_{true, found_.values, found_.lists, {}, 0, 0, 0},
        early_(early) {}

  Result<Done> run();

  // The list that came before its source must wait for it after all.
  bool must_restart() const noexcept { return must_restart_; }

 private:
  enum class Role { kEvent, kGroup, kElement };

  // An object that holds a list of samples, or is itself a sample: the members tell. Where the list
  // stands before the source, it is walked at once if the sink agrees, else postponed and the
  // object walked a second time.
  struct Holder {
    Role role;
    std::string_view base;  // pointer; with index, where it stands
    std::size_t index;
    int depth;
    std::string_view group;  // the provider, where the source does not say
    std::vector<Value> source;
    std::vector<std::size_t> postponed;
    std::size_t members = 0;
    bool holds_list = false;
    bool names_early_list = false;
  };

  bool event(od::object& object, std::string_view base, std::size_t index, int depth);
  bool holder(od::object& object, Holder& self);
  bool member(const Name& name, od::value& value, Holder& self);
  static std::string_view path_of_data(const Holder& self);
  bool data_member(od::value& value, Holder& self);
  bool take_source(od::value& value, Holder& self);
  bool take_provider(od::value& value, Holder& self);
  bool is_sample(od::value& value, int depth, bool* is);
  bool postponed_lists(od::object& object, const Holder& self);
  bool list(od::value& value, const Holder& self);
  bool begin_restart();
  bool samples(od::value& value, const Holder& self);
  bool element(od::value& value, std::string_view list, std::size_t index, int depth);
  bool element_with_list(od::object& object, std::string_view list, std::size_t index, int depth);
  bool container(od::field& field, int depth, bool* is_list);
  bool groups(od::value& value, const Holder& self);
  bool group(od::value& value, Holder self);
  bool deep_group(od::value& value, const Holder& self);

  const FieldSet& source_fields_;
  RecordSink& sink_;
  FoundFields found_;
  const Destination destination_;
  const WantedValue wanted_;
  const std::vector<Value> no_source_;
  Record record_;  // filled in place: to copy it right after its members were written would stall on store forwarding
  bool any_ = false;
  const bool early_;       // lists may be walked before their source
  bool in_early_ = false;  // until its source is known
  bool must_restart_ = false;
};

inline Result<Done> TimeseriesWalk::run() {
  auto done = Walk::run([&](od::object& object) { return event(object, "", Record::kNotListed, 1); },
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
  if (must_restart_) return done;
  report(sink_);
  if (!done.ok() || any_) return done;
  return nothing_found(sink_, "no list in \"data\", \"data.data\" or \"groups\"");
}

inline bool TimeseriesWalk::event(od::object& object, std::string_view base, std::size_t index, int depth) {
  Holder self{Role::kEvent, base, index, depth, {}, {}, {}};
  return holder(object, self);
}

inline bool TimeseriesWalk::holder(od::object& object, Holder& self) {
  const bool walked = each_member(object, [&](const Name& name, od::value& value) {
    const bool fine = member(name, value, self);
    ++self.members;
    return fine;
  });
  if (!walked) return false;
  if (self.names_early_list) {
    in_early_ = false;
    if (!sink_.source_behind(self.source.empty() ? no_source_ : self.source, self.group)) return begin_restart();
  }
  return self.postponed.empty() || postponed_lists(object, self);
}

inline bool TimeseriesWalk::member(const Name& name, od::value& value, Holder& self) {
  if (name == kNameData) {
    if (*start(value) == '[') return data_member(value, self);
    if (*start(value) == '{' && self.role != Role::kElement) {
      bool is_sample = false;
      if (self.role == Role::kGroup && !this->is_sample(value, self.depth + 1, &is_sample)) return false;
      if (is_sample) return data_member(value, self);
      const std::string base = member_pointer(self.base, self.index, "data");
      return group(value, {Role::kGroup, base, Record::kNotListed, self.depth + 1, self.group, {}, {}});
    }
    if (self.role != Role::kElement) note_instead(value, path_of_data(self), "a list or an object");
  }
  if (name == kNameSource) return take_source(value, self);
  if (self.role == Role::kGroup && name == kNameProvider) return take_provider(value, self);
  if (self.role == Role::kElement) {
    return take(value, member_of(wanted_, name), self.depth + 1);
  }
  if (self.role == Role::kEvent && name == kNameGroups) {
    if (*start(value) == '{') return groups(value, self);
    note_instead(value, "groups", "an object");
  }
  return check(value, self.depth + 1);
}

// In the words of a mapping's paths, which tell nothing of the body.
inline std::string_view TimeseriesWalk::path_of_data(const Holder& self) {
  if (self.role == Role::kEvent) return "data";
  return self.group.empty() ? "data.data" : "groups.*.data";
}

inline bool TimeseriesWalk::data_member(od::value& value, Holder& self) {
  self.holds_list = true;
  if (in_early_) return begin_restart();
  if (!self.source.empty() && self.postponed.empty()) return list(value, self);
  if (self.postponed.empty() && early_ && sink_.begin_list_before_source()) {
    in_early_ = self.names_early_list = true;
    return samples(value, self);
  }
  self.postponed.push_back(self.members);
  return true;
}

// Sources are numbered as they appear, so no list may begin before one that did has its own.
inline bool TimeseriesWalk::begin_restart() {
  must_restart_ = true;
  return false;
}

// A null is no source: what stands beside it may say more.
inline bool TimeseriesWalk::take_source(od::value& value, Holder& self) {
  if (is_null_word(value)) return check(value, self.depth + 1);
  self.source.assign(source_fields_.size(), Value{});
  const Destination destination = destination_of(source_fields_, self.source.data(), nullptr, "source.");
  return take(value, {&destination, &source_fields_.root()}, self.depth + 1);
}

// Of a group without a source, the slug.
inline bool TimeseriesWalk::take_provider(od::value& value, Holder& self) {
  Value provider;
  WantedValue wanted;
  wanted.slot = &provider;
  if (!take(value, wanted, self.depth + 1)) return false;
  if (provider.kind == Kind::kString && !provider.text.empty()) self.group = provider.text;
  return true;
}

// Whether an object is one sample, in the place of a list of them: nothing in it could hold samples. It is not walked
// beyond the first that could: what is nested would be walked once for each level of it.
inline bool TimeseriesWalk::is_sample(od::value& value, int depth, bool* is) {
  od::object object;
  bool holds = false;
  if (is_empty_object(value)) return true;
  if (!passed(value.get_object().get(object))) return false;
  const bool walked = each_member(object, [&](const Name& name, od::value& member) {
    holds = name == kNameData || name == kNameSource || name == kNameProvider;
    return !holds && check(member, depth + 1);
  });
  bool filled = false;
  *is = !holds;
  return (walked || holds) && passed(object.reset().get(filled));
}

inline bool TimeseriesWalk::postponed_lists(od::object& object, const Holder& self) {
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

inline bool TimeseriesWalk::list(od::value& value, const Holder& self) {
  if (in_early_) return begin_restart();
  sink_.begin_list(self.source.empty() ? no_source_ : self.source, self.group);
  return samples(value, self);
}

inline bool TimeseriesWalk::samples(od::value& value, const Holder& self) {
  any_ = true;
  const std::string pointer = member_pointer(self.base, self.index, "data");
  if (*start(value) == '{') {
    const bool walked = element(value, pointer, Record::kNotListed, self.depth + 1);
    sink_.end_list();
    return walked;
  }
  od::array array;
  if (!passed(value.get_array().get(array))) return false;
  const bool walked = each_element(array, [&](od::value& sample, std::size_t index) {
    return !stopped() && element(sample, pointer, index, self.depth + 2);
  });
  sink_.end_list();
  return walked;
}

[[gnu::flatten]] inline bool TimeseriesWalk::element(od::value& value, std::string_view list, std::size_t index,
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
[[gnu::noinline]] inline bool TimeseriesWalk::container(od::field& field, int depth, bool* is_list) {
  Name name;
  if (!read_name(field, &name)) return false;
  od::value& value = field.value();
  *is_list = name == kNameData && *start(value) == '[';
  return !*is_list && take(value, name == kNameSource ? WantedValue{} : member_of(wanted_, name), depth);
}

[[gnu::noinline]] inline bool TimeseriesWalk::element_with_list(od::object& object, std::string_view list,
                                                                std::size_t index, int depth) {
  bool filled = false;
  if (!passed(object.reset().get(filled))) return false;
  found_.clear();
  Holder self{Role::kElement, list, index, depth, {}, {}, {}};
  return holder(object, self);
}

inline bool TimeseriesWalk::groups(od::value& value, const Holder& self) {
  any_ = true;
  od::object object;
  if (!passed(value.get_object().get(object))) return false;
  const std::string base = member_pointer(self.base, self.index, "groups");
  return each_member(object, [&](const Name& name, od::value& member) {
    const std::string pointer = member_pointer(base, Record::kNotListed, name.text);
    if (*start(member) != '[') {
      return group(member, {Role::kGroup, pointer, Record::kNotListed, self.depth + 2, name.text, {}, {}});
    }
    od::array array;
    if (!passed(member.get_array().get(array))) return false;
    return each_element(array, [&](od::value& element, std::size_t index) {
      return group(element, {Role::kGroup, pointer, index, self.depth + 3, name.text, {}, {}});
    });
  });
}

// Whatever readings are in it count as one, which is too deep.
inline bool TimeseriesWalk::deep_group(od::value& value, const Holder& self) {
  if (in_early_) return begin_restart();
  any_ = true;
  const std::size_t offset = offset_of(value);
  if (!check(value, self.depth)) return false;
  sink_.begin_list(no_source_, "");
  sink_.record({false, {}, {}, self.base, self.index, offset, 0, true});
  sink_.end_list();
  return true;
}

inline bool TimeseriesWalk::group(od::value& value, Holder self) {
  if (*start(value) != '{') return check(value, self.depth);
  if (self.depth > kMaxDepth) return deep_group(value, self);
  od::object object;
  return passed(value.get_object().get(object)) && holder(object, self);
}

}  // namespace wearables
