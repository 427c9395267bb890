// How a vendor's REST API behaves, and so when it may be asked: a limiter and a circuit breaker that all requests to
// one host share, of whatever endpoint. A key that is refused is the endpoint's alone. Within SPI, as owner.
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
  const char* name;        // host:port of the base_url; empty: it names none
  bool exists, enabled;    // the endpoint
  double blocked_seconds;  // until it may be asked again; 0: now
  int failures;            // in a row
  double refused_seconds;  // since it last refused the key; negative: it takes it
};

Host load_host(const char* endpoint);

// Seconds after which it is to be looked again; 0: it may be asked now. Some jitter is in it. A host that failed often
// is asked by one request at first: the others rest until its answer, or for a short while. An endpoint that refuses
// its key is asked by one request a minute, in turns.
double rest_of(const Host& host);

// The API key, to be wiped after use. False where the endpoint cannot be asked, whatever the vendor would say: then it
// is stopped, for a reason that `problems` shows. `lacking`: the vendor has no such API, in words; null: it has.
bool take_key(const Host& host, const char* lacking, std::string_view* key);

// Until it is looked whether a key was changed or an endpoint enabled, with some jitter.
double stopped_delay();
// The same for a request that the vendor has refused: longer than whoever else waits for the endpoint.
double refused_delay();

// Seconds before the next request after so many failures in a row. Full jitter: whole fleets would come back at one
// instant else.
inline constexpr double kLongestBackoff = 900.0;
double backoff(int failures);

// Seconds for which the answer asks to be left alone; 0: it does not ask.
double asked_seconds(const HttpAnswer& answer);

// The request sent at `sent` came to nothing. `asked`: of asked_seconds(), for which the host is left alone.
// `troubled`: the answer says nothing good of the host as a whole, or none came. Such failures in a row block it for
// longer and longer; requests that were under way together are one failure.
void note_failure(const Host& host, TimestampTz sent, double asked, const char* reason, bool troubled);
// It answers, and takes the endpoint's key.
void note_answer(const Host& host);
// It refuses the endpoint's key, or there is none: nothing is asked until that has changed.
void stop_endpoint(const char* endpoint, const char* reason);

// 401 is about the key. This may be about the one request, such as for what is not in the vendor's plan of the site:
// it is where the key is taken for other requests, of which key_was_good() tells.
inline constexpr int kForbidden = 403;
// Whether the vendor has taken the endpoint's key after that time. It is not noted before the endpoint was stopped
// once, nor more than once in some seconds.
bool key_was_good(const char* endpoint, TimestampTz since);

}  // namespace wearables::pg
