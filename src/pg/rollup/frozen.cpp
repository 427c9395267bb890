// Freezes what days come to whose samples are about to be dropped: after that nothing can be read of them. A row that
// is there stays, for what lies beside it was stored past the writer after the day was dropped.
//
// Runs under the user's lock, then the one that keeps SQL past the writer out, which is only tried: so the samples that
// are read are those that the caller deletes. Frozen rows are changed by nobody but the caller and an erasure, both
// under the user's lock.
#include "core/rollup/day_rollup.h"

#include <algorithm>

#include "pg/rollup/readings.h"
#include "pg/rollup/rollup.h"
#include "pg/rollup/rollup_tables.h"
#include "pg/server/boundary.h"
#include "pg/server/instant.h"
#include "pg/server/lock.h"

namespace wearables::pg {

namespace {

Statement insert_frozen{R"(
  INSERT INTO wearables.frozen_rollups (user_id, metric_id, day, source_ids, entries) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (user_id, metric_id, day) DO NOTHING)"};

// Deleting a rollup is correct at any time.
Statement delete_rollups{R"(
  DELETE FROM wearables_internal.rollups r WHERE r.user_id = $1 AND r.metric_id = $2 AND r.day < $3)"};

struct Freeze {
  int64 user_id;
  int16 metric_id;
  DateADT day;  // that is open
  DayRollup* rollup;
  std::string* bytes;
  RollupReading* page;
};

constexpr DateADT kNoDay = DATEVAL_NOBEGIN;

// Each source once.
Arg sources_of(const DayRollup& rollup) {
  const auto& entries = rollup.entries();
  auto* sources = static_cast<Datum*>(palloc(sizeof(Datum) * (entries.size() + 1)));
  int count = 0;
  for (const RollupEntry& entry : entries) {
    const Datum source = Int16GetDatum(entry.source_id);
    if (std::find(sources, sources + count, source) == sources + count) sources[count++] = source;
  }
  return arg_array(INT2OID, sources, nullptr, count);
}

void close_day(Freeze* freeze) {
  if (freeze->day != kNoDay && freeze->rollup->readings() > 0) {
    call_core([&]() -> Result<Done> { return freeze->rollup->encode(*freeze->bytes), Done{}; });
    bytea* entries = copy_bytes(*freeze->bytes);
    run(insert_frozen, {arg_int8(freeze->user_id), arg_int2(freeze->metric_id), arg_date(freeze->day),
                        sources_of(*freeze->rollup), arg_datum(BYTEAOID, PointerGetDatum(entries))});
    pfree(entries);
  }
  freeze->day = kNoDay;
}

// What no chart could show is left out.
Result<Done> add_all(DayRollup& rollup, const RollupReading* begin, const RollupReading* end) {
  for (const RollupReading* reading = begin; reading < end; ++reading) {
    if (rollup.takes(*reading)) rollup.add(*reading);
  }
  return Done{};
}

void add_page(Freeze* freeze, int count) {
  for (int begin = 0; begin < count;) {
    const DateADT day = utc_day(to_server(freeze->page[begin].ts));
    if (day != freeze->day) {
      close_day(freeze);
      freeze->day = day;
      freeze->rollup->begin(to_core(start_of(day)));
    }
    const Micros end_of_day = to_core(start_of(day + 1));
    int end = begin;
    while (end < count && freeze->page[end].ts < end_of_day) ++end;
    call_core([&] { return add_all(*freeze->rollup, freeze->page + begin, freeze->page + end); });
    begin = end;
  }
}

}  // namespace

void freeze_days(int64 user_id, int16 metric_id, TimestampTz before) {
  Assert(holds_user_lock(user_id));
  Assert(before % USECS_PER_DAY == 0);
  if (!try_lock_rollups()) {
    ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("samples are being changed by SQL")));
  }
  Freeze freeze{user_id,
                metric_id,
                kNoDay,
                owned_by<DayRollup>(CurrentMemoryContext),
                owned_by<std::string>(CurrentMemoryContext),
                static_cast<RollupReading*>(palloc(sizeof(RollupReading) * kReadingPage))};
  Cursor cursor = open_readings(user_id, metric_id, DT_NOBEGIN, before);
  for (int rows; (rows = fetch_readings(cursor, freeze.page)) > 0;) {
    CHECK_FOR_INTERRUPTS();
    add_page(&freeze, rows);
  }
  close_day(&freeze);
  close_cursor(cursor);
  pfree(freeze.page);
}

void drop_rollups(int64 user_id, int16 metric_id, TimestampTz before) {
  Assert(holds_user_lock(user_id));
  run(delete_rollups, {arg_int8(user_id), arg_int2(metric_id), arg_date(utc_day(before))});
}

}  // namespace wearables::pg
