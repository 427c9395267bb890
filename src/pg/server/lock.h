// Who waits for whom, and in which order, so that nothing here can deadlock:
//   job row -> events -> user locks (ascending) -> names (ascending) -> rows of samples, summaries, connections,
//   quarantine, events.
// The parking lock comes before the locks of users, but for claimants that are queued (claimant.cpp) and a registration
// in a transaction that has locked a user by another call before.
#pragma once

#include <cstdint>

namespace wearables::pg {

// Until the transaction ends: no other writer touches this user's samples, summaries, connections.
// Users share 1,024 locks, so that a replay over every user does not fill the lock table.
void lock_user(std::int64_t user_id);

// Whether this transaction has it.
bool holds_user_lock(std::int64_t user_id);

// Takes the locks of many users in ascending order; sorts in place.
void lock_users(std::int64_t* user_ids, int count);

// While an event is parked, parked events are freed, or known events are put in the queue again: two sessions that make
// the same jobs in other orders would deadlock. Of those who may stay open for long, a registration takes it when it
// commits; who corrects a link, erases somebody or queues an event again has it from then on.
void lock_parking();

// Until the transaction ends: make_event_partitions() moves no event. To be held before the snapshot that
// looks for one is taken: to an older one a moved event is neither where it was nor where it is.
void lock_events();

// While a job whose session was lost is claimed; false when another session is about to claim one.
bool try_lock_suspects();

// While jobs of a kind with a limit are claimed; false when another session is claiming some.
bool try_lock_job_kind(const char* name);

// While a source (else a metric) of that hash is made; tried, or waited for (names.h).
bool try_lock_name(bool of_source, std::uint32_t name);
void wait_for_name(bool of_source, std::uint32_t name);
// While a number is given to one; never waited for.
bool try_lock_number(bool of_source, int number);

// While what was counted of deliveries is written; false when another session does that.
bool try_lock_activity();

// While noted reads are written; false when another session does that.
bool try_lock_accesses();

// SQL that changes sample_points past the writer, and whoever rolls up what is stored, keep each other out until their
// transactions end; neither keeps out its like. The former waits, the latter only tries. Who rolls up holds the lock of
// the user, too, and takes this one after it.
void lock_out_rollups();
bool try_lock_rollups();

// While partitions are made and the like; false, and nothing is held, when another session does that.
bool try_lock_maintenance();

}  // namespace wearables::pg
