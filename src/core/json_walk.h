// One walk over one body: what all shapes share. json.cpp's own, the only file that sees the
// parser.
#pragma once

#ifndef SIMDJSON_H
#error "json.cpp includes this, after simdjson"
#endif

#include "core/field_set.h"
#include "core/json_text.h"
#include "core/result.h"

#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wearables {

namespace od = simdjson::ondemand;

inline constexpr int kMaxDepth = 500;

// The parser and the padded copy of the body, kept from call to call. The first body that is much
// smaller than the one before gives the memory back.
class Workspace {
 public:
  static constexpr std::size_t kAlwaysKept = std::size_t{1} << 20;

  // Never destroyed: a backend's exit runs no destructor of ours.
  static Workspace& get() {
    static auto* const kept = new Workspace;
    return *kept;
  }

  const char* copy(std::string_view body) {
    if (capacity_ > kAlwaysKept && body.size() < capacity_ / 4) release();
    if (bytes_ == nullptr || capacity_ < body.size()) {
      release();
      bytes_.reset(new char[body.size() + simdjson::SIMDJSON_PADDING]);
      capacity_ = body.size();
    }
    if (!body.empty()) std::memcpy(bytes_.get(), body.data(), body.size());
    std::memset(bytes_.get() + body.size(), 0, simdjson::SIMDJSON_PADDING);
    return bytes_.get();
  }

  od::parser& parser() noexcept { return parser_; }

 private:
  void release() noexcept {
    parser_ = od::parser{};
    bytes_.reset();
    capacity_ = 0;
  }

  od::parser parser_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
};

// A name of up to eight bytes that the walks look for.
struct ShortName {
  consteval explicit ShortName(std::string_view text) : head(name_head(text)), size(text.size()) {}
  std::uint64_t head;
  std::size_t size;
};

struct Name {
  std::string_view text;
  std::uint64_t head = 0;

  bool operator==(const ShortName& other) const noexcept {
    return head == other.head && text.size() == other.size;
  }
};

// Every function that returns bool returns false once the walk has failed or was stopped. Those
// that run per member or element are inline: a call costs as much as what they do.
class Walk {
 public:
  Walk(std::string_view body, bool (*stop)()) : kept_(Workspace::get()), body_(body), stop_(stop) {}
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

  bool too_deep(int depth) { return depth > kMaxDepth && !passed(simdjson::DEPTH_ERROR); }

  bool stopped() {
    constexpr std::uint32_t kInterval = 1024;
    if (++ticks_ % kInterval != 0 || stop_ == nullptr || !stop_()) return false;
    stopped_ = true;
    return true;
  }

  // f(const Name&, od::value&) for each member.
  template <class F>
  bool each_member(od::object& object, F&& f) {
    for (auto&& member : object) {
      od::field field;
      Name name;
      if (!passed(std::forward<decltype(member)>(member).get(field)) || !read_name(field, &name))
        return false;
      if (!f(name, field.value())) return false;
    }
    return true;
  }

  // f(od::value&, index) for each element.
  template <class F>
  bool each_element(od::array& array, F&& f) {
    std::size_t index = 0;
    for (auto&& element : array) {
      od::value value;
      if (!passed(std::forward<decltype(element)>(element).get(value)) || !f(value, index++))
        return false;
    }
    return true;
  }

  struct Target {
    const FieldSet* fields;
    Value* slots;
    std::vector<Value>* rows;  // by list; null below "*", where there are none
  };

  // What a field set wants of a value: where its parts go. An empty one only checks.
  struct Wanted {
    const Target* target = nullptr;
    const FieldSet::Node* node = nullptr;

    Wanted member(const Name& name) const noexcept;
    Value* slot() const noexcept {
      return node != nullptr && node->slot >= 0 ? target->slots + node->slot : nullptr;
    }
  };

  // Walks a value and everything in it.
  bool take(od::value& value, const Wanted& wanted, int depth);
  bool check(od::value& value, int depth) { return take(value, {}, depth); }
  bool take_members(od::object& object, const Wanted& wanted, int depth);

