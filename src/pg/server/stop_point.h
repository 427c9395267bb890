// Named places at which a test makes a session pause, fail or die. Only in builds for tests (make STOP_POINTS=1).
#pragma once

namespace wearables::pg {

#ifdef WEARABLES_STOP_POINTS
// wearables_ingest.stop_point = 'name:action[:skip]'; the name * is every point.
//   pause: waits for pg_advisory_lock(4711), which the test holds; error: raises XX000; kill: SIGKILL.
//   skip: how often the point is passed before. An error happens once for each time that the setting is made.
//   step: waits for pg_advisory_lock(4711, pid) of this session, the next time for (4712, pid) and so on in turn, and
//   shows its name in pg_stat_activity: a test that holds both lets the session go on one point at a time.
// Before it pauses, fails or dies it writes a line to the server's log.
void stop_point(const char* name);
// In the latter: what hangs on the clock is to be left out, so that a test's order of steps decides alone.
bool is_stepped() noexcept;
void define_stop_points();
#else
inline void stop_point(const char*) {}
inline bool is_stepped() noexcept { return false; }
inline void define_stop_points() {}
#endif

}  // namespace wearables::pg
