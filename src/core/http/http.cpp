#include "core/http/http.h"

#include "core/base/bytes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

#include <arpa/inet.h>
#include <curl/curl.h>

namespace wearables {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
struct FreeText {
  void operator()(char* text) const noexcept { curl_free(text); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;
using Text = std::unique_ptr<char, FreeText>;

Url parse_url(std::string_view text) {
  Url url(curl_url());
  if (url == nullptr) throw std::bad_alloc();
  // a name without a scheme is refused: libcurl would guess one
  if (curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK) return nullptr;
  return url;
}

Text part_of(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return nullptr;
  return Text(text);
}

// Only addresses as such: what a name leads to is for somebody else to decide.
bool is_loopback(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::optional<double> number_of(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number) || number < 0) return {};
  return number;
}

// Unix milliseconds of an HTTP date.
std::optional<std::int64_t> date_of(const std::string& text) noexcept {
  const time_t seconds = curl_getdate(text.c_str(), nullptr);
  if (seconds < 0) return {};
  return std::int64_t{seconds} * 1000;
}

constexpr double kMillisecondsPerSecond = 1000;
// Smaller numbers are spans: as a time they would lie before 2001.
constexpr double kLeastUnixSeconds = 1e9;

}  // namespace

HttpRequest::~HttpRequest() {
  for (HttpHeader& header : headers) wipe(header.value);
}

const char* text_of(HttpError error) noexcept {
  switch (error) {
    case HttpError::kAnswered:
      return "the request was answered";
    case HttpError::kResolve:
      return "the host name could not be resolved";
    case HttpError::kConnect:
      return "the server could not be reached";
    case HttpError::kTls:
      return "the TLS connection or the certificate of the server could not be verified";
    case HttpError::kTimeout:
      return "the server did not respond in time";
    case HttpError::kCut:
      return "the connection was closed before the response was complete";
    case HttpError::kTooLarge:
      return "the response is larger than the limit";
    case HttpError::kEncoding:
      return "the content encoding of the response cannot be decoded";
    case HttpError::kProtocol:
      return "the response is not HTTP";
    case HttpError::kOther:
      break;
  }
  return "the request failed";
}

Reply reply_of(int status) noexcept {
  constexpr int kGoodOnes = 200, kRedirects = 300, kServerErrors = 500;
  constexpr int kUnauthorized = 401, kForbidden = 403, kRequestTimeout = 408, kConflict = 409, kTooManyRequests = 429;
  if (status >= kGoodOnes && status < kRedirects) return Reply::kGood;
  if (status == kUnauthorized || status == kForbidden) return Reply::kKeyRefused;
  if (status == kTooManyRequests || status >= kServerErrors) return Reply::kOverloaded;
  if (status == kRequestTimeout || status == kConflict) return Reply::kTransient;
  return Reply::kRefused;
}

std::optional<std::int64_t> asked_wait(const HttpAnswer& answer, std::int64_t now) noexcept {
  std::optional<double> longest;
  const auto offer = [&](double milliseconds) { longest = std::max(longest.value_or(0), milliseconds); };
  const std::int64_t from = answer.date.value_or(now);
  if (const auto number = number_of(answer.retry_after)) {
    offer(*number * kMillisecondsPerSecond);
  } else if (!answer.retry_after.empty()) {
    if (const auto date = date_of(answer.retry_after)) offer(static_cast<double>(*date - from));
  }
  if (const auto number = number_of(answer.retry_after_ms)) offer(*number);
  if (const auto number = number_of(answer.rate_limit_reset)) {
    const double milliseconds = *number * kMillisecondsPerSecond;
    offer(*number < kLeastUnixSeconds ? milliseconds : milliseconds - static_cast<double>(from));
  }
  if (!longest) return {};
  return static_cast<std::int64_t>(std::clamp(*longest, 0.0, static_cast<double>(kMaxAskedWait)));
}

Result<Done> check_base_url(std::string_view text, bool allow_loopback_http) {
  const auto refuse = [](const char* why) { return Error{Code::kInvalidArgument, why}; };
  if (text.find('\0') != std::string_view::npos) return refuse("the base URL contains a NUL");
  const Url url = parse_url(text);
  if (url == nullptr) return refuse("the base URL cannot be read as https://host[:port][/path]");
  const Text scheme = part_of(url, CURLUPART_SCHEME);
  const Text host = part_of(url, CURLUPART_HOST);
  if (scheme == nullptr || host == nullptr || *host == '\0') return refuse("the base URL names no host");
  const std::string_view name = scheme.get();
  if (name == "http" && !is_loopback(host.get())) {
    return refuse("the base URL must begin with https, so that the API key is sent to a verified server only");
  }
  if (name == "http" && !allow_loopback_http) {
    return refuse(
        "the base URL must begin with https; http to the machine itself needs wearables_ingest.allow_loopback_http");
  }
  if (name != "http" && name != "https") return refuse("the base URL must begin with https");
  if (part_of(url, CURLUPART_USER) != nullptr || part_of(url, CURLUPART_PASSWORD) != nullptr) {
    return refuse("the base URL contains a user name or password: set an api_key with set_secret() instead");
  }
  if (part_of(url, CURLUPART_QUERY) != nullptr || part_of(url, CURLUPART_FRAGMENT) != nullptr) {
    return refuse("the base URL must not contain '?' or '#'");
  }
  return Done{};
}

std::string host_of(std::string_view url) {
  const Url parsed = parse_url(url);
  if (parsed == nullptr) return {};
  const Text host = part_of(parsed, CURLUPART_HOST);
  const Text port = part_of(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (host == nullptr || port == nullptr) return {};
  std::string whole = std::string(host.get()) + ":" + port.get();
  std::transform(whole.begin(), whole.end(), whole.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return whole;
}

std::string escape_segment(std::string_view text) {
  const Text escaped(curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())));
  if (escaped == nullptr) throw std::bad_alloc();
  return text.empty() ? std::string() : std::string(escaped.get());
}

Result<std::string> make_url(std::string_view base, std::string_view path, const HttpParameters& parameters) {
  const auto allowed = check_base_url(base, true);
  if (!allowed.ok()) return allowed.error();
  const Url url = parse_url(base);
  const Text own = part_of(url, CURLUPART_PATH);
  std::string whole(own == nullptr ? "" : own.get());
  while (!whole.empty() && whole.back() == '/') whole.pop_back();
  whole += path;
  const auto set = [&url](CURLUPart part, const std::string& value, unsigned flags) {
    if (curl_url_set(url.get(), part, value.c_str(), flags) != CURLUE_OK) throw std::bad_alloc();
  };
  set(CURLUPART_PATH, whole, 0);
  for (const auto& [name, value] : parameters) {
    std::string parameter = name;
    parameter.append("=").append(value);
    set(CURLUPART_QUERY, parameter, CURLU_APPENDQUERY | CURLU_URLENCODE);
  }
  const Text text = part_of(url, CURLUPART_URL);
  if (text == nullptr) throw std::bad_alloc();
  return std::string(text.get());
}

}  // namespace wearables
