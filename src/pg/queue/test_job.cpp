// Two kinds without a feature: they show the two shapes of a handler, a limit and a subject at work under stop points.
#include "pg/queue/test_job.h"

#ifdef WEARABLES_STOP_POINTS

#include "pg/queue/job.h"
#include "pg/server/spi.h"
#include "pg/server/stop_point.h"

namespace wearables::pg {

namespace {

int max_running_tests() noexcept { return 2; }

Statement log_statement{"INSERT INTO public.test_job_log (job_id, step) VALUES ($1, $2)"};
Statement count_statement{"SELECT FROM public.test_job_log l WHERE l.job_id = $1 AND l.step = $2"};

void log_step(const Job& job, const char* step) { run(log_statement, {arg_int8(job.job_id), arg_text(step)}); }

const char* argument_of(const Job& job, const char* name) {
  JsonbValue found;
  if (job.argument == nullptr) return nullptr;
  const JsonbValue* value =
      getKeyJsonValueFromContainer(&job.argument->root, name, static_cast<int>(strlen(name)), &found);
  if (value == nullptr || value->type != jbvString) return nullptr;
  return pnstrdup(value->val.string.val, value->val.string.len);
}

void work(Job* job) {
  log_step(*job, "work");
  stop_point("test work");
}

void begin(Job* job) { log_step(*job, "begin"); }

void outside(Job* job) {
  stop_point("test outside");
  const char* sqlstate = argument_of(*job, "fail");
  if (sqlstate == nullptr) return;
  ereport(ERROR, (errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])),
                  errmsg("the job was told to fail")));
}

JobEnd end(Job* job) {
  stop_point("test end");
  const char* again = argument_of(*job, "again");
  const bool ended_before = run(count_statement, {arg_int8(job->job_id), arg_text("end")}) > 0;
  log_step(*job, "end");
  if (again == nullptr || ended_before) return {true, 0};
  return {false, atof(again)};
}

bool give_up(const Job& job, int, const char*) {
  log_step(job, "give up");
  return true;
}

constexpr int kPutOffClasses[] = {ERRCODE_CONNECTION_EXCEPTION};
constexpr RetryRule kRetry{2, 0.0, 1.0, 0.0, kPutOffClasses, 1};

constexpr JobKind work_kind() {
  JobKind kind{};
  kind.name = "test_work";
  kind.work = work;
  kind.give_up = give_up;
  kind.concurrency = {max_running_tests, false, 1};
  kind.retry = kRetry;
  return kind;
}

constexpr JobKind outside_kind() {
  JobKind kind{};
  kind.name = "test_outside";
  kind.begin = begin;
  kind.outside = outside;
  kind.end = end;
  kind.give_up = give_up;
  kind.concurrency = {max_running_tests, true, 1};
  kind.retry = kRetry;
  return kind;
}

constexpr JobKind kWork = work_kind();
constexpr JobKind kOutside = outside_kind();

}  // namespace

void register_test_job_kinds() {
  register_job_kind(&kWork);
  register_job_kind(&kOutside);
}

}  // namespace wearables::pg

#endif
