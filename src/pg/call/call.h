// The rows of calls: what is to be asked of a vendor, and what became of it. Within SPI, as owner; a row is locked by
// load_call() until the transaction ends.
#pragma once

#include "core/vendor/call_api.h"

#include "pg/server/server.h"

namespace wearables::pg {

// Texts live in the context that load_call() was called in.
struct Call {
  int64 call_id;
  bool open;            // waiting or running
  double seconds_left;  // until it is given up; negative: that is now
  CallOperation operation;
  const char* endpoint;
  int64 user_id;  // 0: it is about several
  std::string_view client_user_id, provider, redirect_url;
  const std::string_view* external_user_ids;
  int external_user_count;
  int refusals;
  const char* error;  // of the last request; null: none failed
};

// False where there is none.
bool load_call(int64 call_id, Call* call);

// A request is about to be made.
void note_request(int64 call_id);

// A request did not do it, and it is made again. `error` is for whoever asked. Null: nothing was asked.
void note_call_waits(int64 call_id, int http_status, const char* error);

// The two ends; whoever listens is told. `result` is JSON, empty for none.
void finish_call(int64 call_id, int http_status, std::string_view result);
// `again_after`: seconds from now after which the same may be asked again; 0: not known.
void fail_call(int64 call_id, int http_status, const char* error, std::string_view result = {}, double again_after = 0);

// --- What a call has changed

// Both ids are linked. Gives why they cannot be; null: they are.
const char* link_vendor_user(const Call& call, std::string_view external_user_id);
void store_link(const Call& call, std::string_view link_url, std::string_view link_token);
void note_disconnected(const Call& call, TimestampTz at);
void note_vendor_user_deleted(const Call& call, TimestampTz at);
// Keeps which of the vendor's pulls have failed, and has it begin again those that may succeed another time.
void note_pull_state(const Call& call, const PullStatePaths& paths, std::string_view document);

}  // namespace wearables::pg
