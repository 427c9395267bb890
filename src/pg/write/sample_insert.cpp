// INSERT INTO the view samples, COPY included: the rows of a statement are collected, then written at its end, so that
// a bulk insert takes its users' locks in ascending order and meets the same writer as everything else. A row is
// checked when it comes, without SPI as long as it names what rows before it have named.
//
// A pending insert lives in TopTransactionContext until its statement has ended, and is forgotten when its transaction
// or subtransaction aborts. Users are locked before the first name is made, names before the first row is written.
#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/write/sample.h"
#include "core/write/version.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "pg/parse/names.h"
#include "pg/people/zone.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"
#include "pg/server/spi.h"
#include "pg/server/trigger.h"
#include "pg/write/insert_lookup.h"
#include "pg/write/policy.h"
#include "pg/write/write.h"

namespace wearables::pg {

namespace {

struct PendingRow {
  std::int64_t user_id;
  std::uint32_t source;  // index_of_source(): ids are given under the users' locks
  Row row;
};

// One statement under way; a trigger elsewhere may begin another before it ends.
struct PendingInsert {
  MemoryContext context;
  SubTransactionId subtransaction;
  std::vector<PendingRow>* rows;
  InsertLookup* lookup;
  PendingInsert* outer;
  int64 version;     // of rows that give none,
  int64 version_ms;  // and the millisecond that it is made of
};

constinit PendingInsert* current_insert = nullptr;

void begin_insert() {
  MemoryContext context = AllocSetContextCreate(TopTransactionContext, "wearables insert", ALLOCSET_DEFAULT_SIZES);
  auto* begun = static_cast<PendingInsert*>(MemoryContextAlloc(context, sizeof(PendingInsert)));
  *begun = {context,
            GetCurrentSubTransactionId(),
            owned_by<std::vector<PendingRow>>(context),
            make_insert_lookup(context),
            current_insert,
            0,
            0};
  current_insert = begun;
}

// Of the view samples (50_sample.sql).
enum Column {
  kUser,
  kMetric,
  kTs,
  kDay,
  kProvider,
  kSourceType,
  kChannel,
  kValue,
  kSecondary,
  kUnit,
  kTsEnd,
  kTzOffset,
  kVersion,
  kPart,
  kColumnCount
};

// The new row of the view, taken apart.
struct Tuple {
  Datum values[kColumnCount];
  bool nulls[kColumnCount];
};

std::string_view text_column(const Tuple& tuple, Column which, std::string_view if_null) {
  return tuple.nulls[which] ? if_null : text_of(tuple.values[which]);
}

Datum required(const Tuple& tuple, Column which, const char* name) {
  if (tuple.nulls[which]) {
    ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("column \"%s\" of a sample must not be null", name)));
  }
  return tuple.values[which];
}

// For messages.
const char* c_string(std::string_view text) { return pnstrdup(text.data(), text.size()); }

void check_unit(const Metric& metric, std::string_view name, const Tuple& tuple) {
  if (tuple.nulls[kUnit]) return;
  const std::string_view unit = text_of(tuple.values[kUnit]);
  if (unit == metric.unit) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("unit \"%s\" is not the canonical unit of metric \"%s\"", c_string(unit), c_string(name)),
                  errhint("Give the value in the metric's canonical unit, or leave unit out.")));
}

void check_value(const Metric& metric, std::string_view name, double value) {
  if (value >= metric.lowest && value <= metric.highest) return;
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                  errmsg("the value is outside the plausible range of metric \"%s\"", c_string(name)),
                  errdetail("The range is %g to %g.", metric.lowest, metric.highest),
                  errhint("Check the unit. If the value is right, change lowest or highest in wearables.metrics.")));
}

Micros check_instant(TimestampTz at) {
  const bool finite = !TIMESTAMP_NOT_FINITE(at);
  if (finite && to_core(at) >= kEarliestInstant && to_core(at) < kLatestInstant) return to_core(at);
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("the time of a sample is out of range"),
                  errdetail("It must lie in the years 1900 to 2199.")));
  return 0;
}

int16 check_offset(int16 minutes) {
  if (minutes < -kFarthestOffset || minutes > kFarthestOffset) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("tz_offset %d of a sample is out of range", minutes),
             errdetail("It is in minutes east of UTC, between -1080 and 1080.")));
  }
  return minutes;
}

