// The fields that a walk looks for, and what it finds in them.
#pragma once

#include "core/pure.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

inline constexpr std::size_t kMaxMemberName = 60;  // bytes, in a path
inline constexpr std::size_t kMaxUnknowns = 32;    // unknown members told of one body

enum class Kind : std::uint8_t { kMissing, kNull, kBool, kNumber, kString, kObject, kArray };

// One field of one record. A string that cannot be unescaped (a lone surrogate) reads U+FFFD.
struct Value {
  Kind kind = Kind::kMissing;
  double number = 0;      // kNumber; infinite when what is written overflows
  std::string_view text;  // kString: unescaped; kNumber: as written. Valid until the sink returns

  bool present() const noexcept { return kind != Kind::kMissing && kind != Kind::kNull; }
};

// Dotted member paths ("heart_rate.resting_bpm"), each with a slot in the records that a walk
// fills. A number is a member or a place in a list ("hr_zones.0"). "*" is every place of a list
// ("stages.*.type"): what stands there goes to rows, one for each place, and the walk leaves the
// slot of the path empty. A list that is read by "*" is not read by number.
class FieldSet {
 public:
  // By column of a list's rows: the slot of the whole path.
  using List = std::vector<std::uint16_t>;

  // A place in the table of a node's children.
  struct Bucket {
    std::uint64_t head = 0;   // the name's first eight bytes
    std::uint32_t size = 0;   // of the name
    std::uint32_t child = 0;  // 0: empty, and no child is to be looked for behind it
  };

  struct Node {
    std::string name;
    int slot = -1;           // -1: only a step on the way; below "*" the column of the row
    int list = -1;           // of what "*" stands for
    std::uint32_t each = 0;  // what "*" leads to, 0 for none
    std::uint32_t parent = 0;
    bool open = false;  // whatever is below it is known
    std::vector<std::uint32_t> children;
    std::vector<Bucket>
        buckets;  // from bucket_of() its head on; a power of two, at most a quarter full

    bool leaf() const noexcept { return children.empty() && each == 0; }
  };

  FieldSet() : nodes_(1) {}

  // No empty member name, none above kMaxMemberName bytes, no control character, quote or
  // backslash; "*" once at most, and not first.
  static bool valid(std::string_view path) noexcept;

  // The slot of a valid path; the same path has the same slot.
  std::uint16_t add(std::string_view path);

  // A valid path without "*" that is known, with all below it, and needs no slot.
  void know(std::string_view path);

  std::size_t size() const noexcept { return pointers_.size(); }

  // RFC 6901, relative to the record: "/heart_rate/resting_bpm".
  const std::string& pointer(std::uint16_t slot) const noexcept { return pointers_[slot]; }

  const std::vector<List>& lists() const noexcept { return lists_; }
  // The list that a path with "*" reads, -1 for another path.
  int list_of(std::uint16_t slot) const noexcept { return list_of_[slot]; }

  // For the walk: the way down, by a name and its first eight bytes.
  const Node& root() const noexcept { return nodes_.front(); }
  const Node* child(const Node& node, std::uint64_t head, std::string_view name) const noexcept;
  const Node* each(const Node& node) const noexcept {
    return node.each == 0 ? nullptr : &nodes_[node.each];
  }
  std::string path_of(const Node& node) const;
  void clear_below(const Node& node, Value* slots, std::vector<Value>* rows) const noexcept;

 private:
  static std::size_t bucket_of(std::uint64_t head, std::size_t buckets) noexcept {
    return ((head * 0x9E3779B97F4A7C15U) >> 32) & (buckets - 1);
  }
  std::uint32_t step(std::uint32_t from, std::string_view name);
  std::uint32_t step_to_each(std::uint32_t from);
  std::uint32_t add_node(std::uint32_t parent, std::string_view name);
  void rebuild_buckets(Node& node);

  std::vector<Node> nodes_;            // the first is the record itself
  std::vector<std::string> pointers_;  // by slot, as list_of_
  std::vector<int> list_of_;
  std::vector<List> lists_;
};

// What a walk found in one record of what a field set wants.
struct Found {
  explicit Found(const FieldSet& fields) : values(fields.size()), rows(fields.lists().size()) {}

  void clear() noexcept {
    for (Value& value : values) value.kind = Kind::kMissing;  // which makes the rest meaningless
    for (std::vector<Value>& list : rows) list.clear();
  }

  std::vector<Value> values;             // by slot
  std::vector<std::vector<Value>> rows;  // by list, one row behind the other
};

// A name's first eight bytes, filled up with zeros.
constexpr std::uint64_t name_head(std::string_view name) noexcept {
  std::array<char, 8> head{};
  for (std::size_t i = 0; i < name.size() && i < head.size(); ++i) head[i] = name[i];
  return std::bit_cast<std::uint64_t>(head);
}

// "~" and "/" of a member name as RFC 6901 wants them.
std::string escape_pointer(std::string_view name);

// Every member name of every body passes here.
inline const FieldSet::Node* FieldSet::child(const Node& node, std::uint64_t head,
                                             std::string_view name) const noexcept {
  if (node.buckets.empty()) return nullptr;
  const Bucket* const buckets = node.buckets.data();
  const std::size_t last = node.buckets.size() - 1;
  for (std::size_t at = bucket_of(head, last + 1); buckets[at].child != 0; at = (at + 1) & last) {
    if (buckets[at].head != head || buckets[at].size != name.size()) continue;
    const Node& child = nodes_[buckets[at].child];
    if (name.size() <= 8 || child.name == name) return &child;
  }
  return nullptr;
}

}  // namespace wearables
