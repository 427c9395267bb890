#include "core/http/http.h"
#include "core/http/http_pool.h"

#include "http_server.h"

#include <gtest/gtest.h>

#include <poll.h>

#include <chrono>
#include <condition_variable>
#include <cctype>
#include <csignal>
#include <map>

namespace wearables {
namespace {

using std::chrono::steady_clock;
using test::HttpServer;

HttpOptions local_options() {
  HttpOptions options;
  options.allow_loopback_http = true;
  options.max_body_bytes = 100'000;
  options.connect_timeout_ms = 2000;
  options.total_timeout_ms = 5000;
  return options;
}

HttpRequest get(std::uint64_t id, std::string url) {
  HttpRequest request;
  request.id = id;
  request.url = std::move(url);
  return request;
}

// Drives until so many have ended, waiting on the descriptor alone.
std::map<std::uint64_t, HttpAnswer> finish(HttpPool& pool, std::size_t count, int patience_ms = 10'000) {
  std::map<std::uint64_t, HttpAnswer> answers;
  const auto end = steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (answers.size() < count && steady_clock::now() < end) {
    pollfd wait{pool.readiness_fd(), POLLIN, 0};
    if (poll(&wait, 1, 100) > 0) pool.drive();
    while (auto answer = pool.take()) {
      const std::uint64_t id = answer->id;
      answers[id] = std::move(*answer);
    }
  }
  return answers;
}

HttpAnswer ask(HttpPool& pool, std::string url) {
  EXPECT_TRUE(pool.start(get(1, std::move(url))).ok());
  auto answers = finish(pool, 1);
  return answers.count(1) != 0 ? std::move(answers[1]) : HttpAnswer{};
}

HttpAnswer ask_once(HttpServer::Handler handler, HttpOptions options = local_options()) {
  HttpServer server(std::move(handler));
  HttpPool pool(std::move(options));
  return ask(pool, server.url() + "/page");
}

TEST(HttpPool, AnAnswerComesWhole) {
  const HttpAnswer answer = ask_once([](int socket, const std::string&) {
    return HttpServer::answer(socket, "200 OK",
                              "Date: Sun, 29 Mar 2026 01:30:00 GMT\r\ncontent-type: application/json\r\n", "{\"a\":1}");
  });
  EXPECT_EQ(answer.error, HttpError::kAnswered);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"a\":1}");
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.date, 1774747800000);
}

TEST(HttpPool, WhatIsAskedIsWhatWasGiven) {
  std::string seen;
  HttpServer server([&](int socket, const std::string& head) {
    seen = head;
    return HttpServer::answer(socket, "200 OK", "", "");
  });
  HttpOptions options = local_options();
  options.user_agent = "wearables_ingest/test";
  HttpPool pool(options);
  HttpRequest request = get(7, make_url(server.url() + "/v2/", "/timeseries/" + escape_segment("a/b c") + "/heartrate",
                                        {{"start_date", "2026-03-29T00:00:00+00:00"}, {"next_cursor", "a=b&c"}})
                                   .value());
  request.headers.push_back({"X-Vital-API-Key", "sk_secret"});
  ASSERT_TRUE(pool.start(std::move(request)).ok());
  EXPECT_EQ(finish(pool, 1).count(7), 1U);
  // the hexadecimal digits are of either case, by libcurl's version
  std::string line = seen.substr(0, seen.find("\r\n"));
  for (std::size_t i = 0; i + 2 < line.size(); ++i) {
    if (line[i] == '%')
      line[i + 1] = static_cast<char>(tolower(line[i + 1])), line[i + 2] = static_cast<char>(tolower(line[i + 2]));
  }
  EXPECT_EQ(
      line,
      "GET /v2/timeseries/a%2fb%20c/heartrate?start_date=2026-03-29T00%3a00%3a00%2b00%3a00&next_cursor=a%3db%26c HTTP/1.1");
  EXPECT_NE(seen.find("X-Vital-API-Key: sk_secret"), std::string::npos);
  EXPECT_NE(seen.find("User-Agent: wearables_ingest/test"), std::string::npos);
  EXPECT_NE(seen.find("Accept-Encoding: gzip"), std::string::npos);
}

