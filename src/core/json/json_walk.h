// Private to the room: one walk over one body, what the walks over all shapes share. What runs for
// every member or value of a body is inline, and defined below the class; the rest is in json_walk.cpp.
#pragma once

#include "core/json/field_set.h"
#include "core/base/assert.h"
#include "core/json/json.h"
#include "core/json/json_text.h"
#include "core/json/json_workspace.h"
#include "core/base/result.h"

#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wearables {

using Name = MemberName;

// The parser's document, and a way back to a place in it. The parser has none: its object.reset() goes to the front of
// an object, from where all of its members would be passed over again.
class ParsedBody : public od::document {
 public:
  using Place = od::json_iterator;
  Place place() const { return Place(iter); }
  void return_to(const Place& place) noexcept { iter = place; }

  // From the start of a list or an object to behind the bracket that ends it. False where that is within a string: then
  // the walk is where it was.
  bool pass(const char* end) noexcept;

 private:
  struct Tokens : od::json_iterator {
    explicit Tokens(const od::json_iterator& of) : od::json_iterator(of) {}
    od::token_position end() const noexcept { return end_position(); }
  };
};

// Every function that returns bool returns false once the walk has failed or was stopped. Those
// that run per member or element are inline: a call costs as much as what they do.
class Walk {
 public:
  // Only a walk that passes over lists, see pass_list(), has them looked for in the body.
  enum class Lists { kWalked, kPassed };

