// Requests to vendors over HTTP: the session's pool of transfers, and the API key of an endpoint.
#pragma once

#include "core/http/http_pool.h"

#include "pg/server/server.h"

namespace wearables::pg {

// The session's pool, made with the settings in force when it holds neither transfers nor answers.
HttpPool& http_pool();

// The API key of an endpoint, its ordinals in order, into the current context; false where none can be had: then `why`
// says so in words for an operator, and the server's log says the cause. Within SPI. Wipe it after use.
bool load_api_key(const char* endpoint, std::string_view* key, const char** why);

}  // namespace wearables::pg
