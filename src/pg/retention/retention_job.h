// Jobs that drop what retention_policies do not keep.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_retention_job_kind();

}  // namespace wearables::pg
