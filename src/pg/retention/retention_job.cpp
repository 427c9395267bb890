// Policies are applied by batches: each job is one transaction, which drops some of what one policy does not keep and
// makes the next job (89_retention.sql). A floor moves in a transaction of its own, before what lies below is dropped.
//
// A batch of samples holds the lock of one user; one of raw events the maintenance lock and, for a moment, the table's.
// Whatever it waits for, the job is put off and comes again; a crash loses one batch, which is done again.
#include "pg/retention/retention_job.h"

#include "pg/queue/job.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

Statement retain_statement{"SELECT wearables_internal.apply_some_retention($1)"};
Statement queue_statement{"SELECT wearables_internal.queue_retention()"};
enum { kQueued = 1 };
Statement give_up_statement{"SELECT wearables_internal.give_up_retention($1, $2)"};

Arg argument_of(const Job& job) {
  return arg_datum(JSONBOID, job.argument == nullptr ? Datum{0} : JsonbPGetDatum(job.argument),
                   job.argument == nullptr);
}

void apply_some(Job* job) {
  run(retain_statement, {argument_of(*job)});
  stop_point("retained some");
}

// The policy is applied again tomorrow.
bool give_up(const Job& job, int, const char* error) {
  run(give_up_statement, {argument_of(job), arg_text(error)});
  return true;
}

bool queue_due_policies() {
  run(queue_statement, {});
  return get_bool(0, kQueued);
}

constexpr JobKind retention_kind() {
  JobKind kind = background_kind("retention", apply_some, 1);
  kind.give_up = give_up;
  kind.feed = queue_due_policies;
  return kind;
}

constexpr JobKind kRetention = retention_kind();

}  // namespace

void register_retention_job_kind() { register_job_kind(&kRetention); }

}  // namespace wearables::pg
