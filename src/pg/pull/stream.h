// The rows of stream_pulls: which documents' streams are to be fetched. A row stands for one document; the number of
// its request goes up whenever its stream is wanted anew. Within SPI, as owner; a row is locked by load_stream_pull()
// until the transaction ends.
#pragma once

#include "core/parse/normalize.h"

#include <string_view>

#include "pg/store/event.h"

namespace wearables::pg {

// What the request needs. Texts live in the context that load_stream_pull() was called in.
struct StreamPull {
  int64 stream_id;
  bool open;  // waiting: else nothing is to be fetched
  const char* endpoint;
  const char* stream_path;  // null: streams of the resource are not wanted any more
  std::string_view external_user_id, resource;
  StreamSubject subject;  // the document
  int32 request;          // the number of the request
  int32 refusals;         // of that request
  bool was_forbidden;     // its last answer was 403
  bool user_deleted;      // at the vendor, by delete_vendor_user(): nothing may be asked of that id
};

// False where there is none.
bool load_stream_pull(int64 stream_id, StreamPull* pull);

// How a request ends: the stream is stored; the vendor has none of the document; it was given up; nobody wants it.
enum class StreamEnd { kDone, kAbsent, kFailed, kCancelled };

// `answered_at`: when the vendor had what it answered; 0: it did not answer. `error` may be null.
void end_stream_pull(int64 stream_id, StreamEnd end, TimestampTz answered_at, int http_status, const char* error);

// A request brought nothing and is made again; `counts`: it is one of those that are made before it is given up.
void note_stream_refusal(int64 stream_id, int http_status, const char* error, bool counts);

// The documents of the resource that came with the event, and stand, are new or have changed: wants the streams that
// resources.pull_stream says. Only when the event is handled for the first time.
void ask_for_streams(const Event& event, std::string_view resource, int64 user_id);

// The event announces the stream of a document. Gives why that is not wanted, null where it is.
const char* ask_for_announced_stream(const Event& event, std::string_view resource, int64 user_id);

}  // namespace wearables::pg
