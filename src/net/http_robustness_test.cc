// What the server does with clients that are broken, hostile, slow or leaving.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "base/metrics.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/testing/raw_connection.h"

namespace regatta::net {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Flag {
 public:
  void Set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class RobustnessTest : public testing::Test {
 protected:
  RobustnessTest() {
    router_.Add("GET", "/a", [](const Request&) { return TextResponse(200, "a"); });
    router_.Add("POST", "/post",
                [this](const Request& request) {
                  ++posts_;
                  return TextResponse(200, std::to_string(request.body.size()));
                },
                {.body_limit = 100});
    router_.Add("POST", "/smuggled", [this](const Request&) {
      ++smuggled_;
      return TextResponse(200, "");
    });
  }
  void Start(HttpServerOptions options = {}) {
    auto server = HttpServer::Start(options, router_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Raw(std::string_view bytes) {
    RawConnection connection(server_->port());
    connection.Write(bytes);
    return connection.ReadToEnd();
  }
  absl::StatusOr<ClientResponse> Get(const std::string& path) {
    return client_.Send({.url = server_->url() + path});
  }

  Router router_;
  HttpClient client_;
  std::atomic<int> posts_ = 0;
  std::atomic<int> smuggled_ = 0;
  // Handlers use these until the server is gone, so they come before it.
  Flag entered_, leave_, closed_;
  std::atomic<int> pulls_ = 0, ids_ = 0, closes_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(RobustnessTest, EveryAnswerHasADateAndAServer) {
  Start();
  for (const char* path : {"/a", "/nothing"}) {
    const auto response = Get(path);
    ASSERT_TRUE(response.ok());
    EXPECT_THAT(response->headers.at("date"), testing::MatchesRegex("[A-Z][a-z][a-z], .* GMT"));
    EXPECT_EQ(response->headers.at("server"), "regatta");
  }
}

TEST_F(RobustnessTest, RefusesRequestsWhoseEndIsAmbiguous) {
  Start();
  const std::string next = "POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  const std::string heads[] = {
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
      "Content-Length: 4\r\nContent-Length: 5\r\n",
      "Content-Length: -1\r\n",
      "Content-Length: 4 4\r\n",
      "Content-Length: 0x4\r\n",
      "Content-Length: 99999999999999999999999\r\n",
      "Transfer-Encoding : chunked\r\n",
      "Transfer-Encoding: chunked, identity\r\n",
      "Transfer-Encoding: gzip\r\n",
      "Bad Name: x\r\n",
      std::string("Nul: a\0b\r\n", 10),
  };
  for (const std::string& head : heads) {
    const std::string answer =
        Raw("POST /post HTTP/1.1\r\nHost: x\r\n" + head + "\r\n0\r\n\r\n" + next);
    EXPECT_THAT(answer, AnyOf(StartsWith("HTTP/1.1 4"), "")) << head;
    EXPECT_THAT(answer, Not(HasSubstr("HTTP/1.1 200"))) << head;
  }
  EXPECT_EQ(smuggled_, 0);
}

TEST_F(RobustnessTest, WantsExactlyOneHost) {
  Start();
  EXPECT_THAT(Raw("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Raw("GET /a HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Raw("GET /a HTTP/1.0\r\n\r\n"), HasSubstr(" 200 "));
}

TEST_F(RobustnessTest, AChunkedBodyMayNotGrowBeyondTheLimitEither) {
  Start();
  std::string request = "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 50; ++i) request += "5\r\nabcde\r\n";
  EXPECT_THAT(Raw(request), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Raw("POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "ffffffffffffffffffff\r\n"),
              AnyOf(StartsWith("HTTP/1.1 4"), ""));
  EXPECT_EQ(posts_, 0);
}

TEST_F(RobustnessTest, ARefusalReachesAClientThatIsStillSending) {
  Start();
  // More than both socket buffers hold: closing with unread bytes would reset the connection, and
  // the client would lose the answer.
  const std::string body(16 << 20, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto response =
        client_.Send({.method = "POST", .url = server_->url() + "/post", .body = body});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 413);
    // One that looks at the answer only when it has sent everything.
    RawConnection connection(server_->port());
    connection.Write("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n");
    connection.Write(body);
    EXPECT_THAT(connection.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
    EXPECT_FALSE(connection.reset());
  }
}

TEST_F(RobustnessTest, AsksForABodyOnlyWhenItWillTakeIt) {
  Start();
  const std::string head = "POST /post HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
  EXPECT_THAT(Raw(head + "Content-Length: 101\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  RawConnection connection(server_->port());
  connection.Write(head + "Content-Length: 3\r\n\r\n");
  EXPECT_EQ(connection.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  connection.Write("abc");
  EXPECT_THAT(connection.ReadUntil("\r\n\r\n3"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(RobustnessTest, DropsBodiesThatComeTooSlowlyAndConnectionsThatIdle) {
  Start({.body_timeout = std::chrono::milliseconds(100),
         .idle_timeout = std::chrono::milliseconds(100)});
  EXPECT_THAT(Raw("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"),
              Not(HasSubstr("200")));
  EXPECT_EQ(posts_, 0);
  EXPECT_EQ(Raw(""), "");
  RawConnection connection(server_->port());
  connection.Write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  connection.ReadUntil("\r\n\r\na");
  EXPECT_EQ(connection.ReadToEnd(), "");
}

TEST_F(RobustnessTest, AHandlersHeaderCannotSplitTheAnswer) {
  router_.Add("GET", "/redirect", [](const Request& request) {
    Response response{.status = 302};
    response.headers.emplace_back("Location", request.Query("to").value_or(""));
    return response;
  });
  Start();
  const auto response = Get("/redirect?to=x%0d%0aSet-Cookie:%20stolen=1");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.count("set-cookie"), 0u);
}

TEST_F(RobustnessTest, AThrowingHandlerOrStreamHarmsOnlyItsOwnRequest) {
  router_.Add("GET", "/throws",
              [](const Request&) -> Response { throw std::runtime_error("s3cret"); });
  router_.Add("GET", "/stream-throws", [&](const Request&) {
    auto stream = std::make_shared<Stream>();
    stream->wakeup = NewWakeup();
    stream->pull = [](std::string*) -> Pull { throw std::runtime_error("s3cret"); };
    stream->on_close = [&] { closed_.Set(); };
    return EventStreamResponse(std::move(stream));
  });
  Start();
  const auto response = Get("/throws");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 500);
  EXPECT_THAT(response->body, Not(HasSubstr("s3cret")));
  Raw("GET /stream-throws HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(closed_.Wait());
  EXPECT_EQ(Get("/a")->status, 200);
}

TEST_F(RobustnessTest, HeadOfAStreamOpensNone) {
  router_.Add("GET", "/events", [&](const Request&) {
    auto stream = std::make_shared<Stream>();
    stream->wakeup = NewWakeup();
    stream->pull = [&](std::string*) {
      ++pulls_;
      return Pull::kIdle;
    };
    stream->on_close = [&] { closed_.Set(); };
    return EventStreamResponse(std::move(stream));
  });
  Start();
  EXPECT_THAT(Raw("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n"),
              HasSubstr("Content-Type: text/event-stream"));
  EXPECT_TRUE(closed_.Wait());
  EXPECT_EQ(pulls_, 0);
}

TEST_F(RobustnessTest, SendsABigFileWithoutHoldingIt) {
  char name[] = "/tmp/regatta-net-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  constexpr std::int64_t kSize = 3LL << 30;  // sparse; beyond 31 bits
  ASSERT_EQ(ftruncate(fd, kSize), 0);
  ASSERT_EQ(pwrite(fd, "end", 3, kSize - 3), 3);
  close(fd);
  const std::string path = name;
  router_.Add("GET", "/file", [path](const Request&) { return Response{.file = path}; });
  Start();
  const auto end =
      client_.Send({.url = server_->url() + "/file", .headers = {{"Range", "bytes=-3"}}});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->body, "end");
  EXPECT_EQ(end->headers.at("content-range"), "bytes 3221225469-3221225471/3221225472");
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  std::int64_t received = 0;
  ClientRequest request{.url = server_->url() + "/file", .timeout = std::chrono::minutes(2)};
  request.on_data = [&](std::string_view bytes) {
    received += static_cast<std::int64_t>(bytes.size());
    return received < (256 << 20);
  };
  EXPECT_EQ(client_.Send(request).status().code(), absl::StatusCode::kCancelled);
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  unlink(name);
  EXPECT_GE(received, 256 << 20);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024) << "KiB of growth";
}

TEST_F(RobustnessTest, StopLetsARunningRequestFinishAndClosesIdleConnections) {
  router_.Add("GET", "/slow", [&](const Request&) {
    entered_.Set();
    leave_.Wait();
    return TextResponse(200, "finished");
  });
  Start();
  RawConnection idle(server_->port());
  idle.Write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.ReadUntil("\r\n\r\na");
  RawConnection busy(server_->port());
  busy.Write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(entered_.Wait());
  std::jthread stopper([&] { server_->Stop(std::chrono::seconds(20)); });
  EXPECT_EQ(idle.ReadToEnd(), "");  // the stop has begun
  leave_.Set();
  EXPECT_THAT(busy.ReadToEnd(), HasSubstr("finished"));
  stopper.join();
}

TEST_F(RobustnessTest, StopAtItsDeadlineLeavesAClientThatTakesNothing) {
  router_.Add("GET", "/big",
              [](const Request&) { return TextResponse(200, std::string(64 << 20, 'x')); });
  Start();
  RawConnection stuck(server_->port());
  stuck.Write("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  stuck.ReadUntil("\r\n\r\n");
  const auto begin = std::chrono::steady_clock::now();
  server_->Stop(std::chrono::milliseconds(200));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(RobustnessTest, NotifyFromManyThreadsWhileConnectionsComeAndGo) {
  const auto wakeup_of = std::make_shared<std::map<int, std::shared_ptr<Wakeup>>>();
  std::mutex mutex;
  router_.Add("GET", "/events", [&](const Request&) {
    const int id = ids_++;
    auto stream = std::make_shared<Stream>();
    stream->wakeup = NewWakeup();
    {
      const std::lock_guard lock(mutex);
      (*wakeup_of)[id] = stream->wakeup;
    }
    stream->pull = [sent = 0](std::string* out) mutable {
      *out = FormatEvent(std::to_string(++sent), "n", "x");
      return sent < 20 ? Pull::kIdle : Pull::kEnd;
    };
    stream->on_close = [&] { ++closes_; };
    return EventStreamResponse(std::move(stream));
  });
  Start();
  std::atomic<bool> done = false;
  std::vector<std::jthread> producers;
  for (int i = 0; i < 3; ++i) {
    producers.emplace_back([&] {
      while (!done) {
        std::vector<std::shared_ptr<Wakeup>> all;
        {
          const std::lock_guard lock(mutex);
          for (const auto& [id, wakeup] : *wakeup_of) all.push_back(wakeup);
        }
        for (const auto& wakeup : all) wakeup->Notify();
        std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    RawConnection connection(server_->port());
    connection.Write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    // Every third client leaves in the middle.
    connection.ReadUntil(i % 3 == 0 ? "id: 2\n" : "id: 20\n");
  }
  server_->Stop(std::chrono::seconds(5));
  EXPECT_EQ(closes_, 60);
  server_.reset();  // producers go on notifying streams of a server that is no more
  done = true;
}

TEST_F(RobustnessTest, SurvivesGarbage) {
  Start({.header_timeout = std::chrono::milliseconds(50),
         .body_timeout = std::chrono::milliseconds(50),
         .idle_timeout = std::chrono::milliseconds(50)});
  const std::string seed =
      "POST /post?a=%41&b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nRange: bytes=0-\r\n"
      "Cookie: a=b; c\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\nConnection: close"
      "\r\n\r\n";
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = seed;
    for (unsigned n = random() % 8; n > 0; --n) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 20);
          break;
        case 2:
          bytes.insert(at, std::string(random() % 40, static_cast<char>(random())));
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 60));
      }
      if (bytes.empty()) bytes = "x";
    }
    RawConnection connection(server_->port());
    connection.Write(bytes);
    if (i % 2 == 0) connection.ReadToEnd();
  }
  EXPECT_EQ(Get("/a")->status, 200);
}

TEST_F(RobustnessTest, MetricsNameRouteAndCode) {
  router_.Add("GET", "/gone/{x}",
              [](const Request&) { return Response{.file = "/nonexistent/f"}; });
  Start();
  EXPECT_EQ(Get("/gone/1")->status, 404);
  EXPECT_EQ(Get("/a")->status, 200);
  // The counter moves once the answer is sent, so ask on the same connection before looking.
  EXPECT_EQ(Get("/a")->status, 200);
  const std::string metrics = base::RenderMetrics();
  EXPECT_THAT(metrics,
              HasSubstr("regatta_http_requests_total{route=\"/gone/{x}\",code=\"404\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("regatta_http_requests_total{route=\"/a\",code=\"200\"} "));
  EXPECT_THAT(metrics, HasSubstr("regatta_http_request_seconds_bucket{route=\"/a\""));
}

TEST(HttpClientErrors, SayWhyNobodyAnswered) {
  HttpClient client;
  EXPECT_EQ(client.Send({.url = "http://127.0.0.1:1/x"}).status(),
            absl::UnavailableError("cannot reach http://127.0.0.1:1/x: Connection refused"));
}

TEST_F(RobustnessTest, TheClientReusesItsConnectionAndSkipsProxies) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  router_.Add("GET", "/peer",
              [](const Request& request) { return TextResponse(200, request.peer); });
  Start();
  const auto first = Get("/peer");
  const auto second = Get("/peer");
  unsetenv("http_proxy");
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->body, second->body);
}

TEST_F(RobustnessTest, TheClientGivesUpInTimeAndWhenTold) {
  router_.Add("GET", "/hangs", [&](const Request&) {
    leave_.Wait();
    return TextResponse(200, "");
  });
  Start();
  const auto late =
      client_.Send({.url = server_->url() + "/hangs", .timeout = std::chrono::milliseconds(100)});
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded) << late.status();
  ClientRequest request{.url = server_->url() + "/hangs"};
  int asked = 0;
  request.keep_going = [&] { return ++asked < 3; };
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(client_.Send(request).status().code(), absl::StatusCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
  leave_.Set();
}

}  // namespace
}  // namespace regatta::net