  static const char* start(od::value& value) noexcept { return value.raw_json_token().data(); }
  std::size_t offset_of(od::value& value) const noexcept {
    return static_cast<std::size_t>(start(value) - bytes_);
  }
  std::size_t start_of_root() const noexcept { return body_.find('{'); }
  // Just behind the object that was walked last.
  std::size_t end_of_object();

 private:
  bool read_name(od::field& field, Name* name);
  bool unescape_name(od::field& field, const char* raw, Name* name);
  bool take_container(od::value& value, const Wanted& wanted, int depth);
  bool take_element(od::value& value, const Wanted& list, std::size_t index, int depth);
  bool take_string(od::value& value, Value* slot);
  bool unescape(od::value& value, std::string_view* text);
  bool take_number(od::value& value, Value* slot);
  bool overflows(od::value& value);
  bool take_word(od::value& value, Value* slot);
  bool check_root_scalar(std::string_view text);
  bool at_end();
  Result<Done> outcome() const;

  Workspace& kept_;
  od::document document_;
  std::string_view body_;
  const char* bytes_ = nullptr;
  bool (*stop_)();
  std::uint32_t ticks_ = 0;
  bool stopped_ = false;
  simdjson::error_code error_ = simdjson::SUCCESS;
};

[[gnu::always_inline]] inline Walk::Wanted Walk::Wanted::member(const Name& name) const noexcept {
  if (node == nullptr) return {};
  const FieldSet::Node* below = target->fields->child(*node, name.head, name.text);
  if (below != nullptr && !below->leaf()) {
    target->fields->clear_below(*below, target->slots, target->rows);
  }
  return {target, below};
}

inline bool Walk::read_name(od::field& field, Name* name) {
  const char* raw = field.key().raw();
  const char* end = find_quote_or_backslash(raw);
  if (*end != '"') [[unlikely]]
    return unescape_name(field, raw, name);
  name->text = {raw, static_cast<std::size_t>(end - raw)};
  name->head = padded_head(raw, name->text.size());
  return true;
}

inline bool Walk::take(od::value& value, const Wanted& wanted, int depth) {
  switch (*start(value)) {
    case '"':
      return take_string(value, wanted.slot());
    case '{':
    case '[':
      return take_container(value, wanted, depth);
    case 't':
    case 'f':
    case 'n':
      return take_word(value, wanted.slot());
    default:
      return take_number(value, wanted.slot());
  }
}

inline bool Walk::take_string(od::value& value, Value* slot) {
  const char* text = start(value) + 1;
  const char* end = find_quote_or_backslash(text);
  std::string_view string(text, static_cast<std::size_t>(end - text));
  if (*end == '"') [[likely]] {
    od::raw_json_string consumed;
    if (!passed(value.get_raw_json_string().get(consumed))) return false;
  } else if (!unescape(value, &string)) {
    return false;
  }
  if (slot != nullptr) {
    slot->kind = Kind::kString;
    slot->text = string;
  }
  return true;
}

inline bool Walk::take_number(od::value& value, Value* slot) {
  const std::string_view token = value.raw_json_token();
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS) [[unlikely]] {
    if (!overflows(value)) return false;
    number = std::numeric_limits<double>::infinity();
  }
  if (slot == nullptr) return true;
  slot->kind = Kind::kNumber;
  slot->number = number;
  slot->text = without_blanks(token);
  return true;
}

inline bool Walk::take_word(od::value& value, Value* slot) {
  bool word = false;
  const bool null = *start(value) == 'n';
  if (!passed(null ? value.is_null().get(word) : value.get_bool().get(word))) return false;
  if (null && !word) return passed(simdjson::N_ATOM_ERROR);
  if (slot != nullptr) slot->kind = null ? Kind::kNull : Kind::kBool;
  return true;
}

