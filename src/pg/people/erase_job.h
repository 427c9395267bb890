// The kind of job that deletes what is stored of an erased person.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_erase_job_kind();

}  // namespace wearables::pg
