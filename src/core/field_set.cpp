#include "core/field_set.h"

#include <algorithm>

namespace wearables {
namespace {

bool valid_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kMaxMemberName) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == '\x7f';
  });
}

// Calls f(name) for each member name of a path until it returns false.
template <class F>
bool each_name(std::string_view path, F&& f) {
  while (true) {
    const std::size_t dot = path.find('.');
    if (!f(path.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

bool FieldSet::valid(std::string_view path) noexcept { return each_name(path, valid_name); }

std::uint16_t FieldSet::add(std::string_view path) {
  std::uint32_t at = 0;
  std::string pointer;
  each_name(path, [&](std::string_view name) {
    at = step(at, name);
    pointer += '/';
    pointer += escape_pointer(name);
    return true;
  });
  Node& node = nodes_[at];
  if (node.slot < 0) {
    node.slot = static_cast<int>(pointers_.size());
    pointers_.push_back(std::move(pointer));
  }
  return static_cast<std::uint16_t>(node.slot);
}

std::uint32_t FieldSet::step(std::uint32_t from, std::string_view name) {
  const std::uint64_t head = name_head(name);
  if (const Node* known = child(nodes_[from], head, name)) {
    return static_cast<std::uint32_t>(known - nodes_.data());
  }
  const auto made = static_cast<std::uint32_t>(nodes_.size());
  nodes_.emplace_back();
  nodes_.back().name = name;
  nodes_.back().head = head;
  nodes_[from].children.push_back(made);
  rebuild_buckets(nodes_[from]);
  return made;
}

void FieldSet::rebuild_buckets(Node& node) {
  std::size_t size = 4;
  while (size < 2 * node.children.size()) size *= 2;
  node.buckets.assign(size, 0);
  for (const std::uint32_t index : node.children) {
    std::uint32_t& first = node.buckets[bucket_of(nodes_[index].head, size)];
    nodes_[index].next = first;
    first = index;
  }
}

void FieldSet::clear_below(const Node& node, Value* slots) const noexcept {
  for (const std::uint32_t index : node.children) {
    const Node& below = nodes_[index];
    if (below.slot >= 0) slots[below.slot] = Value{};
    clear_below(below, slots);
  }
}

std::string escape_pointer(std::string_view name) {
  std::string escaped;
  escaped.reserve(name.size());
  for (const char c : name) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace wearables
