// The rows of backfills: what is to be fetched next, and how far it has come. Within SPI, as owner; a row is locked by
// load_backfill() until the transaction ends.
#pragma once

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

// What the next request needs. Texts live in the context that load_backfill() was called in.
struct Backfill {
  int64 backfill_id;
  bool open;  // waiting or running: else nothing is to be fetched
  const char* endpoint;
  const char* rest_path;  // null: the resource cannot be asked for any more
  const char* rest_range;
  std::string_view external_user_id, provider, resource;
  TimestampTz range_from, range_to;
  TimestampTz window_from, window_to;  // the part that is being fetched
  const char* cursor;                  // null: its first page
  const char* cursor_mark;             // an earlier one; null: none yet
  int32 cursor_pages;                  // of this part
  int32 pages, refusals;
  bool user_deleted;       // at the vendor, by delete_vendor_user(): nothing may be asked of that id
  TimestampTz refused_at;  // when the vendor first refused the key for the next page; 0: it has not
};

// False where there is none.
bool load_backfill(int64 backfill_id, Backfill* backfill);

struct StoredPage {
  TimestampTz received_at;  // as of its event
  int64 bytes;
  int http_status;
  std::string_view next_cursor;  // empty: the part has ended
};

// A page is stored. Returns whether the whole pull has ended.
bool advance_backfill(const Backfill& backfill, const StoredPage& page);

// A request brought no page; it is asked again. `error` is for an operator. Refusals of pages are counted, and after so
// many the pull is given up; that of a key concerns all pulls of the endpoint and is not counted.
enum class RefusalOf { kPage, kKey };
void note_refusal(const Backfill& backfill, int http_status, const char* error, RefusalOf what);

// It is given up.
void fail_backfill(int64 backfill_id, int http_status, const char* error);

// It is not wanted any more, which is nobody's failure.
void cancel_backfill(int64 backfill_id, const char* why);

}  // namespace wearables::pg
