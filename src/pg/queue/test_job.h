// Kinds of jobs for tests alone, in builds with stop points (stop_point.h).
#pragma once

namespace wearables::pg {

#ifdef WEARABLES_STOP_POINTS
// test_work has one transaction, test_outside works outside of one; at most kMaxRunningTests of each run at once, of
// test_outside one for each subject. The argument of test_outside says how it goes: {"again": seconds} lets it come
// again once, {"fail": "SQLSTATE"} fails. A test adds the kinds with ALTER TYPE wearables.job_kind ADD VALUE, and makes
// the table public.test_job_log (job_id bigint, step text) that they write to.
void register_test_job_kinds();
#else
inline void register_test_job_kinds() {}
#endif

}  // namespace wearables::pg
