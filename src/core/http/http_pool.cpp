// A multi handle whose sockets and timer stand in one epoll descriptor, so that the caller waits on that alone beside
// its own events. Every call into libcurl that may start a resolver thread is made with all signals blocked, since a
// thread inherits the mask of its maker.
#include "core/http/http_pool.h"

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/text.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <deque>
#include <new>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <curl/curl.h>

namespace wearables {
namespace {

class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// Header lines of a request, overwritten before they are given back.
struct FreeHeaders {
  void operator()(curl_slist* list) const noexcept {
    for (curl_slist* line = list; line != nullptr; line = line->next)
      explicit_bzero(line->data, std::strlen(line->data));
    curl_slist_free_all(list);
  }
};
struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};

struct Transfer {
  std::unique_ptr<curl_slist, FreeHeaders> headers;
  std::string body;  // of the request
  HttpAnswer answer;
  std::size_t max_body_bytes = 0;
  bool too_large = false;
  std::unique_ptr<CURL, FreeEasy> easy;  // goes first: it refers to what stands above
};

bool holds_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

HttpError error_of(const Transfer& transfer, CURLcode code) noexcept {
  if (transfer.too_large) return HttpError::kTooLarge;
  switch (code) {
    case CURLE_OK:
      return HttpError::kAnswered;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return HttpError::kResolve;
    case CURLE_COULDNT_CONNECT:
      return HttpError::kConnect;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
      return HttpError::kTls;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpError::kTimeout;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return HttpError::kCut;
    case CURLE_FILESIZE_EXCEEDED:
      return HttpError::kTooLarge;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
      return HttpError::kEncoding;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP_RETURNED_ERROR:
      return HttpError::kProtocol;
    default:
      return HttpError::kOther;
  }
}

// --- Callbacks: libcurl is on the stack, so they throw nothing, and a short count tells it to give up.

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* arg) noexcept {
  auto* transfer = static_cast<Transfer*>(arg);
  std::string& body = transfer->answer.body;
  if (count > transfer->max_body_bytes - body.size()) {
    transfer->too_large = true;
    return 0;
  }
  try {
    body.append(bytes, count);
  } catch (const std::bad_alloc&) {
    transfer->too_large = true;
    return 0;
  }
  return count;
}

// A later line of the same name stands for the earlier: libcurl also hands over those of interim answers.
std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* arg) noexcept {
  constexpr std::size_t kMaxValue = 200;
  HttpAnswer& answer = static_cast<Transfer*>(arg)->answer;
  const std::string_view line(bytes, count);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return count;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && static_cast<unsigned char>(value.back()) <= ' ') value.remove_suffix(1);
  if (value.size() > kMaxValue) return count;
  try {
    if (equal_ignoring_case(name, "content-type")) answer.content_type = value;
    if (equal_ignoring_case(name, "retry-after")) answer.retry_after = value;
    if (equal_ignoring_case(name, "retry-after-ms")) answer.retry_after_ms = value;
    if (equal_ignoring_case(name, "x-ratelimit-reset")) answer.rate_limit_reset = value;
    if (equal_ignoring_case(name, "date")) {
      const time_t seconds = curl_getdate(std::string(value).c_str(), nullptr);
      if (seconds >= 0) answer.date = std::int64_t{seconds} * 1000;
    }
  } catch (const std::bad_alloc&) {
    return 0;
  }
  return count;
}

int watch_socket(CURL*, curl_socket_t socket, int what, void* arg, void*) noexcept {
  const int epoll = *static_cast<int*>(arg);
  if (what == CURL_POLL_REMOVE) {
    (void)epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
  event.data.fd = socket;
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0) return 0;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

int set_timer(CURLM*, long milliseconds, void* arg) noexcept {
  constexpr long kNanosecondsPerMillisecond = 1'000'000;
  itimerspec when{};
  if (milliseconds == 0) when.it_value.tv_nsec = 1;  // at once; nothing but zeros would disarm it
  if (milliseconds > 0) {
    when.it_value.tv_sec = milliseconds / 1000;
    when.it_value.tv_nsec = milliseconds % 1000 * kNanosecondsPerMillisecond;
  }
  return timerfd_settime(*static_cast<int*>(arg), 0, &when, nullptr) == 0 ? 0 : -1;
}

}  // namespace

