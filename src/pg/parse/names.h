// The 16-bit numbers of sources, and of the metrics that fields of a sample name (cholesterol/hdl).
//
// A name is found here, or made: by make_names(), in a transaction of the caller's choice. Whoever handles a batch
// never makes one: it ends with is_names_missing() and a list, is undone, and begins again once they are made. So the
// worker and drain() can commit names before they write, and nobody waits for a transaction that stays open after it
// made one.
//
// Locks, all until the transaction ends: hold_names() keeps maintenance from taking a name away. Who makes a name holds
// its name and the number he gives it, by advisory locks that SQL cannot reach; a number is tried, never waited for.
// Numbers are kept per backend, and forgotten whenever a transaction ends in another way than by its commit.
#pragma once

#include "core/write/sample.h"

#include <string_view>

#include "pg/server/spi.h"

namespace wearables {
struct ClosedNames;
}

namespace wearables::pg {

struct Source {
  int16 source_id;
  bool floating_time;
};

// A name that has no number.
struct MissingName {
  bool is_source;
  const char* provider;  // of a source
  const char* type;
  const char* channel;
  const char* metric;  // of a metric
  int16 parent_id;
  uint32 lock;  // the number of its lock: names are made in ascending order of it
  bool full;    // out of make_names(): there is no room for it
};

// Lives in `context`, which outlives the attempt that fills it.
struct MissingNames {
  MemoryContext context;
  MissingName* names;
  int count, capacity;
};

// What a batch names, by its indexes.
struct Names {
  Source* sources;  // source_id 0: nothing of the batch is of it
  int16* new_metrics;
};

// A metric as it is shown, in the current context; null texts where there is no such metric. Within SPI.
struct MetricLabel {
  const char* name;
  const char* unit;
};
MetricLabel metric_label(int16 metric_id, SnapshotMode mode);

// From here to the end of the transaction maintenance takes no name away. Before the first look-up of any.
void hold_names();

// Looks up what the batch uses, in the current context; adds what has no number to `missing`. Within SPI.
Names find_names(const Batch& batch, MissingNames* missing);

// Adds a source, or a metric made after `parent_id`, to `missing`, unless it has a number already. Within SPI.
void require_source(const SourceRef& source, MissingNames* missing);
Source source_of(const SourceRef& source);

// A metric as its row has it; texts in the current context.
struct Metric {
  int16 metric_id;
  const char* unit;
  double lowest, highest;  // finite: kLargestValue where the row sets no bound
};

// Finds the metric by its name; false when there is none. One that maintenance has found unused is in use from now on.
// Within SPI.
bool find_metric(const char* name, Metric* metric);

// Gives numbers to those that still have none, and marks those for which there is no room. With `wait`, a name that
// another transaction is making is waited for, in ascending order; else false, and the rest stays as it is. Raises
// serialization_failure where waiting could deadlock. Within SPI, as owner.
bool make_names(MissingNames* missing, bool wait);

// Those that make_names() found no room for, for normalize(); owned by `context`.
const ClosedNames* closed_names(const MissingNames& missing, MemoryContext context);

// Ends an attempt for want of names; and whether an error is that.
[[noreturn]] void end_for_names();
bool is_names_missing(int sqlstate) noexcept;

void forget_names() noexcept;
// The transaction is over: its locks are gone.
void forget_name_locks() noexcept;

}  // namespace wearables::pg