TEST(HttpPool, EveryStatusIsAnAnswer) {
  for (const char* status :
       {"204 No Content", "301 Moved", "401 Unauthorized", "422 Unprocessable", "429 Too Many", "503 Busy"}) {
    int asked = 0;
    const HttpAnswer answer = ask_once([&](int socket, const std::string&) {
      ++asked;
      return HttpServer::answer(socket, status, "Location: http://127.0.0.1:1/elsewhere\r\nRetry-After: 7\r\n", "");
    });
    EXPECT_EQ(answer.error, HttpError::kAnswered) << status;
    EXPECT_EQ(answer.status, std::stoi(status)) << status;
    EXPECT_EQ(answer.retry_after, "7") << status;
    EXPECT_EQ(asked, 1) << "no redirect is followed: " << status;
  }
}

TEST(HttpPool, AnswersAreBounded) {
  const std::string large(100'001, 'x');
  EXPECT_EQ(
      ask_once([&](int socket, const std::string&) { return HttpServer::answer(socket, "200 OK", "", large); }).error,
      HttpError::kTooLarge)
      << "announced";
  const HttpAnswer endless = ask_once([&](int socket, const std::string&) {
    if (!HttpServer::send_all(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) return false;
    const std::string chunk = "1000\r\n" + std::string(4096, 'x') + "\r\n";
    while (HttpServer::send_all(socket, chunk)) {
    }
    return false;
  });
  EXPECT_EQ(endless.error, HttpError::kTooLarge);
  EXPECT_EQ(endless.body, "");
  const std::string whole(100'000, 'x');
  EXPECT_EQ(
      ask_once([&](int socket, const std::string&) { return HttpServer::answer(socket, "200 OK", "", whole); }).body,
      whole);
}

// gzip of blanks: one literal, then copies of 258 bytes at a distance of one, 13 bits each (RFC 1951, fixed codes).
std::string gzip_of_blanks(std::uint32_t copies) {
  std::string text("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  std::uint32_t bits = 0;
  int count = 0;
  const auto put = [&](std::uint32_t value, int width) {
    bits |= value << count;
    count += width;
    while (count >= 8) {
      text.push_back(static_cast<char>(bits & 0xff));
      bits >>= 8;
      count -= 8;
    }
  };
  // Huffman codes go from their highest bit on
  const auto put_code = [&](std::uint32_t code, int width) {
    for (int i = width - 1; i >= 0; --i) put(code >> i & 1, 1);
  };
  put(1, 1);  // the last block
  put(1, 2);  // of fixed codes
  put_code(0x30 + ' ', 8);
  for (std::uint32_t i = 0; i < copies; ++i) {
    put_code(0xc0 + 285 - 280, 8);
    put_code(0, 5);
  }
  put_code(0, 7);  // the end
  put(0, (8 - count) % 8);
  std::uint32_t crc = 0xffffffff;
  const std::uint32_t size = 1 + 258 * copies;
  for (std::uint32_t i = 0; i < size; ++i) {
    crc ^= ' ';
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
  }
  for (const std::uint32_t number : {~crc, size}) {
    for (int shift = 0; shift < 32; shift += 8) text.push_back(static_cast<char>(number >> shift & 0xff));
  }
  return text;
}

TEST(HttpPool, ABombIsCutAtTheLimit) {
  const std::string bomb = gzip_of_blanks(10'000);
  EXPECT_LT(bomb.size(), 20'000U);
  const auto send = [&](int socket, const std::string&) {
    return HttpServer::answer(socket, "200 OK", "Content-Encoding: gzip\r\n", bomb);
  };
  EXPECT_EQ(ask_once(send).error, HttpError::kTooLarge);
  HttpOptions options = local_options();
  options.max_body_bytes = 3'000'000;
  const HttpAnswer decoded = ask_once(send, options);
  EXPECT_EQ(decoded.error, HttpError::kAnswered);
  EXPECT_EQ(decoded.body, std::string(2'580'001, ' '));
}

TEST(HttpPool, WhatIsNotAnAnswerIsNamed) {
  EXPECT_EQ(ask_once([](int socket, const std::string&) {
              return HttpServer::answer(socket, "200 OK", "Content-Encoding: gzip\r\n", "not gzip");
            }).error,
            HttpError::kEncoding);
  EXPECT_EQ(ask_once([](int socket, const std::string&) {
              (void)HttpServer::send_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
              return false;
            }).error,
            HttpError::kCut);
  EXPECT_EQ(ask_once([](int, const std::string&) { return false; }).error, HttpError::kCut);
  EXPECT_EQ(ask_once([](int socket, const std::string&) {
              (void)HttpServer::send_all(socket, "good day\r\n\r\n");
              return false;
            }).error,
            HttpError::kProtocol);
  HttpPool pool(local_options());
  EXPECT_EQ(ask(pool, "http://127.0.0.1:1/").error, HttpError::kConnect);
  EXPECT_EQ(ask(pool, "https://nowhere.invalid/").error, HttpError::kResolve);
}

TEST(HttpPool, ASlowServerIsLeft) {
  HttpOptions options = local_options();
  options.total_timeout_ms = 300;
  std::mutex mutex;
  std::condition_variable over;
  bool done = false;
  HttpServer server([&](int, const std::string&) {
    std::unique_lock<std::mutex> lock(mutex);
    over.wait(lock, [&] { return done; });
    return false;
  });
  HttpPool pool(options);
  const auto begun = steady_clock::now();
  EXPECT_EQ(ask(pool, server.url()).error, HttpError::kTimeout);
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(3));
  const std::lock_guard<std::mutex> lock(mutex);
  done = true;
  over.notify_all();
}

// A plain server behind https: no handshake, and no request with its key on the wire.
TEST(HttpPool, NothingIsSentToWhomCannotBeTrusted) {
  std::string seen;
  HttpServer server([&](int socket, const std::string& head) {
    seen = head;
    return HttpServer::answer(socket, "200 OK", "", "");
  });
  HttpOptions options = local_options();
  options.connect_timeout_ms = 300;
  HttpPool pool(options);
  HttpRequest request = get(1, "https" + server.url().substr(4));
  request.headers.push_back({"X-Vital-API-Key", "sk_secret"});
  ASSERT_TRUE(pool.start(std::move(request)).ok());
  // the server waits for more of what is no request to it: the handshake ends by the time allowed for connecting
  const HttpAnswer answer = std::move(finish(pool, 1)[1]);
  EXPECT_TRUE(answer.error == HttpError::kTls || answer.error == HttpError::kTimeout);
  EXPECT_EQ(seen.find("sk_secret"), std::string::npos);
}

TEST(HttpPool, ManyAtOnceOverFewConnections) {
  HttpServer server([](int socket, const std::string& head) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return HttpServer::answer(socket, "200 OK", "", head.substr(4, head.find(' ', 4) - 4));
  });
  HttpOptions options = local_options();
  options.max_transfers = 16;
  HttpPool pool(options);
  std::map<std::uint64_t, HttpAnswer> all;
  std::uint64_t next = 0;
  while (all.size() < 100) {
    while (next < 100 && pool.has_room()) {
      ASSERT_TRUE(pool.start(get(next, server.url() + "/" + std::to_string(next))).ok());
      ++next;
    }
    EXPECT_LE(pool.running(), 16U);
    for (auto& [id, answer] : finish(pool, 1)) all[id] = std::move(answer);
  }
  for (const auto& [id, answer] : all) EXPECT_EQ(answer.body, "/" + std::to_string(id));
  EXPECT_LE(server.connections(), 16) << "connections are used again";
}

TEST(HttpPool, ItGoesAtOnceWhateverHangs) {
  std::mutex mutex;
  std::condition_variable over;
  bool done = false;
  HttpServer server([&](int, const std::string&) {
    std::unique_lock<std::mutex> lock(mutex);
    over.wait(lock, [&] { return done; });
    return false;
  });
  steady_clock::time_point begun;
  {
    HttpPool pool(local_options());
    for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(pool.start(get(i, server.url())).ok());
    for (std::uint64_t i = 8; i < 16; ++i) ASSERT_TRUE(pool.start(get(i, "https://hanging.example.invalid/")).ok());
    EXPECT_FALSE(pool.has_room());
    pool.drive();
    // a resolver may have said by now that there is no such host
    const auto running = pool.running();
    EXPECT_GE(running, 8U);
    pool.cancel(3);
    EXPECT_EQ(pool.running(), running - 1);
    pool.cancel(3);
    EXPECT_EQ(pool.running(), running - 1);
    begun = steady_clock::now();
  }
  EXPECT_LT(steady_clock::now() - begun, std::chrono::milliseconds(100));
  const std::lock_guard<std::mutex> lock(mutex);
  done = true;
  over.notify_all();
}

// Whoever cancels may free what the id stands for.
TEST(HttpPool, WhatIsCancelledIsNeverGiven) {
  HttpServer server([](int socket, const std::string&) { return HttpServer::answer(socket, "200 OK", "", "x"); });
  HttpPool pool(local_options());
  ASSERT_TRUE(pool.start(get(1, server.url())).ok());
  ASSERT_TRUE(pool.start(get(2, server.url())).ok());
  const auto end = steady_clock::now() + std::chrono::seconds(10);
  while (pool.running() > 0 && steady_clock::now() < end) {
    pollfd wait{pool.readiness_fd(), POLLIN, 0};
    if (poll(&wait, 1, 100) > 0) pool.drive();
  }
  EXPECT_TRUE(pool.holds_answers());
  pool.cancel(1);
  const auto left = pool.take();
  ASSERT_TRUE(left.has_value());
  EXPECT_EQ(left->id, 2U);
  EXPECT_FALSE(pool.take().has_value());
  EXPECT_FALSE(pool.holds_answers());
}

TEST(HttpPool, AnIdlePoolSleeps) {
  HttpServer server([](int socket, const std::string&) { return HttpServer::answer(socket, "200 OK", "", ""); });
  HttpPool pool(local_options());
  EXPECT_EQ(ask(pool, server.url()).status, 200);
  int woken = 0;
  for (int i = 0; i < 20; ++i) {
    pollfd wait{pool.readiness_fd(), POLLIN, 0};
    if (poll(&wait, 1, 20) > 0) {
      ++woken;
      pool.drive();
    }
  }
  EXPECT_LE(woken, 2);
}

// The mask of the caller is as it was, and what a signal does is done in its own thread.
TEST(HttpPool, SignalsStayWithTheCaller) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  HttpPool pool(local_options());
  (void)ask(pool, "https://nowhere.invalid/");
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGTERM, SIGHUP, SIGUSR1, SIGURG})
    EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal));
}

