// The compiled mappings of this backend, loaded anew when the revision has moved.
#pragma once

#include "core/parse/mapping.h"

#include "pg/server/spi.h"

namespace wearables::pg {

// The number of the set of mappings that holds now, as an expression in a statement.
#define REVISION_IN_FORCE "(SELECT max(r.revision) FROM wearables.revisions r)"

// The revision in force. Within SPI.
int64 current_revision(SnapshotMode mode);

// The plan of `revision` or newer; owned by the backend until a later call replaces it. `mode` as the one
// that gave the revision, or else rows older than their number would be kept. Within SPI.
const Plan& plan_at(int64 revision, SnapshotMode mode);

// Whether samples of the channel follow from documents: it is the name of a resource of kind summary, or a channel that
// a mapping gives readings of one. Within SPI.
bool is_summary_channel(std::string_view channel);

// A (sub)transaction aborted: a plan that was loaded in it may be of rows that are no more.
void forget_plan() noexcept;
// Whatever it was loaded from may be gone.
void forget_plan_for_good() noexcept;
// The transaction is over; what is kept is of rows that are there.
void keep_plan() noexcept;

}  // namespace wearables::pg
