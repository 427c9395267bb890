// The fields that a walk looks for, and what it finds in them. A set does not change once it is made: walks may share
// it.
#pragma once

#include "core/json/member_name.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

inline constexpr std::size_t kMaxMemberName = 60;  // bytes, in a path
inline constexpr std::size_t kMaxPlaces = 100000;  // of one list in one record
inline constexpr std::size_t kMaxUnknowns = 32;    // unknown members, or texts, or units, told of one body

struct Places;

enum class Kind : std::uint8_t {
  kMissing,
  kNull,
  kBool,
  kNumber,
  kString,
  kObject,
  kArray,
  kBareWord,  // as is_bare_word(): something stands there, and no field takes it
};

// One field of one record. A string that cannot be unescaped (a lone surrogate) reads U+FFFD.
struct Value {
  Kind kind = Kind::kMissing;
  double number = 0;      // kNumber; infinite when what is written overflows. kBool: 1 for true. kObject: where its
                          // text begins in the body
  std::string_view text;  // kString: unescaped; kNumber: as written. Valid until the sink returns

  bool present() const noexcept { return kind != Kind::kMissing && kind != Kind::kNull; }
};

// Dotted member paths ("heart_rate.resting_bpm"), each with a slot in the records that a walk
// fills. A number is a member or a place in a list ("hr_zones.0"). "*" is every place of a list
// ("stages.*.type"), or every member of an object: what stands there goes to rows, one for each place, and the walk
// leaves the slot of the path empty. A list that is read by "*" is not read by number.
class FieldSet {
 public:
  // By column of a list's rows: the slot of the whole path.
  using List = std::vector<std::uint16_t>;

  // A child of a node, with all that a walk asks of most members.
  struct Child {
    QuotedName name;
    std::uint32_t node = 0;
    std::int32_t slot = -1;  // as of the node
    bool within = false;     // something is below it
  };

  // Which child comes next in a body, as it did in the record before: no result depends on it. A walk keeps two for
  // each node, see first_guess() and next_guess().
  using Guess = const Child*;

  struct Node {
    std::string name;
    std::uint32_t number = 0;  // of the node
    std::int32_t slot = -1;    // -1: only a step on the way; below "*" the column of the row
    int list = -1;             // of what "*" stands for
    std::uint32_t each = 0;    // what "*" leads to, 0 for none
    std::uint32_t parent = 0;
    bool open = false;  // whatever is below it is known
    std::vector<Child> children;
    std::vector<std::uint32_t> table;  // 1 + place of a child, each from place_of() its name on

    bool leaf() const noexcept { return children.empty() && each == 0; }
  };

  FieldSet();
  FieldSet(const FieldSet&) = delete;
  FieldSet& operator=(const FieldSet&) = delete;
  FieldSet(FieldSet&&) = default;
  FieldSet& operator=(FieldSet&&) = default;

  // No empty member name, none above kMaxMemberName bytes, no control character, quote or
  // backslash; "*" once at most, and not first.
  static bool valid(std::string_view path) noexcept;

  // The slot of a valid path; the same path has the same slot.
  std::uint16_t add(std::string_view path);

  // A valid path without "*" that is known, with all below it, and needs no slot. What is added below it later is not.
  void know(std::string_view path);

  std::size_t size() const noexcept { return pointers_.size(); }

  // RFC 6901, relative to the record: "/heart_rate/resting_bpm".
  const std::string& pointer(std::uint16_t slot) const noexcept { return pointers_[slot]; }

  const std::vector<List>& lists() const noexcept { return lists_; }
  // The list that a path with "*" reads, -1 for another path.
  int list_of(std::uint16_t slot) const noexcept { return list_of_[slot]; }

  // For the walk: the way down.
  const Node& root() const noexcept { return nodes_.front(); }
  const Node& node(const Child& child) const noexcept { return nodes_[child.node]; }
  const Child* child(const Node& node, const MemberName& name) const noexcept;
  const Node* each(const Node& node) const noexcept { return node.each == 0 ? nullptr : &nodes_[node.each]; }
  std::string path_of(const Node& node) const;

  // Another number after each change, and never that of another set: what was kept for it is to be made anew.
  std::uint64_t version() const noexcept { return version_; }
  // What a walk that knows nothing yet guesses.
  std::vector<Guess> first_guesses() const;
  // As many as first_guesses() has.
  std::size_t guess_count() const noexcept { return 2 * nodes_.size(); }
  // The places of the guesses: which child of a node comes first, and which of its siblings behind a child.
  static std::size_t first_guess(const Node& node) noexcept { return 2 * std::size_t{node.number}; }
  static std::size_t next_guess(const Child& child) noexcept { return 2 * std::size_t{child.node} + 1; }
  void clear_below(const Node& node, Value* slots, Places* lists) const noexcept;

  // Whether nodes, children, slots and lists say the same of each other: always true, for assertions.
  bool is_consistent() const;

 private:
  // A table is a power of two, and a quarter full at most.
  static std::size_t place_of(const MemberName& name, std::size_t places) noexcept {
    return (((name.head + name.text.size()) * 0x9E3779B97F4A7C15U) >> 32) & (places - 1);
  }
  std::uint32_t step(std::uint32_t from, std::string_view name);
  std::uint32_t step_to_each(std::uint32_t from);
  std::uint32_t add_node(std::uint32_t parent, std::string_view name);
  void update_above(std::uint32_t at);
  void make_table(Node& node);
  bool is_consistent(const Node& node) const;

  std::uint64_t version_;
  std::vector<Node> nodes_;            // the first is the record itself
  std::vector<std::string> pointers_;  // by slot, as list_of_
  std::vector<int> list_of_;
  std::vector<List> lists_;
};

// What stood in the places of a list that is read by "*".
struct Places {
  std::vector<Value> rows;   // of the first kMaxPlaces, one behind the other
  std::size_t left_out = 0;  // how many there were behind them

  void clear() noexcept {
    rows.clear();
    left_out = 0;
  }
};

// What a walk found in one record of what a field set wants.
struct FoundFields {
  void clear() noexcept {
    for (Value& value : values) value.kind = Kind::kMissing;  // which makes the rest meaningless
    for (Places& list : lists) list.clear();
  }

  std::span<Value> values;    // by slot
  std::vector<Places> lists;  // as FieldSet::lists()
};

// Appends a member name with its "~" and "/" as RFC 6901 wants them.
void append_escaped(std::string& pointer, std::string_view name);

inline const FieldSet::Child* FieldSet::child(const Node& node, const MemberName& name) const noexcept {
  if (node.table.empty()) return nullptr;
  const std::size_t last = node.table.size() - 1;
  for (std::size_t at = place_of(name, last + 1); node.table[at] != 0; at = (at + 1) & last) {
    const Child& child = node.children[node.table[at] - 1];
    if (nodes_[child.node].name == name.text) return &child;
  }
  return nullptr;
}

}  // namespace wearables
