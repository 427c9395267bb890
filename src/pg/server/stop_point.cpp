#include "pg/server/stop_point.h"

#ifdef WEARABLES_STOP_POINTS

#include <csignal>
#include <cstring>

#include "pg/server/server.h"

extern "C" {
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/backend_status.h"
}

namespace wearables::pg {

namespace {

constexpr uint32 kLock = 4711;

constinit char* setting = nullptr;
constinit int passed = 0;
constinit bool happened = false;

void forget(const char*, void*) {
  passed = 0;
  happened = false;
}

// Shared: several may wait at once, and for as long as the test likes.
void wait_for(LOCKTAG tag) {
  const int lock_timeout = LockTimeout;
  LockTimeout = 0;
  (void)LockAcquire(&tag, ShareLock, true, false);
  LockRelease(&tag, ShareLock, true);
  LockTimeout = lock_timeout;
}

void pause_here() {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, kLock, 1);
  wait_for(tag);
}

void step(const char* name) {
  constinit static uint32 steps = 0;
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, kLock + steps++ % 2, static_cast<uint32>(MyProcPid), 2);
  pgstat_report_activity(STATE_RUNNING, name);
  wait_for(tag);
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
  if (strncmp(action, "step", 4) == 0) return step(name);
  // a test must know that it came here, also when nobody is left to say so
  ereport(LOG, (errmsg("stop point \"%s\": %s", name, action)));
  if (strncmp(action, "pause", 5) == 0) return pause_here();
  happened = true;
  if (strncmp(action, "kill", 4) == 0) (void)kill(MyProcPid, SIGKILL);
  ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("stopped at \"%s\"", name)));
}

bool is_stepped() noexcept { return setting != nullptr && strstr(setting, ":step") != nullptr; }

void define_stop_points() {
  DefineCustomStringVariable("wearables_ingest.stop_point", "A place at which this session pauses, fails or dies.",
                             nullptr, &setting, "", PGC_SUSET, 0, nullptr, forget, nullptr);
}

}  // namespace wearables::pg

#endif
