// Named places at which a test makes a session pause, fail or die. Only in builds for tests (make STOP_POINTS=1).
#pragma once

namespace wearables::pg {

#ifdef WEARABLES_STOP_POINTS
// wearables_ingest.stop_point = 'name:action[:skip]'; the name * is every point.
//   pause: waits for pg_advisory_lock(4711), which the test holds; error: raises XX000; kill: SIGKILL.
//   skip: how often the point is passed before. An error happens once for each time that the setting is made.
void stop_point(const char* name);
void define_stop_points();
#else
inline void stop_point(const char*) {}
inline void define_stop_points() {}
#endif

}  // namespace wearables::pg
