// The job of a stream: one request, made outside of any transaction, whose answer is stored as an event in one.
#pragma once

namespace wearables::pg {

// In _PG_init.
void register_stream_job_kind();

}  // namespace wearables::pg
