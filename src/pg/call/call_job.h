// The job of a call to a vendor: one request, outside of any transaction, and what it changed stored in one.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_call_job_kind();

}  // namespace wearables::pg
