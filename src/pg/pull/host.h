// How the REST API of an endpoint behaves, and so when it may be asked: a limiter and a circuit breaker that all
// requests of an endpoint share. Within SPI, as owner.
#pragma once

#include "core/http/http.h"

#include <string_view>

#include "core/vendor/vendor.h"
#include "pg/server/server.h"

namespace wearables::pg {

// Texts live in the context that load_host() was called in.
struct Host {
  const char* endpoint;
  const Vendor* vendor;
  const char* base_url;    // null: none is set
  bool exists, enabled;    // the endpoint
  double blocked_seconds;  // until it may be asked again; 0: now
  double refused_seconds;  // since it last refused the key; negative: it takes it
};

Host load_host(const char* endpoint);

// Seconds after which it is to be looked again; 0: it may be asked now. Some jitter is in it.
double rest_of(const Host& host);

// The API key, to be wiped after use. False where the endpoint cannot be asked, whatever the vendor would say: then it
// is stopped, for a reason that `problems` shows. `lacking`: the vendor has no such API, in words; null: it has.
bool take_key(const Host& host, const char* lacking, std::string_view* key);

// Until it is looked whether a key was changed or an endpoint enabled, with some jitter.
double stopped_delay();

// Seconds before the next request after so many failures in a row. Full jitter: whole fleets would come back at one
// instant else.
inline constexpr double kLongestBackoff = 900.0;
double backoff(int failures);

// Seconds for which the answer asks to be left alone; 0: it does not ask.
double asked_seconds(const HttpAnswer& answer);

// It answered what says nothing good of it as a whole, or not at all. `asked`: of asked_seconds(). Failures in a row
// block it for longer and longer.
void note_trouble(const char* endpoint, double asked, const char* reason);
// It refuses the key, or there is none: nothing is asked until that has changed.
void stop_endpoint(const char* endpoint, const char* reason);
// It answers.
void note_answer(const char* endpoint);
// It asks to be left alone for so long.
void block_endpoint(const char* endpoint, double seconds, const char* reason);

}  // namespace wearables::pg
