// Rollups: what the days of a user's metrics come to, so that a chart need not read every sample.
//
// A visible row of wearables_internal.rollups that has the visible epoch agrees with the visible samples. So an answer
// made of rollups and samples is, under any snapshot, the answer that the samples give.
//
// - Whoever writes samples holds the lock of the user. In the same transaction he deletes the rollups of the days that
//   he touched, and notes that the user is due (note_written()). He finds them under a new snapshot, even where his
//   transaction has an old one.
// - A job rolls up under the same lock, with snapshots taken after it has the lock. The lock is held until the commit
//   is visible. So a rollup includes all writes that ended before it, and each later writer sees it and deletes it.
// - SQL that changes sample_points itself takes no lock of users. The trigger reset_rollups() begins a new epoch in the
//   transaction of the change, and keeps jobs out until that has ended.
//
// Deleting a rollup is correct at any time. Only the job may insert one.
#pragma once

#include "core/write/touched.h"

#include "pg/server/server.h"

namespace wearables::pg {

// After a write: deletes the rollups of the user's days and metrics that were written, and notes that they are due.
// `touched` is about one user, whose lock is held. Within the (sub)transaction of the write.
void note_written(int64 user_id, const Touched& touched);

// Around a statement of the writer that changes sample_points by the executor: the trigger reset_rollups() is to let it
// pass, so many times as statement triggers fire for it. What an error leaves behind is forgotten at the end of its
// (sub)transaction.
void begin_own_write(int events);
void end_own_write();
void forget_own_write() noexcept;

// Of `INSERT ... ON CONFLICT DO UPDATE`: the triggers of both fire.
inline constexpr int kUpsertEvents = 2;

// Whether it is the trigger reset_rollups(), which changes nothing of what is written.
bool is_rollup_trigger(const Trigger& trigger);

// Stores what the user's metric came to on each day before `before`, which is 00:00 UTC, in frozen_rollups. Its samples
// are to be deleted in the same transaction. Raises lock_not_available while SQL changes samples past the writer.
void freeze_days(int64 user_id, int16 metric_id, TimestampTz before);

// Deletes the rollups of these days, frozen ones not included.
void drop_rollups(int64 user_id, int16 metric_id, TimestampTz before);

// In _PG_init.
void register_rollup_job_kind();

}  // namespace wearables::pg
