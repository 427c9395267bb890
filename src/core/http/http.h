// HTTP requests and answers as the core speaks of them. A request may hold a secret in its headers, and nowhere else: a
// URL stands in logs of proxies and servers.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wearables {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::uint64_t id = 0;  // the caller's; comes back with the answer
  std::string method;    // empty: GET
  std::string url;       // of make_url(); check_url() decides whether it may be asked
  std::vector<HttpHeader> headers;
  std::string body;  // sent when not empty

  HttpRequest() = default;
  HttpRequest(HttpRequest&&) = default;
  HttpRequest& operator=(HttpRequest&&) = default;
  HttpRequest(const HttpRequest&) = delete;  // a copy would be one more place that holds the secret
  HttpRequest& operator=(const HttpRequest&) = delete;
  ~HttpRequest();  // overwrites the headers' values
};

// Why there is no complete answer.
enum class HttpError {
  kAnswered,  // there is one, with whatever status
  kResolve,   // the host name leads to no address
  kConnect,   // nobody answers at that address
  kTls,       // no trusted TLS connection: certificate, name, version
  kTimeout,   // connect, total, or no byte for kStallSeconds
  kCut,       // the connection ended in the middle
  kTooLarge,  // more than max_body_bytes once decoded, or announced
  kEncoding,  // the body is not what Content-Encoding says
  kProtocol,  // what came is not HTTP
  kOther
};
// "the host name could not be resolved", ...: no text of a library, no URL.
const char* text_of(HttpError error) noexcept;

struct HttpAnswer {
  std::uint64_t id = 0;
  HttpError error = HttpError::kAnswered;
  int library_code = 0;  // of libcurl, for a log; 0 where error is kAnswered
  int status = 0;        // 0: none came
  std::string body;      // decoded; empty unless error is kAnswered
  std::string content_type;
  std::optional<std::int64_t> date;  // Unix milliseconds of the header Date
  // The headers that ask to wait, as they came; empty: absent.
  std::string retry_after, retry_after_ms, rate_limit_reset;
};

// What a status means to whoever asked.
enum class Reply {
  kGood,        // 2xx
  kKeyRefused,  // 401, 403: no request of this key will be answered
  kOverloaded,  // 429, 5xx: the server as a whole has trouble, or is asked too much
  kTransient,   // 408, 409: the same may be asked again
  kRefused      // what is asked for: asked again it is refused again
};
Reply reply_of(int status) noexcept;

// Milliseconds for which the server asks to be left alone: Retry-After (seconds or a date), retry-after-ms,
// X-RateLimit-Reset (seconds, or Unix seconds); the longest of them. Nothing where none can be read. Dates count from
// the answer's own Date, else from `now` (Unix milliseconds). At most kMaxAskedWait.
inline constexpr std::int64_t kMaxAskedWait = 24LL * 3600 * 1000;
std::optional<std::int64_t> asked_wait(const HttpAnswer& answer, std::int64_t now) noexcept;

// `base` with `path` behind its own path, and the parameters, percent-encoded. kInvalidArgument for a base that
// check_base_url() refuses.
using HttpParameters = std::vector<std::pair<std::string, std::string>>;
Result<std::string> make_url(std::string_view base, std::string_view path, const HttpParameters& parameters);

// One segment of a path, percent-encoded.
std::string escape_segment(std::string_view text);

// https, a host, neither user nor password, no fragment, no query; http for an address of the machine itself
// (127.0.0.0/8, ::1) where `allow_loopback_http`. kInvalidArgument says what is wrong, and repeats nothing of it.
Result<Done> check_base_url(std::string_view url, bool allow_loopback_http);

// "host:port" that a URL leads to, in lower case and with the port that its scheme implies; empty: it names none.
std::string host_of(std::string_view url);

}  // namespace wearables
