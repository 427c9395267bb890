// What became of the deliveries of each endpoint lately: counted in shared memory, so that a flood of refusals neither
// fills the disk nor slows the door, and written to wearables.endpoint_activity at most once a second (R13). Without
// preloading each session counts for itself and writes at once.
#pragma once

#include <cstddef>
#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

enum class Fate : unsigned char {
  kAccepted,
  kBadSignature,
  kAsymmetric,
  kMissingHeader,
  kStaleTimestamp,
  kBadTimestamp,
  kNoSecret,
  kSecretUnreadable,
  kDisabled,
  kUnknownEndpoint,
  kNoEndpoint,
  kTooLarge,
  kBadMessageId,
  kRollbackAsked
};

// As it stands in endpoint_activity.reason.
const char* name_of(Fate fate) noexcept;

// Of one delivery. `endpoint` is a configured one's name, or "-" where none matched: never a stranger's text. The id is
// kept as a sample if it is of [A-Za-z0-9_-]{1,64}. An acceptance counts when the transaction commits. Returns whether
// this is worth a line in the log: the first of its kind, then one in ten seconds.
bool note_delivery(const char* endpoint, Fate fate, std::string_view message_id);

// Whether the id may stand in a log line or a table.
bool is_plain_id(std::string_view message_id) noexcept;

// A second has passed since the last flush, and something is there to be written.
bool flush_is_due() noexcept;

// Writes what was counted; it counts as written when the transaction commits. Within SPI, as owner. Nothing where
// another session does it, and nothing where it meets a lock or an error: then the next flush does. Raises a cancel
// alone.
void flush_activity();

// For the module's callbacks and shared memory.
void activity_at_transaction_end(XactEvent event);
size_t activity_size() noexcept;
void attach_activity(void* place, bool is_new, LWLock* lock) noexcept;

}  // namespace wearables::pg