std::string_view source_column(const Tuple& tuple, Column which, const char* name, std::string_view if_null) {
  const std::string_view text = text_column(tuple, which, if_null);
  if (text.empty()) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column \"%s\" of a sample must not be empty", name),
             errhint("Leave it out to get the default.")));
  }
  // as of what events name
  if (!is_printable(text, kMaxSourceName)) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column \"%s\" of a sample is not a valid name", name),
             errdetail("It must have 1 to %zu bytes and no control characters.", kMaxSourceName),
             errhint("Give a shorter name.")));
  }
  return text;
}

// Sets instant and offset. A reading of a day needs no ts: it stands at 00:00 UTC of its date.
void set_instant(const Tuple& tuple, Row* row) {
  const bool no_offset = tuple.nulls[kTzOffset];
  if (tuple.nulls[kDay]) {
    row->ts = check_instant(DatumGetTimestampTz(required(tuple, kTs, "ts")));
    row->tz_offset = no_offset ? kNoOffset : check_offset(DatumGetInt16(tuple.values[kTzOffset]));
    return;
  }
  if (!no_offset) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a sample of a calendar day cannot have a tz_offset"),
             errdetail("It belongs to that date in every time zone.")));
  }
  const DateADT day = DatumGetDateADT(tuple.values[kDay]);
  constexpr DateADT kFarthestDay = 1'000'000;  // from 2000 on, either way: its instant is out of range, and computable
  const bool far = DATE_NOT_FINITE(day) || day > kFarthestDay || day < -kFarthestDay;
  row->ts = check_instant(far ? DT_NOEND : static_cast<TimestampTz>(day) * USECS_PER_DAY);
  row->tz_offset = kCalendarDay;
  if (tuple.nulls[kTs] || to_core(DatumGetTimestampTz(tuple.values[kTs])) == row->ts) return;
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"ts\" of a sample must be 00:00 UTC of its \"day\""),
           errhint("Give only day for a reading of a calendar day, or only ts for any other reading.")));
}

Micros check_end(TimestampTz end, Micros start) {
  const Micros at = check_instant(end);
  if (at < start) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a sample must not end before it starts")));
  }
  return at;
}

int64 check_version(int64 version) {
  if (version < 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the version of a sample must not be negative")));
  }
  return version;
}

// As of now. A hash is part of it, so it is made once a millisecond.
int64 manual_version() {
  const int64 now_ms = to_core(GetCurrentTimestamp()) / kMicrosPerMillisecond;
  if (now_ms != current_insert->version_ms) {
    current_insert->version =
        call_core([&]() -> Result<std::int64_t> { return version_of(now_ms, EventAge::kCreated, "manual", ""); });
    current_insert->version_ms = now_ms;
  }
  return current_insert->version;
}

PendingRow pending_row(const Tuple& tuple) {
  InsertLookup* lookup = current_insert->lookup;
  PendingRow pending{};
  pending.user_id = DatumGetInt64(required(tuple, kUser, "user_id"));
  require_user(lookup, pending.user_id);
  const std::string_view name = text_of(required(tuple, kMetric, "metric"));
  const Metric& metric = require_metric(lookup, name);
  check_unit(metric, name, tuple);
  const std::string_view channel = source_column(tuple, kChannel, "channel", "timeseries");
  require_open_channel(lookup, channel);
  Row& row = pending.row;
  row.metric_id = metric.metric_id;
  set_instant(tuple, &row);
  row.value = DatumGetFloat8(required(tuple, kValue, "value"));
  check_value(metric, name, row.value);
  row.secondary = std::numeric_limits<double>::quiet_NaN();
  if (!tuple.nulls[kSecondary]) {
    row.secondary = DatumGetFloat8(tuple.values[kSecondary]);
    check_value(metric, name, row.secondary);
  }
  row.ts_end = tuple.nulls[kTsEnd] ? kNoInstant : check_end(DatumGetTimestampTz(tuple.values[kTsEnd]), row.ts);
  row.part = tuple.nulls[kPart] ? kWholePart : DatumGetInt16(tuple.values[kPart]);
  row.version = tuple.nulls[kVersion] ? manual_version() : check_version(DatumGetInt64(tuple.values[kVersion]));
  row.document = kNone;
  pending.source = index_of_source(lookup, source_column(tuple, kProvider, "provider", "manual"),
                                   source_column(tuple, kSourceType, "source_type", "unknown"), channel);
  return pending;
}

void add_row(HeapTuple row, TupleDesc desc) {
  Assert(desc->natts == kColumnCount);
  Tuple tuple;
  heap_deform_tuple(row, desc, tuple.values, tuple.nulls);
  const PendingRow pending = pending_row(tuple);
  call_core([&]() -> Result<Done> {
    current_insert->rows->push_back(pending);
    current_insert->rows->back().row.ordinal = static_cast<std::uint32_t>(current_insert->rows->size());
    return Done{};
  });
}

