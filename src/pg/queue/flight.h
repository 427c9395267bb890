// Jobs of this session whose work goes on outside of any transaction, beside other jobs (JobKind::flight). They stay
// claimed under their leases, from turn to turn, until their work has ended, or the session ends.
#pragma once

#include "pg/queue/attempt.h"
#include "pg/queue/job.h"

namespace wearables::pg {

// More than the limits of all kinds together allow.
inline constexpr int kMaxFlights = 80;

// Begins the job and starts its work outside. The copy that is in flight lives by itself. `result` says how that went:
// where it did not succeed, or the claim was lost, nothing is in flight. Returns whether something is.
bool launch_job(const Job& job, AttemptResult* result);

// Goes on with all of them and gives one whose work has ended, or null. It is in flight until retire_job().
Job* next_landing();

// Ends the attempt; the result's texts live in the current context.
AttemptResult land_job(Job* job);

// Gives back the memory of a job that has landed, when all is on record.
void retire_job(Job* job);

// Ends all work without a result; the claims are the caller's to release.
void abandon_flights();

int flight_count() noexcept;
bool is_in_flight(const Job& job) noexcept;
// Their ids, as int8 datums; returns how many.
int jobs_in_flight(Datum* ids) noexcept;

// What becomes readable when next_landing() has something to do; PGINVALID_SOCKET where nothing is in flight.
pgsocket flights_fd() noexcept;

}  // namespace wearables::pg
