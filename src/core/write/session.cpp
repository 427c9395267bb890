// Sessions are taken the newest first. A newer one contains the present one if, among those that begin no later, the
// latest end is no earlier than its own. The latest end among the first so many begins is a prefix maximum, which a
// Fenwick tree over the begins keeps.
#include "core/write/session.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace wearables {
namespace {

// Over positions 1 to n.
class PrefixMaximum {
 public:
  explicit PrefixMaximum(std::size_t n) : latest_(n + 1, kNoInstant) {}

  void raise(std::size_t position, Micros value) {
    for (; position < latest_.size(); position += position & -position) {
      latest_[position] = std::max(latest_[position], value);
    }
  }

  // Of positions 1 to `last`.
  Micros up_to(std::size_t last) const {
    Micros latest = kNoInstant;
    for (; last > 0; last -= last & -last) latest = std::max(latest, latest_[last]);
    return latest;
  }

 private:
  std::vector<Micros> latest_;
};

// `indices`: of the sessions of one source, the newest first.
void judge_source(std::span<const SessionAt> sessions, std::span<const std::size_t> indices,
                  std::vector<char>& superseded) {
  std::vector<Micros> begins;
  begins.reserve(indices.size());
  for (const std::size_t i : indices) begins.push_back(sessions[i].start);
  std::sort(begins.begin(), begins.end());
  PrefixMaximum ends(begins.size());
  for (const std::size_t i : indices) {
    const auto place = std::upper_bound(begins.begin(), begins.end(), sessions[i].start) - begins.begin();
    const auto position = static_cast<std::size_t>(place);
    const Micros latest = ends.up_to(position);
    superseded[i] = latest != kNoInstant && latest >= sessions[i].end ? 1 : 0;
    ends.raise(position, sessions[i].end);
  }
}

}  // namespace

std::vector<char> find_superseded(std::span<const SessionAt> sessions) {
  std::vector<std::size_t> order(sessions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sessions[a].source < sessions[b].source; });
  std::vector<char> superseded(sessions.size(), 0);
  for (std::size_t from = 0; from < order.size();) {
    std::size_t to = from;
    while (to < order.size() && sessions[order[to]].source == sessions[order[from]].source) ++to;
    judge_source(sessions, std::span(order).subspan(from, to - from), superseded);
    from = to;
  }
  return superseded;
}

}  // namespace wearables