  Walk(std::string_view body, bool (*stop)(), Lists lists = Lists::kWalked)
      : kept_(Workspace::get()), body_(body), stop_(stop), passes_lists_(lists == Lists::kPassed) {
    kept_.forget_old_guesses();
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

 protected:
  // on_object(od::object&) or on_array(od::array&) walks the root; whatever else the body may be is
  // checked here, as is its end.
  template <class OnObject, class OnArray>
  Result<Done> run(OnObject on_object, OnArray on_array);

  // Keeps the error there is; true when there is none.
  bool passed(simdjson::error_code error) {
    if (error == simdjson::SUCCESS) [[likely]]
      return true;
    if (error == simdjson::MEMALLOC) throw std::bad_alloc();
    error_ = error;
    return false;
  }

  bool stopped() {
    constexpr std::uint32_t kInterval = 1024;
    if (++ticks_ % kInterval != 0 || stop_ == nullptr || !stop_()) return false;
    stopped_ = true;
    return true;
  }

  // f(const Name&, od::value&) for each member.
  template <class F>
  [[gnu::always_inline]] bool each_member(od::object& object, F&& f) {
    return each_field(object, [&](od::field& field) {
      Name name;
      return read_name(field, &name) && f(std::as_const(name), field.value());
    });
  }

  // f(od::field&) for each member. The fields stay where the parser puts them: to copy one
  // right after its parts were written, in wider loads than those stores, would stall on store forwarding.
  template <class F>
  [[gnu::always_inline]] bool each_field(od::object& object, F&& f) {
    for (auto&& member : object) {
      if (!passed(member.error())) return false;
      od::field&& field = std::forward<decltype(member)>(member).value_unsafe();
      if (!f(field)) return false;
    }
    return true;
  }

  // f(od::value&, index) for each element.
  template <class F>
  bool each_element(od::array& array, F&& f) {
    std::size_t index = 0;
    for (auto&& element : array) {
      od::value value;
      if (!passed(std::forward<decltype(element)>(element).get(value)) || !f(value, index++)) return false;
    }
    return true;
  }

  struct Destination {
    const FieldSet* fields;
    Value* slots;
    Places* lists;                // null below "*", where there are none
    FieldSet::Guess* guesses;     // of the field set
    const char* notes = nullptr;  // what stands before the path of an unknown member; null: no note
  };

  // What a field set wants of a value: where it and its parts go. An empty one only checks.
  struct WantedValue {
    WantedValue() = default;
    WantedValue(const Destination* into, const FieldSet::Node* at) noexcept : destination(into), node(at) {
      if (at == nullptr) return;
      slot = at->slot >= 0 ? into->slots + at->slot : nullptr;
      within = !at->leaf();
    }
    WantedValue(const Destination* into, const FieldSet::Child* at) noexcept : destination(into) {
      if (at == nullptr) return;
      node = &into->fields->node(*at);
      slot = at->slot >= 0 ? into->slots + at->slot : nullptr;
      within = at->within;
    }

    WantedValue member(const Name& name) const noexcept;
    // Of equal names the last counts: forgets what another value of this member has left.
    void begin() const noexcept {
      if (within) [[unlikely]]
        destination->fields->clear_below(*node, destination->slots, destination->lists);
    }

    const Destination* destination = nullptr;
    const FieldSet::Node* node = nullptr;
    Value* slot = nullptr;
    bool within = false;
  };

  // A place among the members of an object. Which of those that a node wants comes next is guessed
  // by the record before, so that a name has only to be compared. A wrong guess costs a look-up and
  // is corrected there (take_other_field). Without guesses the walk has two thirds of its speed.
  struct MemberCursor {
    explicit MemberCursor(const WantedValue& above) noexcept
        : wanted(above),
          slots(above.destination->slots),
          guesses(above.destination->guesses),
          next(guesses + FieldSet::first_guess(*above.node)) {
      WEARABLES_ASSERT(FieldSet::first_guess(*above.node) < above.destination->fields->guess_count());
    }

    // It was this child: what comes behind it is guessed next.
    [[gnu::always_inline]] void pass(const FieldSet::Child& child) noexcept {
      WEARABLES_ASSERT(FieldSet::next_guess(child) < wanted.destination->fields->guess_count());
      next = guesses + FieldSet::next_guess(child);
    }

    const WantedValue& wanted;  // of the object
    Value* slots;
    FieldSet::Guess* guesses;
    FieldSet::Guess* next;
  };

  // Walks a value and everything in it.
  bool take(od::value& value, const WantedValue& wanted, int depth);
  bool check(od::value& value, int depth) { return take(value, {}, depth); }
  // As wanted.member(name), but an unknown name is noted.
  WantedValue member_of(const WantedValue& wanted, const Name& name);
  // Checks a container, which is nested too deep to be read, and leaves it to be skipped.
  bool pass_over(od::value& value);
  // Keeps what stands where records are looked for and holds none, and what was expected there.
  void note_instead(od::value& value, std::string_view path, const char* expected);
  // What a walk comes to that ended in `done`. One that has found no record (any) is kUnexpectedShape, with what
  // note_instead() was told or `otherwise` as the message, unless null stands in the place of records.
  Result<WalkFindings> findings(const Result<Done>& done, bool any, std::string_view otherwise) const;
  FoundFields room_for(const FieldSet& fields) { return kept_.room_for(fields); }
  Destination destination_of(const FieldSet& fields, Value* slots, Places* lists, const char* notes = nullptr) {
    return {&fields, slots, lists, kept_.guesses(fields), notes};
  }
  bool take_members(od::object& object, const WantedValue& wanted, int depth);
  bool take_places(od::object& object, const WantedValue& wanted, int depth);
  bool take_scalar_field(od::field& field, MemberCursor& cursor, int depth);

  static const char* start(od::value& value) noexcept { return value.raw_json_token().data(); }
  static bool is_container(od::value& value) noexcept {
    return (*start(value) | 0x20) == '{';  // or '[': they differ in this bit
  }
  static bool is_null_word(od::value& value) noexcept { return without_blanks(value.raw_json_token()) == "null"; }
  std::size_t offset_of(od::value& value) const noexcept { return static_cast<std::size_t>(start(value) - bytes_); }
  std::size_t start_of_root() const noexcept { return body_.find('{'); }
  // look() may walk on from here: afterwards the walk is where it was.
  template <class F>
  bool look_ahead(F&& look) {
    const ParsedBody::Place here = document_.place();
    const bool walked = look();
    document_.return_to(here);
    return walked;
  }
  // Past a list that the walk is at the start of, if it can be told without going through it; else the parser goes.
  void pass_list(od::value& list) {
    const std::size_t end = kept_.end_of_flat_list(offset_of(list));
    if (end != Workspace::kNowhere) document_.pass(bytes_ + end);
  }
  // Just behind the object that was walked last.
  std::size_t end_of_object();
  bool read_name(od::field& field, Name* name);

 private:
  struct UnknownMember {
    const FieldSet::Node* node;  // what it is a member of
    const FieldSet* fields;
    const char* before;
    std::string_view name;  // in the body, or where the parser unescaped it
  };

  void note_unknown(const WantedValue& wanted, std::string_view name);
  std::vector<std::string> unknown_paths() const;
  bool unescape_name(od::field& field, const char* raw, Name* name);
  bool has_backslash(std::string_view text) const noexcept {
    return has_backslash_ && text.find('\\') != std::string_view::npos;
  }
  bool take_other_field(od::field& field, MemberCursor& cursor, int depth);
  bool take_scalar(od::value& value, Value* slot);
  bool take_container(od::value& value, const WantedValue& wanted, int depth);
  bool make_places(od::array& array, const WantedValue& wanted);
  bool take_element(od::value& value, const WantedValue& list, std::size_t index, int depth);
  bool take_string(od::value& value, Value* slot);
  bool take_escaped(od::value& value, Value* slot);
  bool take_number(od::value& value, Value* slot);
  bool take_no_double(od::value& value, Value* slot);
  bool take_bare_word(od::value& value, Value* slot, simdjson::error_code otherwise);
  bool take_word(od::value& value, Value* slot);
  bool take_root_scalar(std::string_view text);
  bool check_root_scalar(std::string_view text);
  bool at_end();
  Result<Done> outcome() const;

  Workspace& kept_;
  ParsedBody document_;
  std::string_view body_;
  const char* bytes_ = nullptr;
  bool has_backslash_ = false;  // anywhere in the body
  bool (*stop_)();
  const bool passes_lists_;
  std::uint32_t ticks_ = 0;
  bool stopped_ = false;
  simdjson::error_code error_ = simdjson::SUCCESS;
  std::vector<UnknownMember> unknowns_;
  bool deep_ = false;        // something is nested too deep
  std::string wrong_place_;  // the first of what note_instead() was told, in words
  std::string null_place_;   // the first that is null
};

[[gnu::always_inline]] inline bool Walk::read_name(od::field& field, Name* name) {
  const char* raw = field.key().raw();
  // Between the two there is nothing but the end of the name, a colon and blanks.
  const char* end = start(field.value()) - 2;
  if (end[0] != '"' || end[1] != ':') [[unlikely]]
    end = find_quote_or_backslash(raw);
  const auto size = static_cast<std::size_t>(end - raw);
  if (*end != '"' || has_backslash({raw, size})) [[unlikely]]
    return unescape_name(field, raw, name);
  *name = {{raw, size}, padded_head(raw, size)};
  return true;
}

template <class OnObject, class OnArray>
Result<Done> Walk::run(OnObject on_object, OnArray on_array) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  bytes_ = kept_.copy(body_, passes_lists_);
  has_backslash_ = kept_.has_backslash();
  const std::size_t mark = body_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const std::size_t size = body_.size() - mark;
  const simdjson::padded_string_view text(bytes_ + mark, size, size + simdjson::SIMDJSON_PADDING);
  od::json_type type{};
  if (!passed(kept_.parser().iterate(text).get(static_cast<od::document&>(document_))) ||
      !passed(document_.type().get(type))) {
    return outcome();
  }
  od::object object;
  od::array array;
  if (type == od::json_type::object) {
    if (passed(document_.get_object().get(object)) && on_object(object)) at_end();
  } else if (type == od::json_type::array) {
    if (passed(document_.get_array().get(array)) && on_array(array)) at_end();
  } else {
    take_root_scalar(without_blanks(body_.substr(mark)));
  }
  return outcome();
}

