// A row of backfills is locked by whoever works on its job, after the job's row (lock.h), until the transaction ends.
#include "pg/pull/backfill.h"

#include "pg/server/spi.h"

namespace wearables::pg {

namespace {

Statement select_backfill{R"(
  SELECT b.state IN ('waiting', 'running'), b.endpoint, r.rest_path, r.rest_range, b.external_user_id,
         b.provider, b.resource, b.range_from, b.range_to, coalesce(b.window_from, b.range_from),
         least(b.range_to, coalesce(b.window_from, b.range_from) + r.window_days * interval '1 day'), b.cursor,
         b.cursor_mark, b.cursor_pages, b.pages, b.refusals,
         EXISTS (SELECT FROM wearables.user_links l
                 WHERE l.endpoint = b.endpoint AND l.external_user_id = b.external_user_id
                   AND l.deleted_at IS NOT NULL), b.refused_at
  FROM wearables.backfills b
  LEFT JOIN wearables.resources r ON r.name = b.resource AND r.kind <> 'skipped'
  WHERE b.backfill_id = $1 FOR UPDATE OF b)"};

enum BackfillColumn {
  kOpen = 1,
  kEndpoint,
  kRestPath,
  kRestRange,
  kExternalUser,
  kProvider,
  kResource,
  kRangeFrom,
  kRangeTo,
  kWindowFrom,
  kWindowTo,
  kCursor,
  kCursorMark,
  kCursorPages,
  kPages,
  kRefusals,
  kUserDeleted,
  kRefusedAt
};

// $4: the next cursor, null where the part has ended; $5: where it ended; $6: when the page came. The mark is set at
// every power of two pages, so that a circle of cursors of whatever length comes upon it (Brent).
Statement advance_statement{R"(
  UPDATE wearables.backfills b
  SET pages = b.pages + 1, bytes = b.bytes + $2, http_status = $3, refusals = 0, error = NULL,
      refused_at = NULL, started_at = coalesce(b.started_at, $6), last_page_at = $6,
      cursor = $4, window_from = CASE WHEN $4 IS NULL THEN $5 ELSE b.window_from END,
      cursor_pages = CASE WHEN $4 IS NULL THEN 0 ELSE b.cursor_pages + 1 END,
      cursor_mark = CASE WHEN $4 IS NULL THEN NULL
                         WHEN (b.cursor_pages + 1) & b.cursor_pages = 0 THEN $4 ELSE b.cursor_mark END,
      state = CASE WHEN $4 IS NULL AND $5 >= b.range_to THEN 'done' ELSE 'running' END::wearables.backfill_state,
      finished_at = CASE WHEN $4 IS NULL AND $5 >= b.range_to THEN clock_timestamp() END
  WHERE b.backfill_id = $1
  RETURNING b.state = 'done')"};

Statement refusal_statement{R"(
  UPDATE wearables.backfills b
  SET refusals = b.refusals + $4, http_status = $2, error = $3, started_at = coalesce(b.started_at, clock_timestamp()),
      refused_at = CASE WHEN $4 = 0 THEN coalesce(b.refused_at, clock_timestamp()) ELSE b.refused_at END
  WHERE b.backfill_id = $1)"};

Statement fail_statement{R"(
  UPDATE wearables.backfills b
  SET state = 'failed', http_status = $2, error = $3, finished_at = clock_timestamp()
  WHERE b.backfill_id = $1 AND b.state IN ('waiting', 'running'))"};

Statement cancel_statement{R"(
  UPDATE wearables.backfills b
  SET state = 'cancelled', error = $2, finished_at = clock_timestamp()
  WHERE b.backfill_id = $1 AND b.state IN ('waiting', 'running'))"};

Arg arg_status(int status) { return arg_datum(INT4OID, Int32GetDatum(status), status == 0); }

}  // namespace

bool load_backfill(int64 backfill_id, Backfill* backfill) {
  MemoryContext caller = CurrentMemoryContext;
  if (run(select_backfill, {arg_int8(backfill_id)}) == 0) return false;
  const auto view = [caller](int column) -> std::string_view {
    const char* text = copy_text(0, column, caller);
    return text == nullptr ? std::string_view() : std::string_view(text);
  };
  *backfill = {};
  backfill->backfill_id = backfill_id;
  backfill->open = get_bool(0, kOpen);
  backfill->endpoint = copy_text(0, kEndpoint, caller);
  backfill->rest_path = copy_text(0, kRestPath, caller);
  backfill->rest_range = copy_text(0, kRestRange, caller);
  backfill->external_user_id = view(kExternalUser);
  backfill->provider = view(kProvider);
  backfill->resource = view(kResource);
  backfill->range_from = get_instant(0, kRangeFrom);
  backfill->range_to = get_instant(0, kRangeTo);
  backfill->window_from = get_instant(0, kWindowFrom);
  backfill->window_to = get_instant(0, kWindowTo, backfill->range_to);
  backfill->cursor = copy_text(0, kCursor, caller);
  backfill->cursor_mark = copy_text(0, kCursorMark, caller);
  backfill->cursor_pages = get_int4(0, kCursorPages);
  backfill->pages = get_int4(0, kPages);
  backfill->refusals = get_int4(0, kRefusals);
  backfill->user_deleted = get_bool(0, kUserDeleted);
  backfill->refused_at = get_instant(0, kRefusedAt, 0);
  // what has no range is asked for once
  if (backfill->rest_range != nullptr && strcmp(backfill->rest_range, "none") == 0) {
    backfill->window_to = backfill->range_to;
  }
  Assert(backfill->window_from <= backfill->window_to);
  return true;
}

bool advance_backfill(const Backfill& backfill, const StoredPage& page) {
  const uint64 rows = run(advance_statement, {arg_int8(backfill.backfill_id), arg_int8(page.bytes),
                                              arg_status(page.http_status), arg_text_or_null(page.next_cursor),
                                              arg_instant(backfill.window_to), arg_instant(page.received_at)});
  Assert(rows == 1);
  return rows == 0 || get_bool(0, 1);
}

void note_refusal(const Backfill& backfill, int http_status, const char* error, RefusalOf what) {
  run(refusal_statement, {arg_int8(backfill.backfill_id), arg_status(http_status), arg_text(error),
                          arg_int4(what == RefusalOf::kPage ? 1 : 0)});
}

void fail_backfill(int64 backfill_id, int http_status, const char* error) {
  run(fail_statement, {arg_int8(backfill_id), arg_status(http_status), arg_text(error)});
}

void cancel_backfill(int64 backfill_id, const char* why) {
  run(cancel_statement, {arg_int8(backfill_id), arg_text(why)});
}

}  // namespace wearables::pg
