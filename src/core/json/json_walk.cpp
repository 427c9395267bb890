#include "core/json/json_walk.h"

#include "core/base/text.h"

#include <algorithm>
#include <limits>

namespace wearables {
namespace {

std::string pointer_to(const BodyPath* path, std::size_t index) {
  std::string pointer;
  if (path != nullptr) {
    pointer = pointer_to(path->above, path->index) + '/';
    append_escaped(pointer, path->name);
  }
  if (index != Record::kNotListed) pointer += '/' + std::to_string(index);
  return pointer;
}

}  // namespace

std::string Record::pointer() const { return pointer_to(list, index); }

// The parser's index has a token for each bracket, colon and comma, and for where each value begins, but none within a
// string: a bracket without a token is text. The walk is put behind the bracket as the parser itself goes on behind a
// child; its public functions get there only token by token.
bool ParsedBody::pass(const char* end) noexcept {
  const od::token_position first = iter.position();
  const auto length = end - reinterpret_cast<const char*>(iter.peek());
  const auto at = *first + static_cast<std::uint32_t>(length);
  const od::token_position behind = Tokens(iter).end();
  const od::token_position token = std::lower_bound(first, behind, at);
  if (token == behind || *token != at) return false;
  const auto depth = iter.depth();
  iter.ascend_to(depth - 1);
  iter.ascend_to(depth - 2);
  iter.reenter_child(token + 1, depth - 1);
  return true;
}

bool Walk::unescape_name(od::field& field, const char* raw, Name* name) {
  std::string_view text;
  const auto most = static_cast<std::size_t>(start(field.value()) - raw);
  if (kept_.unescape(field.key(), most).get(text) != simdjson::SUCCESS) {
    const auto used = static_cast<std::size_t>(raw - bytes_);
    if (!escapes_valid({raw, body_.size() - used})) return passed(simdjson::STRING_ERROR);
    *name = {};  // no field has an empty name
    return true;
  }
  *name = {text, padded_head(text.data(), text.size())};
  return true;
}

// A whole body that is one number, string or word: right or wrong, no record stands in it.
bool Walk::take_root_scalar(std::string_view text) {
  wrong_place_ = std::string("the body is ") + kind_in_words(text) + ", not an object or a list";
  return check_root_scalar(text);
}

bool Walk::check_root_scalar(std::string_view text) {
  if (text.starts_with('"')) {
    std::string_view ignored;
    return (document_.get_string().get(ignored) == simdjson::SUCCESS || escapes_valid(text.substr(1)) ||
            passed(simdjson::STRING_ERROR)) &&
           at_end();
  }
  return is_number(text) || text == "null" || text == "true" || text == "false" || passed(simdjson::TAPE_ERROR);
}

bool Walk::at_end() {
  return document_.current_location().error() == simdjson::OUT_OF_BOUNDS || passed(simdjson::TRAILING_CONTENT);
}

std::size_t Walk::end_of_object() {
  const char* end = bytes_ + body_.size();
  const char* next = nullptr;
  if (document_.current_location().get(next) == simdjson::SUCCESS) end = next;
  while (end > bytes_ && end[-1] != '}') --end;
  return static_cast<std::size_t>(end - bytes_);
}

Result<Done> Walk::outcome() const {
  if (stopped_) return {Code::kStopped, "stopped"};
  switch (error_) {
    case simdjson::SUCCESS:
      return Done{};
    case simdjson::EMPTY:
      return {Code::kInvalidJson, "the body is empty"};
    case simdjson::UTF8_ERROR:
      return {Code::kInvalidJson, "the body is not UTF-8"};
    case simdjson::CAPACITY:
      return {Code::kInvalidJson, "the body is too large"};
    default:
      return {Code::kInvalidJson, "the body is not one JSON value"};
  }
}

bool Walk::take_escaped(od::value& value, Value* slot) {
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
bool Walk::take_no_double(od::value& value, Value* slot) {
  const std::string_view token = without_blanks(value.raw_json_token());
  if (!is_number(token)) return take_bare_word(value, slot, simdjson::NUMBER_ERROR);
  if (slot == nullptr) return true;
  slot->kind = Kind::kNumber;
  slot->number = std::numeric_limits<double>::infinity();
  slot->text = token;
  return true;
}

bool Walk::take_bare_word(od::value& value, Value* slot, simdjson::error_code otherwise) {
  if (!is_bare_word(without_blanks(value.raw_json_token()))) return passed(otherwise);
  if (slot != nullptr) slot->kind = Kind::kBareWord;
  return true;
}

// Room for all places at once: growing would hold them twice for a while.
bool Walk::make_places(od::array& array, const WantedValue& wanted) {
  const FieldSet::Node* each = wanted.node == nullptr ? nullptr : wanted.destination->fields->each(*wanted.node);
  if (each == nullptr || wanted.destination->lists == nullptr) return true;
  std::size_t count = 0;
  if (!passed(array.count_elements().get(count))) return false;
  const auto number = static_cast<std::size_t>(each->list);
  std::vector<Value>& rows = wanted.destination->lists[number].rows;
  rows.reserve(rows.size() + std::min(count, kMaxPlaces) * wanted.destination->fields->lists()[number].size());
  return true;
}

bool Walk::take_container(od::value& value, const WantedValue& wanted, int depth) {
  Value* slot = wanted.slot;
  const bool is_object = *start(value) == '{';
  if (slot != nullptr) {
    slot->kind = is_object ? Kind::kObject : Kind::kArray;
    slot->number = static_cast<double>(offset_of(value));
  }
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

bool Walk::take_members(od::object& object, const WantedValue& wanted, int depth) {
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

// A container, or a wrong guess: the name is looked up, and is the guess for the next object.
bool Walk::take_other_field(od::field& field, MemberCursor& cursor, int depth) {
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

// The address of a row is good until the next one is made.
bool Walk::take_element(od::value& value, const WantedValue& list, std::size_t index, int depth) {
  const FieldSet& fields = *list.destination->fields;
  const FieldSet::Node* each = fields.each(*list.node);
  if (each == nullptr) {
    const std::string name = std::to_string(index);
    return take(value, list.member({name, name_head(name)}), depth);
  }
  const auto number = static_cast<std::size_t>(each->list);
  Places& places = list.destination->lists[number];
  const std::size_t columns = fields.lists()[number].size();
  WEARABLES_ASSERT(columns > 0 && places.rows.size() % columns == 0);
  if (places.rows.size() / columns == kMaxPlaces) {
    ++places.left_out;
    return check(value, depth);
  }
  places.rows.resize(places.rows.size() + columns);
  const Destination row{&fields, places.rows.data() + places.rows.size() - columns, nullptr, list.destination->guesses,
                        list.destination->notes};
  return take(value, {&row, each}, depth);
}

// The members of an object that is read by "*", whatever their names are.
bool Walk::take_places(od::object& object, const WantedValue& wanted, int depth) {
  std::size_t index = 0;
  return each_member(object, [&](const Name&, od::value& member) {
    return !stopped() && take_element(member, wanted, index++, depth);
  });
}

void Walk::note_unknown(const WantedValue& wanted, std::string_view name) {
  const bool noted = wanted.destination->notes != nullptr && !wanted.node->open && !name.empty();
  if (!noted || unknowns_.size() == kMaxUnknowns) return;
  for (const UnknownMember& known : unknowns_) {
    if (known.node == wanted.node && known.name == name) return;
  }
  unknowns_.push_back({wanted.node, wanted.destination->fields, wanted.destination->notes, name});
}

bool Walk::pass_over(od::value& value) {
  deep_ = true;
  return end_of_value(body_, offset_of(value)) != std::string_view::npos || passed(simdjson::TAPE_ERROR);
}

void Walk::note_instead(od::value& value, std::string_view path, const char* expected) {
  if (is_null_word(value)) {
    if (null_place_.empty()) null_place_ = path;
  } else if (wrong_place_.empty()) {
    const char* kind = kind_in_words(without_blanks(value.raw_json_token()));
    wrong_place_ = '"' + std::string(path) + "\" is " + kind + ", not " + expected;
  }
}

std::vector<std::string> Walk::unknown_paths() const {
  std::vector<std::string> paths;
  for (const UnknownMember& unknown : unknowns_) {
    const std::string above = unknown.fields->path_of(*unknown.node);
    paths.push_back(unknown.before + above + (above.empty() ? "" : ".") + printable(unknown.name, kMaxMemberName));
  }
  return paths;
}

Result<WalkFindings> Walk::findings(const Result<Done>& done, bool any, std::string_view otherwise) const {
  if (!done.ok()) return done.error();
  const bool is_null = !any && wrong_place_.empty() && !null_place_.empty();
  if (any || is_null) return WalkFindings{unknown_paths(), is_null ? null_place_ : std::string(), deep_};
  const std::string deep = ", and something is nested deeper than " + std::to_string(kMaxDepth) + " levels";
  return Error{Code::kUnexpectedShape,
               (wrong_place_.empty() ? std::string(otherwise) : wrong_place_) + (deep_ ? deep : "")};
}

}  // namespace wearables
