// Private to the room: keys that documents claimed and do not any more. Each falls to another document that claims it,
// or goes.
#pragma once

#include "pg/server/spi.h"
#include "pg/write/sample_columns.h"

namespace wearables {
class Touched;
}

namespace wearables::pg {

// What a document claims of a sample, in the order of wearables.summary_sample: all but the user and the version.
inline constexpr auto kClaimColumns = joined(kKeyOfUser, kReadingColumns);

// The keys live in `context`.
struct GivenUp {
  MemoryContext context;
  Datum* key[kKeyOfUser.size()];  // by column
  int count, capacity;
};

// Adds the keys that rows of the last statement hold in the columns from number `first` on; a row without one has nulls
// there.
void add_given_up(uint64 rows, int first, GivenUp* keys);

// To be called when all documents of the event are stored, and it is known which of them are superseded.
void settle_given_up(int64 user_id, const GivenUp& given_up, Touched* touched);

}  // namespace wearables::pg