[[gnu::always_inline]] inline Walk::WantedValue Walk::WantedValue::member(const Name& name) const noexcept {
  // constructed in the return slot: a copy right after its members were written would stall on store forwarding
  const WantedValue below(destination, node == nullptr ? nullptr : destination->fields->child(*node, name));
  below.begin();
  return below;
}

[[gnu::always_inline]] inline Walk::WantedValue Walk::member_of(const WantedValue& wanted, const Name& name) {
  const WantedValue below = wanted.member(name);
  if (below.node == nullptr && wanted.node != nullptr) [[unlikely]]
    note_unknown(wanted, name.text);
  return below;
}

[[gnu::always_inline]] inline bool Walk::take(od::value& value, const WantedValue& wanted, int depth) {
  return is_container(value) ? take_container(value, wanted, depth) : take_scalar(value, wanted.slot);
}

[[gnu::always_inline]] inline bool Walk::take_scalar(od::value& value, Value* slot) {
  switch (*start(value)) {
    case '"':
      return take_string(value, slot);
    case 't':
    case 'f':
    case 'n':
      return take_word(value, slot);
    default:
      return take_number(value, slot);
  }
}

[[gnu::always_inline]] inline bool Walk::take_scalar_field(od::field& field, MemberCursor& cursor, int depth) {
  static_assert(kMaxMemberName + 1 <= simdjson::SIMDJSON_PADDING);
  const FieldSet::Child& child = **cursor.next;
  if (child.within || !child.name.begins(field.key().raw())) [[unlikely]]
    return take_other_field(field, cursor, depth);
  cursor.pass(child);
  return take_scalar(field.value(), child.slot < 0 ? nullptr : cursor.slots + child.slot);
}

[[gnu::always_inline]] inline bool Walk::take_string(od::value& value, Value* slot) {
  // A string's token is itself and blanks.
  const std::string_view token = value.raw_json_token();
  std::size_t size = token.size() - 1;
  while (is_blank(token[size])) --size;
  if (size == 0) [[unlikely]]
    return passed(simdjson::STRING_ERROR);
  const char* text = token.data() + 1;
  if (has_backslash({text, size - 1})) [[unlikely]]
    return take_escaped(value, slot);
  od::raw_json_string consumed;
  if (!passed(value.get_raw_json_string().get(consumed))) return false;
  if (slot == nullptr) return true;
  slot->kind = Kind::kString;
  slot->text = {text, size - 1};
  return true;
}

[[gnu::always_inline]] inline bool Walk::take_number(od::value& value, Value* slot) {
  const std::string_view token = value.raw_json_token();
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS) [[unlikely]] {
    return take_no_double(value, slot);
  }
  if (slot == nullptr) return true;
  slot->kind = Kind::kNumber;
  slot->number = number;
  slot->text = without_blanks_behind(token);
  return true;
}

[[gnu::always_inline]] inline bool Walk::take_word(od::value& value, Value* slot) {
  bool word = false;
  const bool null = *start(value) == 'n';
  const auto error = null ? value.is_null().get(word) : value.get_bool().get(word);
  if (error != simdjson::SUCCESS || (null && !word)) [[unlikely]]
    return take_bare_word(value, slot, error == simdjson::SUCCESS ? simdjson::N_ATOM_ERROR : error);
  if (slot == nullptr) return true;
  slot->kind = null ? Kind::kNull : Kind::kBool;
  slot->number = word ? 1 : 0;
  return true;
}

}  // namespace wearables
