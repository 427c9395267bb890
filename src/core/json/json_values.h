// How a walk takes values and the members of objects: what runs for every byte. json.cpp's own.
#pragma once

#include "core/json/json_walk.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

namespace wearables {

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

[[gnu::noinline]] inline bool Walk::take_escaped(od::value& value, Value* slot) {
  const std::string_view token = value.raw_json_token();
  od::raw_json_string raw;
  if (!passed(value.get_raw_json_string().get(raw))) return false;
  std::string_view text;
  if (kept_.unescape(raw, token.size()).get(text) != simdjson::SUCCESS) {
    text = "\xEF\xBF\xBD";
    if (!escapes_valid(token.substr(1))) return passed(simdjson::STRING_ERROR);
  }
  if (slot == nullptr) return true;
  slot->kind = Kind::kString;
  slot->text = text;
  return true;
}

// What the parser did not take is still where it was, and skipped when the next value is asked for.
[[gnu::noinline]] inline bool Walk::take_no_double(od::value& value, Value* slot) {
  const std::string_view token = without_blanks(value.raw_json_token());
  if (!is_number(token)) return take_bare_word(value, slot, simdjson::NUMBER_ERROR);
  if (slot == nullptr) return true;
  slot->kind = Kind::kNumber;
  slot->number = std::numeric_limits<double>::infinity();
  slot->text = token;
  return true;
}

[[gnu::noinline]] inline bool Walk::take_bare_word(od::value& value, Value* slot, simdjson::error_code otherwise) {
  if (!is_bare_word(without_blanks(value.raw_json_token()))) return passed(otherwise);
  if (slot != nullptr) slot->kind = Kind::kBareWord;
  return true;
}

// Room for all places at once: growing would hold them twice for a while.
inline bool Walk::make_places(od::array& array, const WantedValue& wanted) {
  const FieldSet::Node* each = wanted.node == nullptr ? nullptr : wanted.destination->fields->each(*wanted.node);
  if (each == nullptr || wanted.destination->lists == nullptr) return true;
  std::size_t count = 0;
  if (!passed(array.count_elements().get(count))) return false;
  const auto number = static_cast<std::size_t>(each->list);
  std::vector<Value>& rows = wanted.destination->lists[number].rows;
  rows.reserve(rows.size() + std::min(count, kMaxPlaces) * wanted.destination->fields->lists()[number].size());
  return true;
}

[[gnu::noinline]] inline bool Walk::take_container(od::value& value, const WantedValue& wanted, int depth) {
  Value* slot = wanted.slot;
  const bool is_object = *start(value) == '{';
  if (slot != nullptr) slot->kind = is_object ? Kind::kObject : Kind::kArray;
  if (depth > kMaxDepth) return pass_over(value);
  if (is_object) {
    od::object object;
    return passed(value.get_object().get(object)) && take_members(object, wanted, depth + 1);
  }
  od::array array;
  if (!passed(value.get_array().get(array)) || !make_places(array, wanted)) return false;
  return each_element(array, [&](od::value& element, std::size_t index) {
    if (!wanted.within) return check(element, depth + 1);
    return !stopped() && take_element(element, wanted, index, depth + 1);
  });
}

inline bool Walk::take_members(od::object& object, const WantedValue& wanted, int depth) {
  if (wanted.node == nullptr) {
    return each_member(object, [&](const Name&, od::value& member) { return check(member, depth); });
  }
  if (wanted.node->each != 0) [[unlikely]]
    return take_places(object, wanted, depth);
  MemberCursor cursor(wanted);
  return each_field(
      object, [&](od::field & field) __attribute__((always_inline)) {
        return is_container(field.value()) ? take_other_field(field, cursor, depth)
                                           : take_scalar_field(field, cursor, depth);
      });
}

[[gnu::noinline]] inline bool Walk::take_other_field(od::field& field, MemberCursor& cursor, int depth) {
  Name name;
  if (!read_name(field, &name)) return false;
  const WantedValue& above = cursor.wanted;
  const FieldSet::Child* child = above.destination->fields->child(*above.node, name);
  if (child == nullptr) {
    note_unknown(above, name.text);
    return check(field.value(), depth);
  }
  *cursor.next = child;
  cursor.pass(*child);
  const WantedValue wanted(above.destination, child);
  wanted.begin();
  return take(field.value(), wanted, depth);
}

}  // namespace wearables
