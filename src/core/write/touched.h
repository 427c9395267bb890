// What the writer did to sample_points: for each series the range of instants and how many rows, so that whatever is
// computed from samples (a span to replay, a rollup, a notification) need not read them again to find out.
#pragma once

#include "core/write/sample.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <vector>

namespace wearables {

// A closed range of instants; empty until something is added.
struct InstantRange {
  Micros from = std::numeric_limits<Micros>::max();
  Micros to = std::numeric_limits<Micros>::min();

  bool empty() const noexcept { return from > to; }
  void add(Micros at) noexcept {
    if (at < from) from = at;
    if (at > to) to = at;
  }
  void add(const InstantRange& other) noexcept {
    if (other.empty()) return;
    add(other.from);
    add(other.to);
  }
  bool operator==(const InstantRange&) const = default;
};

// The readings of one user, metric and source.
struct TouchedSeries {
  std::int64_t user_id;
  std::int16_t metric_id;
  std::int16_t source_id;
  InstantRange offered;     // of all rows that were to be written, whatever became of them
  InstantRange changed;     // of the keys under which another reading, or none, stands now
  InstantRange written;     // of those and of the keys whose version alone has changed
  Counts counts;            // of the rows offered; quarantined is 0: what was refused is no row
  std::int64_t removed;     // rows that went
  std::int64_t reassigned;  // rows that were replaced by what another document claims
};

// One entry a series, however many of its rows are touched: memory grows with the number of series, time with the
// number of rows. Counts tell operations, so a row that is removed and written again counts twice; `changed` may then
// hold a key that is what it was, and never lacks one that is not.
class Touched {
 public:
  void offer(std::int64_t user_id, const Row& row, Verdict verdict);
  void remove(std::int64_t user_id, const Row& key);
  void reassign(std::int64_t user_id, const Row& row);

  // In the order in which they were touched first; valid until the next change.
  std::span<const TouchedSeries> series() const noexcept { return series_; }

  // Sums over all series.
  Counts counts() const noexcept;
  std::int64_t removed() const noexcept;

 private:
  struct Key {
    std::int64_t user_id;
    std::int16_t metric_id;
    std::int16_t source_id;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };

  TouchedSeries& of(std::int64_t user_id, const Row& row);

  std::vector<TouchedSeries> series_;
  std::unordered_map<Key, std::size_t, KeyHash> index_;
  std::size_t last_ = 0;  // rows of one series stand together as a rule
};

}  // namespace wearables
