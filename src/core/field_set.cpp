#include "core/field_set.h"

#include <algorithm>

namespace wearables {
namespace {

constexpr std::string_view kEach = "*";

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

bool FieldSet::valid(std::string_view path) noexcept {
  int stars = path == kEach || path.starts_with("*.") ? 1 : 0;  // not first: as if there were two
  return each_name(path, [&](std::string_view name) {
    stars += name == kEach;
    return stars < 2 && valid_name(name);
  });
}

std::uint16_t FieldSet::add(std::string_view path) {
  std::uint32_t at = 0;
  int list = -1;
  std::string pointer;
  each_name(path, [&](std::string_view name) {
    at = name == kEach ? step_to_each(at) : step(at, name);
    if (name == kEach) list = nodes_[at].list;
    pointer += '/';
    pointer += escape_pointer(name);
    return true;
  });
  int& known = nodes_[at].slot;
  const auto slot = static_cast<std::uint16_t>(pointers_.size());
  if (known >= 0) {
    const auto place = static_cast<std::size_t>(known);
    return list < 0 ? static_cast<std::uint16_t>(known)
                    : lists_[static_cast<std::size_t>(list)][place];
  }
  pointers_.push_back(std::move(pointer));
  list_of_.push_back(list);
  if (list < 0) {
    known = slot;
  } else {
    List& columns = lists_[static_cast<std::size_t>(list)];
    known = static_cast<int>(columns.size());
    columns.push_back(slot);
  }
  return slot;
}

void FieldSet::know(std::string_view path) {
  std::uint32_t at = 0;
  each_name(path, [&](std::string_view name) {
    at = step(at, name);
    return true;
  });
  nodes_[at].open = true;
}

std::string FieldSet::path_of(const Node& node) const {
  if (&node == nodes_.data()) return {};
  const std::string above = path_of(nodes_[node.parent]);
  return above.empty() ? node.name : above + '.' + node.name;
}

std::uint32_t FieldSet::step(std::uint32_t from, std::string_view name) {
  const std::uint64_t head = name_head(name);
  if (const Node* known = child(nodes_[from], head, name)) {
    return static_cast<std::uint32_t>(known - nodes_.data());
  }
  const std::uint32_t made = add_node(from, name);
  nodes_[from].children.push_back(made);
  rebuild_buckets(nodes_[from]);
  return made;
}

std::uint32_t FieldSet::step_to_each(std::uint32_t from) {
  if (nodes_[from].each != 0) return nodes_[from].each;
  const std::uint32_t made = add_node(from, kEach);
  nodes_[made].list = static_cast<int>(lists_.size());
  nodes_[from].each = made;
  lists_.emplace_back();
  return made;
}

std::uint32_t FieldSet::add_node(std::uint32_t parent, std::string_view name) {
  const auto made = static_cast<std::uint32_t>(nodes_.size());
  Node& node = nodes_.emplace_back();
  node.name = std::string(name);
  node.parent = parent;
  return made;
}

void FieldSet::rebuild_buckets(Node& node) {
  std::size_t size = 4;
  while (size < 4 * node.children.size()) size *= 2;
  node.buckets.assign(size, {});
  for (const std::uint32_t index : node.children) {
    const std::string& name = nodes_[index].name;
    const std::uint64_t head = name_head(name);
    std::size_t at = bucket_of(head, size);
    while (node.buckets[at].child != 0) at = (at + 1) & (size - 1);
    node.buckets[at] = {head, static_cast<std::uint32_t>(name.size()), index};
  }
}

void FieldSet::clear_below(const Node& node, Value* slots,
                           std::vector<Value>* rows) const noexcept {
  if (const Node* below = each(node)) rows[below->list].clear();
  for (const std::uint32_t index : node.children) {
    const Node& below = nodes_[index];
    if (below.slot >= 0) slots[below.slot] = Value{};
    clear_below(below, slots, rows);
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