TEST(HostOf, NamesHostAndPort) {
  EXPECT_EQ(host_of("https://API.eu.Junction.com/v2/?a=b"), "api.eu.junction.com:443");
  EXPECT_EQ(host_of("https://api.eu.junction.com:443"), "api.eu.junction.com:443");
  EXPECT_EQ(host_of("https://api.eu.junction.com:8443"), "api.eu.junction.com:8443");
  EXPECT_EQ(host_of("http://127.0.0.1/"), "127.0.0.1:80");
  EXPECT_EQ(host_of("https://[::1]:99/"), "[::1]:99");
  EXPECT_EQ(host_of("api.eu.junction.com"), "");
  EXPECT_EQ(host_of("https://"), "");
  EXPECT_EQ(host_of(""), "");
}

TEST(HttpPool, WhatMayNotBeAskedIsRefused) {
  HttpPool strict{HttpOptions{}};
  HttpPool lenient(local_options());
  const std::vector<std::tuple<const char*, bool, bool>> cases = {
      {"https://api.us.junction.com", true, true},
      {"https://api.us.junction.com:8443/base", true, true},
      {"http://127.0.0.1:8000", false, true},
      {"http://127.9.9.9", false, true},
      {"http://[::1]:8000/x", false, true},
      {"http://localhost:8000", false, false},
      {"http://10.0.0.1", false, false},
      {"http://127.0.0.1.evil.example", false, false},
      {"http://api.us.junction.com", false, false},
      {"HTTP://api.us.junction.com", false, false},
      {"ftp://api.us.junction.com", false, false},
      {"file:///etc/passwd", false, false},
      {"https://user:secret@api.us.junction.com", false, false},
      {"https://api.us.junction.com@127.0.0.1", false, false},
      {"https://api.us.junction.com#x", false, false},
      {"https://", false, false},
      {"api.us.junction.com", false, false},
      {"", false, false},
      {"https://a b/", false, false}};
  for (const auto& [url, by_default, when_allowed] : cases) {
    EXPECT_EQ(check_base_url(url, false).ok(), by_default) << url;
    EXPECT_EQ(check_base_url(url, true).ok(), when_allowed) << url;
    if (!by_default) {
      EXPECT_FALSE(strict.start(get(1, url)).ok()) << url;
    }
    if (!when_allowed) {
      EXPECT_FALSE(lenient.start(get(1, url)).ok()) << url;
    }
  }
  EXPECT_FALSE(check_base_url("https://a.example/?key=1", true).ok());
  EXPECT_FALSE(check_base_url(std::string_view("https://a.example/\0", 19), true).ok());
  const auto refused = check_base_url("https://user:secret@a.example", true);
  EXPECT_EQ(refused.error().message.find("secret@"), std::string::npos);
  HttpRequest request = get(1, "https://a.example/");
  request.headers.push_back({"X-Vital-API-Key", "sk_secret\r\nHost: evil.example"});
  const auto control = lenient.start(std::move(request));
  ASSERT_FALSE(control.ok());
  EXPECT_EQ(control.error().message.find("sk_"), std::string::npos);
  EXPECT_EQ(lenient.running(), 0U);
}