struct HttpPool::Impl {
  explicit Impl(HttpOptions given) : options(std::move(given)) {
    // once a process, and never undone: the server and others in it may use libcurl and OpenSSL as well
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK) throw std::bad_alloc();
    multi = curl_multi_init();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = timer;
    if (multi == nullptr || epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) != 0) {
      close_all();
      throw std::bad_alloc();
    }
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &epoll);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &timer);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(options.max_transfers));
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.max_transfers));
  }

  ~Impl() {
    for (const auto& transfer : transfers) curl_multi_remove_handle(multi, transfer->easy.get());
    transfers.clear();
    close_all();
  }

  void close_all() noexcept {
    if (multi != nullptr) curl_multi_cleanup(multi);
    if (timer >= 0) close(timer);
    if (epoll >= 0) close(epoll);
  }

  // Everything that decides where a secret may go stands here.
  void prepare(Transfer* transfer, const HttpRequest& request) {
    CURL* easy = transfer->easy.get();
    bool good = true;
    const auto set = [&](CURLoption option, auto value) {
      good = curl_easy_setopt(easy, option, value) == CURLE_OK && good;
    };
    const bool loopback = request.url.rfind("http://", 0) == 0;
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, loopback ? "http" : "https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    if (loopback) set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // a name server that hangs holds up nobody
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(CURLOPT_PIPEWAIT, 1L);
    set(CURLOPT_ACCEPT_ENCODING, "gzip");
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.total_timeout_ms));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(kStallSeconds));
    set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options.max_body_bytes));
    if (!options.user_agent.empty()) set(CURLOPT_USERAGENT, options.user_agent.c_str());
    set(CURLOPT_HTTPHEADER, transfer->headers.get());
    if (!request.method.empty()) set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    // a POST without a body has the length 0: some servers refuse one that does not say so
    if (!transfer->body.empty() || request.method == "POST") {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer->body.size()));
      set(CURLOPT_POSTFIELDS, transfer->body.c_str());
    }
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(transfer));
    set(CURLOPT_HEADERFUNCTION, &take_header);
    set(CURLOPT_HEADERDATA, static_cast<void*>(transfer));
    set(CURLOPT_PRIVATE, static_cast<void*>(transfer));
    if (!good) throw std::bad_alloc();
  }

  void add_header(Transfer* transfer, const HttpHeader& header) {
    std::string line = header.name + ": " + header.value;
    curl_slist* longer = curl_slist_append(transfer->headers.get(), line.c_str());
    wipe(line);
    if (longer == nullptr) throw std::bad_alloc();
    (void)transfer->headers.release();
    transfer->headers.reset(longer);
  }

  void end(CURL* easy, CURLcode code) {
    Transfer* ended = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &ended);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(multi, easy);
    const auto place =
        std::find_if(transfers.begin(), transfers.end(), [&](const auto& t) { return t.get() == ended; });
    WEARABLES_ASSERT(place != transfers.end());
    HttpAnswer& answer = ended->answer;
    answer.error = error_of(*ended, code);
    answer.library_code = static_cast<int>(code);
    answer.status = static_cast<int>(status);
    if (answer.error != HttpError::kAnswered) {
      answer.body.clear();
      answer.body.shrink_to_fit();
    }
    finished.push_back(std::move(answer));
    transfers.erase(place);
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) end(message->easy_handle, message->data.result);
    }
  }

  HttpOptions options;
  CURLM* multi = nullptr;
  int epoll = -1;
  int timer = -1;
  std::vector<std::unique_ptr<Transfer>> transfers;
  std::deque<HttpAnswer> finished;
};

HttpPool::HttpPool(HttpOptions options) {
  const SignalsBlocked blocked;
  impl_ = std::make_unique<Impl>(std::move(options));
}

HttpPool::~HttpPool() {
  const SignalsBlocked blocked;
  impl_.reset();
}

bool HttpPool::has_room() const noexcept { return running() < max_transfers(); }
std::size_t HttpPool::max_transfers() const noexcept { return impl_->options.max_transfers; }
std::size_t HttpPool::running() const noexcept { return impl_->transfers.size(); }
int HttpPool::readiness_fd() const noexcept { return impl_->epoll; }

Result<Done> HttpPool::start(HttpRequest request) {
  WEARABLES_ASSERT(has_room());
  const std::string_view url = request.url;
  const auto allowed = check_base_url(url.substr(0, url.find('?')), impl_->options.allow_loopback_http);
  if (!allowed.ok()) return allowed.error();
  for (const HttpHeader& header : request.headers) {
    if (header.name.empty() || holds_control(header.name) || holds_control(header.value)) {
      return Error{Code::kInvalidArgument, "a request header contains a control character: check the API key"};
    }
  }
  auto transfer = std::make_unique<Transfer>();
  transfer->answer.id = request.id;
  transfer->max_body_bytes = impl_->options.max_body_bytes;
  transfer->body = std::move(request.body);
  for (const HttpHeader& header : request.headers) impl_->add_header(transfer.get(), header);
  transfer->easy.reset(curl_easy_init());
  if (transfer->easy == nullptr) throw std::bad_alloc();
  impl_->prepare(transfer.get(), request);
  CURL* easy = transfer->easy.get();
  impl_->transfers.push_back(std::move(transfer));
  const SignalsBlocked blocked;
  if (curl_multi_add_handle(impl_->multi, easy) != CURLM_OK) {
    impl_->transfers.pop_back();
    throw std::bad_alloc();
  }
  return Done{};
}

void HttpPool::drive() {
  constexpr int kMostEvents = 64;  // the rest is reported again by the next wait
  std::array<epoll_event, kMostEvents> events;
  const int count = epoll_wait(impl_->epoll, events.data(), kMostEvents, 0);
  const SignalsBlocked blocked;
  int running = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == impl_->timer) {
      std::uint64_t expirations;
      (void)!read(impl_->timer, &expirations, sizeof expirations);
      curl_multi_socket_action(impl_->multi, CURL_SOCKET_TIMEOUT, 0, &running);
      continue;
    }
    const int what = ((event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                     ((event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                     ((event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(impl_->multi, event.data.fd, what, &running);
  }
  impl_->collect();
}

const HttpAnswer* HttpPool::peek() const noexcept {
  return impl_->finished.empty() ? nullptr : &impl_->finished.front();
}

bool HttpPool::holds_answers() const noexcept { return !impl_->finished.empty(); }

std::optional<HttpAnswer> HttpPool::take() {
  if (impl_->finished.empty()) return {};
  HttpAnswer answer = std::move(impl_->finished.front());
  impl_->finished.pop_front();
  return answer;
}

void HttpPool::cancel(std::uint64_t id) noexcept {
  const SignalsBlocked blocked;
  auto& finished = impl_->finished;
  finished.erase(std::remove_if(finished.begin(), finished.end(), [&](const HttpAnswer& a) { return a.id == id; }),
                 finished.end());
  auto& transfers = impl_->transfers;
  const auto place =
      std::find_if(transfers.begin(), transfers.end(), [&](const auto& t) { return t->answer.id == id; });
  if (place == transfers.end()) return;
  curl_multi_remove_handle(impl_->multi, (*place)->easy.get());
  transfers.erase(place);
}

}  // namespace wearables