Result<Done> sort_by_user(std::vector<PendingRow>& pending) {
  std::stable_sort(pending.begin(), pending.end(),
                   [](const PendingRow& a, const PendingRow& b) { return a.user_id < b.user_id; });
  return Done{};
}

// The rows of the user at `begin`, settled; returns where the next user begins.
Result<size_t> rows_of_user(const std::vector<PendingRow>& pending, size_t begin, const int16* source_ids,
                            std::vector<Row>& rows) {
  rows.clear();
  size_t end = begin;
  for (; end < pending.size() && pending[end].user_id == pending[begin].user_id; ++end) {
    rows.push_back(pending[end].row);
    rows.back().source_id = source_ids[pending[end].source];
  }
  settle(rows);
  return end;
}

void lock_all(const std::vector<PendingRow>& pending) {
  auto* users = static_cast<int64*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * (pending.size() + 1)));
  for (size_t i = 0; i < pending.size(); ++i) users[i] = pending[i].user_id;
  lock_users(users, static_cast<int>(pending.size()));
}

const int16* make_sources(const std::vector<SourceRef>& sources) {
  MissingNames missing{};
  missing.context = CurrentMemoryContext;
  for (size_t i = 0; i < sources.size(); ++i) require_source(sources[i], &missing);
  (void)make_names(&missing, true);
  for (int i = 0; i < missing.count; ++i) {
    if (!missing.names[i].full) continue;
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many sources"),
                    errhint("Raise wearables_ingest.max_sources.")));
  }
  auto* ids = static_cast<int16*>(palloc(sizeof(int16) * (sources.size() + 1)));
  for (size_t i = 0; i < sources.size(); ++i) ids[i] = source_of(sources[i]).source_id;
  return ids;
}

void write_pending() {
  SPI_connect();
  std::vector<PendingRow>& pending = *current_insert->rows;
  lock_all(pending);
  const int16* source_ids = make_sources(sources_of(*current_insert->lookup));
  call_core([&] { return sort_by_user(pending); });
  auto* rows = owned_by<std::vector<Row>>(CurrentMemoryContext);
  auto* touched = owned_by<Touched>(CurrentMemoryContext);
  for (size_t begin = 0; begin < pending.size();) {
    const size_t end = call_core([&] { return rows_of_user(pending, begin, source_ids, *rows); });
    // once more under the lock: another session may have erased the user since
    check_user(pending[begin].user_id);
    call_core([&]() -> Result<Done> { return *touched = Touched(), Done{}; });
    write_samples(pending[begin].user_id, rows->data(), rows->size(), touched);
    begin = end;
  }
  SPI_finish();
}

void end_insert() {
  write_pending();
  MemoryContext context = current_insert->context;
  current_insert = current_insert->outer;
  MemoryContextDelete(context);
}

// The writer works with the owner's rights, which the policies of a table do not bind. So whom they bind may not
// write through it.
OwnerScope enter_as_writer() {
  const Oid points = get_relname_relid("sample_points", get_namespace_oid("wearables", false));
  Relation table = table_open(points, AccessShareLock);
  const bool bound = binds_caller(table);
  table_close(table, NoLock);
  if (bound) {
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to insert into view \"samples\""),
             errdetail("Row-level security of table \"sample_points\" applies to this role.")));
  }
  return enter_owner();
}

}  // namespace

// The memory goes with its transaction; only the pointer has to be taken back.
void forget_pending_inserts(SubTransactionId aborted) noexcept {
  while (current_insert != nullptr && current_insert->subtransaction >= aborted) current_insert = current_insert->outer;
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_insert_samples);

Datum wearables_insert_samples(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  const TriggerData* data = trigger_on(fcinfo, "insert_samples", {"samples"});
  // the statement holds readings
  Confidential frame;
  begin_confidential(&frame);
  HeapTuple written = nullptr;
  if (TRIGGER_FIRED_BEFORE(data->tg_event)) {
    const OwnerScope scope = enter_as_writer();
    begin_insert();
    leave(scope);
  } else if (current_insert == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("a trigger of view \"samples\" is missing or disabled")));
  } else if (TRIGGER_FIRED_FOR_ROW(data->tg_event)) {
    add_row(data->tg_trigtuple, RelationGetDescr(data->tg_relation));
    written = data->tg_trigtuple;
  } else {
    const OwnerScope scope = enter_as_writer();
    end_insert();
    leave(scope);
  }
  end_confidential(frame);
  return PointerGetDatum(written);
}
}
