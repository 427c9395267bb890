#include "core/json/field_set.h"

#include <algorithm>
#include <bit>

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

namespace {

// A child whom no name calls. Never destroyed: a backend's exit runs no destructor of ours.
const FieldSet::Child* nobody() {
  static const auto* const made = new FieldSet::Child;
  return made;
}

std::uint64_t next_version() noexcept {
  constinit static std::uint64_t last = 0;
  return ++last;
}

}  // namespace

FieldSet::FieldSet() : version_(next_version()), nodes_(1) {}

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
    append_escaped(pointer, name);
    return true;
  });
  std::int32_t& known = nodes_[at].slot;
  const auto slot = static_cast<std::uint16_t>(pointers_.size());
  if (known >= 0) {
    const auto place = static_cast<std::size_t>(known);
    return list < 0 ? static_cast<std::uint16_t>(known) : lists_[static_cast<std::size_t>(list)][place];
  }
  pointers_.push_back(std::move(pointer));
  list_of_.push_back(list);
  if (list < 0) {
    known = slot;
  } else {
    List& columns = lists_[static_cast<std::size_t>(list)];
    known = static_cast<std::int32_t>(columns.size());
    columns.push_back(slot);
  }
  update_above(at);
  return slot;
}

void FieldSet::know(std::string_view path) {
  std::uint32_t at = 0;
  each_name(path, [&](std::string_view name) {
    at = step(at, name);
    return true;
  });
  nodes_[at].open = true;
  // a node stands behind its parent
  for (std::size_t below = at + 1; below < nodes_.size(); ++below) {
    if (nodes_[nodes_[below].parent].open) nodes_[below].open = true;
  }
}

std::string FieldSet::path_of(const Node& node) const {
  if (&node == nodes_.data()) return {};
  const std::string above = path_of(nodes_[node.parent]);
  return above.empty() ? node.name : above + '.' + node.name;
}

std::uint32_t FieldSet::step(std::uint32_t from, std::string_view name) {
  if (const Child* known = child(nodes_[from], {name, name_head(name)})) return known->node;
  const std::uint32_t made = add_node(from, name);
  nodes_[from].children.push_back({QuotedName(name), made});
  make_table(nodes_[from]);
  update_above(made);
  return made;
}

std::uint32_t FieldSet::step_to_each(std::uint32_t from) {
  if (nodes_[from].each != 0) return nodes_[from].each;
  const std::uint32_t made = add_node(from, kEach);
  nodes_[made].list = static_cast<int>(lists_.size());
  nodes_[from].each = made;
  lists_.emplace_back();
  update_above(from);
  return made;
}

std::uint32_t FieldSet::add_node(std::uint32_t parent, std::string_view name) {
  const auto made = static_cast<std::uint32_t>(nodes_.size());
  Node& node = nodes_.emplace_back();
  version_ = next_version();
  node.number = made;
  node.name = std::string(name);
  node.parent = parent;
  return made;
}

void FieldSet::make_table(Node& node) {
  const std::size_t places = std::bit_ceil(4 * node.children.size());
  node.table.assign(places, 0);
  std::uint32_t number = 0;
  for (const Child& child : node.children) {
    const std::string& name = nodes_[child.node].name;
    std::size_t at = place_of({name, name_head(name)}, places);
    while (node.table[at] != 0) at = (at + 1) & (places - 1);
    node.table[at] = ++number;
  }
}

std::vector<FieldSet::Guess> FieldSet::first_guesses() const {
  std::vector<Guess> guesses(2 * nodes_.size(), nobody());
  for (const Node& node : nodes_) {
    if (node.children.empty()) continue;
    guesses[first_guess(node)] = node.children.data();
    for (const Child& child : node.children) guesses[next_guess(child)] = node.children.data();
  }
  return guesses;
}

// What a parent knows of a node that was changed, and its parent of it.
void FieldSet::update_above(std::uint32_t at) {
  while (at != 0) {
    const Node& node = nodes_[at];
    for (Child& child : nodes_[node.parent].children) {
      if (child.node != at) continue;
      child.slot = node.slot;
      child.within = !node.leaf();
    }
    at = node.parent;
  }
}

void FieldSet::clear_below(const Node& node, Value* slots, Places* lists) const noexcept {
  if (const Node* below = each(node)) lists[below->list].clear();
  for (const Child& child : node.children) {
    if (child.slot >= 0) slots[child.slot].kind = Kind::kMissing;
    if (child.within) clear_below(nodes_[child.node], slots, lists);
  }
}

bool FieldSet::is_consistent(const Node& node) const {
  const std::size_t number = static_cast<std::size_t>(&node - nodes_.data());
  if (node.number != number || node.parent > number || node.each >= nodes_.size()) return false;
  if (node.list >= static_cast<int>(lists_.size())) return false;
  if (node.slot >= static_cast<std::int32_t>(pointers_.size())) return false;
  return std::all_of(node.children.begin(), node.children.end(), [&](const Child& known) {
    const Node& below = nodes_[known.node];
    return known.node > number && below.parent == number && known.slot == below.slot && known.within == !below.leaf() &&
           child(node, {below.name, name_head(below.name)}) == &known;
  });
}

bool FieldSet::is_consistent() const {
  if (list_of_.size() != pointers_.size()) return false;
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    for (const std::uint16_t slot : lists_[list]) {
      if (slot >= pointers_.size() || list_of_[slot] != static_cast<int>(list)) return false;
    }
  }
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const Node& node) { return is_consistent(node); });
}

void append_escaped(std::string& pointer, std::string_view name) {
  const auto special = [](char c) { return c == '~' || c == '/'; };
  auto from = name.begin();
  while (true) {
    const auto to = std::find_if(from, name.end(), special);
    pointer.append(from, to);
    if (to == name.end()) return;
    pointer += *to == '~' ? "~0" : "~1";
    from = to + 1;
  }
}

}  // namespace wearables
