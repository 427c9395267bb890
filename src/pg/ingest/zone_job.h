// The job that follows a change of a user's time zone.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_zone_job_kind();

}  // namespace wearables::pg
