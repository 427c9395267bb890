// The kinds of jobs that are about an event: normalize and replay.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_event_job_kinds();

}  // namespace wearables::pg
