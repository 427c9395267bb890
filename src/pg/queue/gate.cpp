// Asked before every turn, in a transaction of its own; takes no lock.
#include "pg/queue/gate.h"

#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

// Goes up with every change of the tables or functions that this library uses. An update script changes
// wearables_internal.schema_version() with them.
constexpr int kSchemaVersion = 10;

// A row for each kind that the schema knows.
Statement gate_statement{R"(
  SELECT wearables_internal.schema_version(), k::text,
         EXISTS (SELECT FROM wearables_internal.queue_pause p WHERE p.kind = ''),
         EXISTS (SELECT FROM wearables_internal.queue_pause p WHERE p.kind = k::text)
  FROM unnest(enum_range(NULL::wearables.job_kind)) k)"};

enum GateColumn { kVersion = 1, kKindName, kQueuePaused, kKindPaused };

}  // namespace

void read_gate(void* arg) {
  auto* gate = static_cast<Gate*>(arg);
  const uint64 rows = run(gate_statement, {});
  gate->schema_fits = rows > 0 && get_int4(0, kVersion) == kSchemaVersion;
  gate->paused = rows > 0 && get_bool(0, kQueuePaused);
  gate->kinds = {};
  for (uint64 row = 0; row < rows; ++row) {
    for (int i = 0; i < job_kind_count(); ++i) {
      if (get_text(row, kKindName) == job_kind(i).name) gate->kinds.has[i] = !get_bool(row, kKindPaused);
    }
  }
}

void raise_misfit() {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("the library does not match the installed version of extension wearables_ingest"),
                  errhint("Run ALTER EXTENSION wearables_ingest UPDATE, or install the library of that version.")));
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_library_version);

Datum wearables_library_version(PG_FUNCTION_ARGS) { PG_RETURN_INT32(wearables::pg::kSchemaVersion); }
}
