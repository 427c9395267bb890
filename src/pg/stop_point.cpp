#include "pg/stop_point.h"

#ifdef WEARABLES_STOP_POINTS

#include <csignal>
#include <cstring>

#include "pg/server.h"

extern "C" {
#include "storage/lock.h"
}

namespace wearables::pg {

namespace {

constexpr int64 kLock = 4711;

constinit char* setting = nullptr;
constinit int passed = 0;
constinit bool happened = false;

void forget(const char*, void*) {
  passed = 0;
  happened = false;
}

// The lock of SELECT pg_advisory_lock(4711), shared: several may wait at once. A test pauses as long as it likes.
void pause_here() {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(kLock >> 32), static_cast<uint32>(kLock), 1);
  const int lock_timeout = LockTimeout;
  LockTimeout = 0;
  (void)LockAcquire(&tag, ShareLock, true, false);
  LockRelease(&tag, ShareLock, true);
  LockTimeout = lock_timeout;
}

// The text behind "name:" where the setting names this point.
const char* action_at(const char* name) {
  if (setting == nullptr || *setting == '\0') return nullptr;
  const char* colon = strchr(setting, ':');
  if (colon == nullptr) return nullptr;
  const size_t length = static_cast<size_t>(colon - setting);
  const bool every = length == 1 && *setting == '*';
  return every || (strlen(name) == length && strncmp(name, setting, length) == 0) ? colon + 1 : nullptr;
}

}  // namespace

void stop_point(const char* name) {
  const char* action = action_at(name);
  if (action == nullptr || happened) return;
  const char* skip = strchr(action, ':');
  if (skip != nullptr && passed++ < atoi(skip + 1)) return;
  if (strncmp(action, "pause", 5) == 0) return pause_here();
  happened = true;
  if (strncmp(action, "kill", 4) == 0) (void)kill(MyProcPid, SIGKILL);
  ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("stopped at \"%s\"", name)));
}

void define_stop_points() {
  DefineCustomStringVariable("wearables_ingest.stop_point", "A place at which this session pauses, fails or dies.", nullptr,
                             &setting, "", PGC_SUSET, 0, nullptr, forget, nullptr);
}

}  // namespace wearables::pg

#endif
