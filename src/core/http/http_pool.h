// Several HTTP transfers at once, driven by the caller's event loop. The only room that sees libcurl.
#pragma once

#include "core/http/http.h"

#include <memory>
#include <optional>

namespace wearables {

struct HttpOptions {
  std::size_t max_transfers = 16;
  std::size_t max_body_bytes = std::size_t{64} << 20;  // of one answer, decoded
  int connect_timeout_ms = 10'000;                     // name resolution and TLS included
  int total_timeout_ms = 120'000;
  bool allow_loopback_http = false;
  std::string ca_file;     // PEM; empty: the system's store
  std::string user_agent;  // empty: none is sent
};

// No byte for so long ends a transfer.
inline constexpr int kStallSeconds = 30;

// Not for several threads. All that it does on behalf of a transfer happens within start() and drive(), which do not
// block; libcurl's resolver threads run with every signal blocked, so that none of them is handed a signal meant for
// the process. Destroying it ends what runs, without waiting for anybody: not for a server, and not for a name server.
class HttpPool {
 public:
  // Throws std::bad_alloc where memory or descriptors are exhausted.
  explicit HttpPool(HttpOptions options);
  ~HttpPool();
  HttpPool(const HttpPool&) = delete;
  HttpPool& operator=(const HttpPool&) = delete;

  // kInvalidArgument for a URL or a header that cannot be sent; nothing is running then. Takes the request with its
  // secrets, and overwrites its copies of them when the transfer has ended. Not more than max_transfers at once: see
  // has_room().
  Result<Done> start(HttpRequest request);
  bool has_room() const noexcept;
  std::size_t running() const noexcept;
  std::size_t max_transfers() const noexcept;

  // Readable when drive() has something to do, timeouts included. The pool's own; do not close it.
  int readiness_fd() const noexcept;
  void drive();

  // The one that take() gives next; null where there is none. Good until then.
  const HttpAnswer* peek() const noexcept;

  // Whether take() gives something.
  bool holds_answers() const noexcept;

  // The next transfer that has ended, in the order of their ends; nothing when there is none.
  std::optional<HttpAnswer> take();

  // Ends the transfer without an answer. Of one that has ended the answer is not given any more.
  void cancel(std::uint64_t id) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wearables