template <class OnObject, class OnArray>
Result<Done> Walk::run(OnObject on_object, OnArray on_array) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  bytes_ = kept_.copy(body_);
  const std::size_t mark = body_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const std::size_t size = body_.size() - mark;
  const simdjson::padded_string_view text(bytes_ + mark, size, size + simdjson::SIMDJSON_PADDING);
  od::json_type type{};
  if (!passed(kept_.parser().iterate(text).get(document_)) || !passed(document_.type().get(type))) {
    return outcome();
  }
  od::object object;
  od::array array;
  if (type == od::json_type::object) {
    if (passed(document_.get_object().get(object)) && on_object(object)) at_end();
  } else if (type == od::json_type::array) {
    if (passed(document_.get_array().get(array)) && on_array(array)) at_end();
  } else {
    check_root_scalar(body_.substr(mark));
  }
  return outcome();
}

inline bool Walk::unescape_name(od::field& field, const char* raw, Name* name) {
  if (field.unescaped_key().get(name->text) != simdjson::SUCCESS) {
    const auto used = static_cast<std::size_t>(raw - bytes_);
    if (!escapes_valid({raw, body_.size() - used})) return passed(simdjson::STRING_ERROR);
    *name = {};  // no field has an empty name
    return true;
  }
  name->head = padded_head(name->text.data(), name->text.size());
  return true;
}

inline bool Walk::unescape(od::value& value, std::string_view* text) {
  if (value.get_string().get(*text) == simdjson::SUCCESS) return true;
  *text = "\xEF\xBF\xBD";
  return escapes_valid(value.raw_json_token().substr(1)) || passed(simdjson::STRING_ERROR);
}

inline bool Walk::overflows(od::value& value) {
  return is_number(without_blanks(value.raw_json_token())) || passed(simdjson::NUMBER_ERROR);
}

inline bool Walk::take_container(od::value& value, const Wanted& wanted, int depth) {
  if (too_deep(depth)) return false;
  Value* slot = wanted.slot();
  if (*start(value) == '{') {
    if (slot != nullptr) slot->kind = Kind::kObject;
    od::object object;
    return passed(value.get_object().get(object)) && take_members(object, wanted, depth + 1);
  }
  if (slot != nullptr) slot->kind = Kind::kArray;
  od::array array;
  if (!passed(value.get_array().get(array))) return false;
  const bool wanted_within = wanted.node != nullptr && !wanted.node->leaf();
  return each_element(array, [&](od::value& element, std::size_t index) {
    if (!wanted_within) return check(element, depth + 1);
    return !stopped() && take_element(element, wanted, index, depth + 1);
  });
}

inline bool Walk::take_members(od::object& object, const Wanted& wanted, int depth) {
  return each_member(object, [&](const Name& name, od::value& member) {
    return take(member, wanted.member(name), depth);
  });
}

// A whole body that is one number, string or word: right or wrong, no record stands in it.
inline bool Walk::check_root_scalar(std::string_view text) {
  text = without_blanks(text);
  if (text.starts_with('"')) {
    std::string_view ignored;
    return (document_.get_string().get(ignored) == simdjson::SUCCESS ||
            escapes_valid(text.substr(1)) || passed(simdjson::STRING_ERROR)) &&
           at_end();
  }
  return is_number(text) || text == "null" || text == "true" || text == "false" ||
         passed(simdjson::TAPE_ERROR);
}

inline bool Walk::at_end() {
  return document_.current_location().error() == simdjson::OUT_OF_BOUNDS ||
         passed(simdjson::TRAILING_CONTENT);
}

inline std::size_t Walk::end_of_object() {
  const char* end = bytes_ + body_.size();
  const char* next = nullptr;
  if (document_.current_location().get(next) == simdjson::SUCCESS) end = next;
  while (end > bytes_ && end[-1] != '}') --end;
  return static_cast<std::size_t>(end - bytes_);
}

inline Result<Done> Walk::outcome() const {
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
    case simdjson::DEPTH_ERROR:
      return {Code::kInvalidJson,
              "the body is nested deeper than " + std::to_string(kMaxDepth) + " levels"};
    default:
      return {Code::kInvalidJson, "the body is not one JSON value"};
  }
}

}  // namespace wearables