TEST(AskedWait, EveryWayToAskForIt) {
  constexpr std::int64_t kNow = 1'774'747'800'000;  // Sun, 29 Mar 2026 01:30:00 GMT
  const auto wait = [](std::string after, std::string ms, std::string reset, std::optional<std::int64_t> date = {}) {
    HttpAnswer answer;
    answer.retry_after = std::move(after);
    answer.retry_after_ms = std::move(ms);
    answer.rate_limit_reset = std::move(reset);
    answer.date = date;
    return asked_wait(answer, kNow);
  };
  EXPECT_EQ(wait("", "", ""), std::nullopt);
  EXPECT_EQ(wait("7", "", ""), 7000);
  EXPECT_EQ(wait(" 1.5 ", "", ""), 1500);
  EXPECT_EQ(wait("Sun, 29 Mar 2026 01:31:00 GMT", "", ""), 60'000);
  EXPECT_EQ(wait("Sun, 29 Mar 2026 01:31:00 GMT", "", "", kNow + 30'000), 30'000) << "by the server's own clock";
  EXPECT_EQ(wait("Sun, 29 Mar 2020 01:31:00 GMT", "", ""), 0) << "past";
  EXPECT_EQ(wait("", "250", ""), 250);
  EXPECT_EQ(wait("", "", "30"), 30'000);
  EXPECT_EQ(wait("", "", "1774747860"), 60'000) << "Unix seconds";
  EXPECT_EQ(wait("1", "2500", "2"), 2500) << "the longest";
  EXPECT_EQ(wait("999999999", "", ""), kMaxAskedWait);
  EXPECT_EQ(wait("-1", "", ""), std::nullopt);
  EXPECT_EQ(wait("soon", "NaN", "inf"), std::nullopt);
}

}  // namespace
}  // namespace wearables
