// The job of a backfill: one page of history, fetched outside of any transaction, stored with the next cursor in one.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_pull_job_kind();

}  // namespace wearables::pg
