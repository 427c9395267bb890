#include "pg/server/lock.h"

#include <algorithm>

#include "pg/server/server.h"

extern "C" {
#include "common/hashfn.h"
}

namespace wearables::pg {

namespace {

constexpr uint32 kStripes = 1024;
constexpr uint32 kSpace = 0x57454152;  // keeps clear of the advisory locks of others
constexpr uint32 kParking = kStripes + 1;
constexpr uint32 kSuspects = kStripes + 2;
constexpr uint32 kMaintenance = kStripes + 3;
constexpr uint32 kActivity = kStripes + 4;
constexpr uint32 kRollups = kStripes + 5;
constexpr uint32 kAccesses = kStripes + 6;
// 1 and 2 are what SQL can reach
constexpr uint16 kLockClass = 5;
constexpr uint16 kNameClass = 6;
constexpr uint16 kNumberClass = 7;
constexpr uint16 kJobKindClass = 8;

bool acquire_tag(uint32 space, uint32 which, uint16 lock_class, bool wait, LOCKMODE mode = ExclusiveLock) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, space, which, lock_class);
  return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool acquire(uint32 which, bool wait = true) { return acquire_tag(kSpace, which, kLockClass, wait); }

uint32 space_of_names(bool of_source) { return kSpace + (of_source ? 1 : 2); }

uint32 stripe_of(int64 user_id) {
  return hash_bytes_uint32(static_cast<uint32>(user_id) ^ static_cast<uint32>(user_id >> 32)) % kStripes;
}

}  // namespace

void lock_user(int64 user_id) { acquire(stripe_of(user_id)); }

bool holds_user_lock(int64 user_id) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, kSpace, stripe_of(user_id), kLockClass);
#if PG_VERSION_NUM >= 170000
  return LockHeldByMe(&tag, ExclusiveLock, false);
#else
  return LockHeldByMe(&tag, ExclusiveLock);
#endif
}

void lock_users(int64* user_ids, int count) {
  for (int i = 0; i < count; ++i) user_ids[i] = stripe_of(user_ids[i]);
  std::sort(user_ids, user_ids + count);
  for (int i = 0; i < count; ++i) {
    if (i == 0 || user_ids[i] != user_ids[i - 1]) acquire(static_cast<uint32>(user_ids[i]));
  }
}

void lock_parking() { acquire(kParking); }

void lock_events() {
  const Oid relation = get_relname_relid("webhook_events_default", get_namespace_oid("wearables", false));
  if (OidIsValid(relation)) LockRelationOid(relation, RowExclusiveLock);
}

bool try_lock_suspects() { return acquire(kSuspects, false); }

bool try_lock_job_kind(const char* name) {
  const uint32 number = hash_bytes(reinterpret_cast<const unsigned char*>(name), static_cast<int>(strlen(name)));
  return acquire_tag(kSpace, number, kJobKindClass, false);
}

bool try_lock_name(bool of_source, uint32 name) {
  return acquire_tag(space_of_names(of_source), name, kNameClass, false);
}

void wait_for_name(bool of_source, uint32 name) {
  (void)acquire_tag(space_of_names(of_source), name, kNameClass, true);
}

bool try_lock_number(bool of_source, int number) {
  return acquire_tag(space_of_names(of_source), static_cast<uint32>(number), kNumberClass, false);
}

bool try_lock_activity() { return acquire(kActivity, false); }

bool try_lock_accesses() { return acquire(kAccesses, false); }

// Two modes that conflict with each other and not with themselves.
void lock_out_rollups() { (void)acquire_tag(kSpace, kRollups, kLockClass, true, RowExclusiveLock); }

bool try_lock_rollups() { return acquire_tag(kSpace, kRollups, kLockClass, false, ShareLock); }

bool try_lock_maintenance() { return acquire(kMaintenance, false); }

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_lock_parking);
PG_FUNCTION_INFO_V1(wearables_lock_user);
PG_FUNCTION_INFO_V1(wearables_try_lock_maintenance);

Datum wearables_lock_parking(PG_FUNCTION_ARGS) {
  wearables::pg::lock_parking();
  PG_RETURN_VOID();
}

Datum wearables_lock_user(PG_FUNCTION_ARGS) {
  wearables::pg::lock_user(PG_GETARG_INT64(0));
  PG_RETURN_VOID();
}

Datum wearables_try_lock_maintenance(PG_FUNCTION_ARGS) { PG_RETURN_BOOL(wearables::pg::try_lock_maintenance()); }
}
