#include "pg/queue/status.h"

#include "pg/queue/wakeup.h"

extern "C" {
#include "pgstat.h"
#include "utils/backend_status.h"
}

namespace wearables::pg {

namespace {

constinit WorkerStatus* own = nullptr;

const char* name_of(Doing doing) {
  switch (doing) {
    case Doing::kIdle:
      return "idle";
    case Doing::kDraining:
      return "draining";
    case Doing::kMaintaining:
      return "maintaining";
    case Doing::kPaused:
      return "paused";
    case Doing::kWaitingForSchema:
      return "waiting for ALTER EXTENSION UPDATE";
    case Doing::kInTrouble:
      return "waiting after errors";
  }
  return "idle";
}

}  // namespace

void take_status(WorkerStatus* status) noexcept { own = status; }

WorkerStatus* own_status() noexcept { return own; }

void note_doing(Doing doing) noexcept {
  if (own == nullptr || own->doing == doing) return;
  own->doing = doing;
  own->job_id = own->event_id = 0;
  own->since = GetCurrentTimestamp();
}

void note_job(int64 job_id, int64 event_id) noexcept {
  if (own == nullptr) return;
  char text[100];
  snprintf(text, sizeof text, "wearables_ingest: job %lld, event %lld", static_cast<long long>(job_id),
           static_cast<long long>(event_id));
  pgstat_report_activity(STATE_RUNNING, text);
  own->job_id = job_id;
  own->event_id = event_id;
  own->since = GetCurrentTimestamp();
}

void note_error(int sqlstate, int64 job_id) noexcept {
  if (own == nullptr) return;
  own->last_sqlstate = sqlstate;
  own->last_error_job = job_id;
  own->last_error_at = GetCurrentTimestamp();
}

}  // namespace wearables::pg

namespace {

using namespace wearables::pg;

struct Cells {
  Datum values[14];
  bool nulls[14];
  int count;
};

void put(Cells* cells, Datum value, bool null = false) {
  cells->values[cells->count] = value;
  cells->nulls[cells->count++] = null;
}

void put_text(Cells* cells, const char* text) {
  put(cells, text == nullptr ? 0 : CStringGetTextDatum(text), text == nullptr);
}
void put_number(Cells* cells, int64 number) { put(cells, Int64GetDatum(number)); }
void put_id(Cells* cells, int64 id) { put(cells, Int64GetDatum(id), id == 0); }
void put_instant(Cells* cells, TimestampTz instant) { put(cells, TimestampTzGetDatum(instant), instant == 0); }
void put_sqlstate(Cells* cells, int sqlstate) {
  put_text(cells, sqlstate == 0 ? nullptr : pstrdup(unpack_sql_state(sqlstate)));
}

void put_worker(ReturnSetInfo* result, const WorkerInfo& worker) {
  const WorkerStatus& status = worker.status;
  Cells cells{};
  put(&cells, Int32GetDatum(worker.pid));
  put_text(&cells, name_of(status.doing));
  put_instant(&cells, status.since);
  put_id(&cells, status.job_id);
  put_id(&cells, status.event_id);
  put_instant(&cells, status.started_at);
  put_number(&cells, status.done);
  put_number(&cells, status.failed);
  put_sqlstate(&cells, status.last_sqlstate);
  put_id(&cells, status.last_error_job);
  put_instant(&cells, status.last_error_at);
  put_sqlstate(&cells, status.maintenance_sqlstate);
  put_instant(&cells, status.maintained_at);
  put_number(&cells, status.memory);
  tuplestore_putvalues(result->setResult, result->setDesc, cells.values, cells.nulls);
}

}  // namespace

extern "C" {
PG_FUNCTION_INFO_V1(wearables_workers);

Datum wearables_workers(PG_FUNCTION_ARGS) {
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  auto* workers = static_cast<WorkerInfo*>(palloc(sizeof(WorkerInfo) * kMaxWorkers));
  const int count = copy_workers(workers);
  for (int i = 0; i < count; ++i) put_worker(result, workers[i]);
  return Datum{0};
}
}
