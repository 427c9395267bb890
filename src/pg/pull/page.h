// What came of a request as an event: a page of a range, or a stream. And what a refusal says.
#pragma once

#include "core/parse/normalize.h"

#include <string_view>

#include "pg/pull/exchange.h"
#include "pg/pull/host.h"

namespace wearables::pg {

// An event of type pulled.data.<resource>.
struct NewPage {
  const char* endpoint;
  const char* message_id;
  std::string_view resource;
  std::string_view external_user_id;
  const char* url;               // that was requested; holds no key
  const StreamSubject* subject;  // of a stream, for its body does not tell; null: of a page
};

// Makes the request for `url`, which holds no key, in `context`. False: the endpoint cannot be asked, see take_key().
bool make_request(const Host& host, const char* url, MemoryContext context, Exchange* exchange);

// When the vendor had what the answer shows, in milliseconds since 1970 (R3).
int64 origin_of(const Exchange& exchange);

// Stores the body of the answer byte for byte, and gives when it was received, as the event has it. If another event
// has the message id, then under one that begins with it. False: that is taken, too. Within SPI.
bool insert_page(const Exchange& exchange, const NewPage& page, TimestampTz* received_at);

// The status of the answer and the vendor's words, in the current context.
const char* refusal_text(const Host& host, const HttpAnswer& answer);

}  // namespace wearables::pg
