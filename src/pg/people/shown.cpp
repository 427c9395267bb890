// Whether a view shows the rows of a user: not once an erasure of them has begun. Whoever reads the view need not be
// allowed to read who is erased, so that is looked up with the owner's rights, under the snapshot of the query, and
// kept for as long as the query runs. No lock is taken.
#include <algorithm>

#include "pg/server/server.h"
#include "pg/server/spi.h"

extern "C" {
#include "nodes/supportnodes.h"
}

namespace wearables::pg {

namespace {

Statement select_hidden{"SELECT r.user_id FROM wearables.erasures r WHERE r.finished_at IS NULL ORDER BY r.user_id"};
enum { kUserId = 1 };

// Users in ascending order.
struct Hidden {
  uint64 count;
  int64* users;
};

const Hidden* load_hidden(MemoryContext context) {
  SPI_connect();
  const OwnerScope scope = enter_owner();
  const uint64 count = run(select_hidden, {}, SnapshotMode::kCallers);
  auto* hidden = static_cast<Hidden*>(MemoryContextAlloc(context, sizeof(Hidden)));
  hidden->count = count;
  hidden->users = static_cast<int64*>(MemoryContextAllocHuge(context, sizeof(int64) * (count + 1)));
  for (uint64 i = 0; i < count; ++i) hidden->users[i] = get_int8(i, kUserId);
  leave(scope);
  SPI_finish();
  return hidden;
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_is_shown);
PG_FUNCTION_INFO_V1(wearables_is_shown_support);

Datum wearables_is_shown(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  if (fcinfo->flinfo->fn_extra == nullptr) {
    fcinfo->flinfo->fn_extra = const_cast<Hidden*>(load_hidden(fcinfo->flinfo->fn_mcxt));
  }
  const auto* hidden = static_cast<const Hidden*>(fcinfo->flinfo->fn_extra);
  PG_RETURN_BOOL(!std::binary_search(hidden->users, hidden->users + hidden->count, PG_GETARG_INT64(0)));
}

// Almost all rows are shown: the planner would take a third of them else.
Datum wearables_is_shown_support(PG_FUNCTION_ARGS) {
  auto* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
  if (!IsA(request, SupportRequestSelectivity)) PG_RETURN_POINTER(nullptr);
  reinterpret_cast<SupportRequestSelectivity*>(request)->selectivity = 1.0;
  PG_RETURN_POINTER(request);
}
}
