// The job that follows a change of a link.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_link_job_kind();

}  // namespace wearables::pg
