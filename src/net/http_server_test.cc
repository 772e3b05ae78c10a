#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>

#include "net/http_client.h"
#include "net/testing/raw_connection.h"

namespace regatta::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Flag {
 public:
  void Set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool WaitFor(std::chrono::seconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpServerOptions options = {}) {
    auto server = HttpServer::Start(options, router_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ClientResponse Ask(ClientRequest request) {
    request.url = server_->url() + request.url;
    auto response = client_.Send(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : ClientResponse{};
  }
  std::string Raw(std::string_view bytes) {
    RawConnection connection(server_->port());
    connection.Write(bytes);
    return connection.ReadToEnd();
  }

  Router router_;
  HttpClient client_;
  // Handlers use these until the server is gone, so they come before it.
  Flag entered_;
  Flag closed_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersWithQueryParametersAndBody) {
  router_.Add("POST", "/echo/{name}", [](const Request& request) {
    return TextResponse(201, request.params.at("name") + request.Query("q").value_or("-") +
                                 request.body + request.Header("x-test"));
  });
  Start();
  const ClientResponse response = Ask({.method = "POST",
                                       .url = "/echo/%E4%BD%A0?q=a+b",
                                       .headers = {{"X-Test", "!"}},
                                       .body = "body"});
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body,
            "\xE4\xBD\xA0"
            "a bbody!");
  EXPECT_EQ(response.headers.at("x-content-type-options"), "nosniff");
}

TEST_F(HttpServerTest, ListsTheMethodsOfAPath) {
  router_.Add("GET", "/a", [](const Request&) { return TextResponse(200, "a"); });
  Start();
  const ClientResponse response = Ask({.method = "DELETE", .url = "/a"});
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.at("allow"), "GET, HEAD");
  EXPECT_EQ(Ask({.method = "OPTIONS", .url = "/a"}).status, 204);
  EXPECT_EQ(Ask({.url = "/b"}).status, 404);
  const ClientResponse head = Ask({.method = "HEAD", .url = "/a"});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), "1");
  EXPECT_EQ(head.body, "");
}

TEST_F(HttpServerTest, RefusesBodiesOverTheRoutesLimit) {
  router_.Add("POST", "/a", [](const Request& r) { return TextResponse(200, r.body); },
              {.body_limit = 10});
  Start();
  EXPECT_EQ(Ask({.method = "POST", .url = "/a", .body = std::string(10, 'x')}).status, 200);
  EXPECT_EQ(Ask({.method = "POST", .url = "/a", .body = std::string(11, 'x')}).status, 413);
  // Chunked, so that the length is not announced.
  EXPECT_THAT(Raw("POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "b\r\nxxxxxxxxxxx\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, AnswersMalformedRequestsAndStaysUp) {
  router_.Add("GET", "/a", [](const Request&) { return TextResponse(200, "a"); });
  Start();
  EXPECT_THAT(Raw("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Raw("GET a HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Raw("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Raw("GET /a?x=%q HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Raw("GET /a HTTP/1.1\r\nX: " + std::string(20'000, 'y') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(Ask({.url = "/a"}).status, 200);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  router_.Add("GET", "/{x}", [](const Request& r) { return TextResponse(200, r.params.at("x")); });
  Start();
  const std::string answers =
      Raw("GET /first HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n"
          "Connection: close\r\n\r\n");
  const std::size_t first = answers.find("\r\n\r\nfirst");
  ASSERT_NE(first, std::string::npos) << answers;
  EXPECT_GT(answers.find("\r\n\r\nsecond"), first);
}

TEST_F(HttpServerTest, DropsClientsThatSendTheirHeadTooSlowly) {
  Start({.header_timeout = std::chrono::milliseconds(100)});
  EXPECT_EQ(Raw("GET /a HTT"), "");
}

TEST_F(HttpServerTest, NamesAPortThatIsInUse) {
  Start();
  const auto second = HttpServer::Start({.port = server_->port()}, Router());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("port " + std::to_string(server_->port())));
}

TEST_F(HttpServerTest, RefusesAddressesThatAreNotLoopback) {
  const auto server = HttpServer::Start({.address = "0.0.0.0"}, Router());
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("TLS"));
}

TEST_F(HttpServerTest, SendsFilesInRanges) {
  char name[] = "/tmp/regatta-net-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  close(fd);
  const std::string path = name;
  {
    std::ofstream out(path, std::ios::binary);
    for (int i = 0; i < 1'000'000; ++i) out << static_cast<char>('a' + i % 26);
  }
  router_.Add("GET", "/file", [path](const Request&) { return Response{.file = path}; });
  Start();
  EXPECT_EQ(Ask({.url = "/file"}).body.size(), 1'000'000u);
  const ClientResponse part = Ask({.url = "/file", .headers = {{"Range", "bytes=26-28"}}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "abc");
  EXPECT_EQ(part.headers.at("content-range"), "bytes 26-28/1000000");
  EXPECT_EQ(Ask({.url = "/file", .headers = {{"Range", "bytes=1000000-"}}}).status, 416);
  std::filesystem::remove(path);
  EXPECT_EQ(Ask({.url = "/file"}).status, 404);
}

// A stream of `count` numbered events, made as fast as they are taken.
Response Counting(std::shared_ptr<Wakeup> wakeup, int from, int count,
                  std::function<void()> on_close = nullptr) {
  auto next = std::make_shared<int>(from);
  auto stream = std::make_shared<Stream>();
  stream->wakeup = std::move(wakeup);
  stream->on_close = std::move(on_close);
  stream->pull = [next, count](std::string* out) {
    if (*next >= count) return Pull::kEnd;
    *out += FormatEvent(std::to_string(*next), "n", "x");
    ++*next;
    return Pull::kMore;
  };
  return EventStreamResponse(std::move(stream));
}

TEST_F(HttpServerTest, StreamsEventsAndResumesAfterTheLastId) {
  router_.Add("GET", "/events", [](const Request& request) {
    const std::string& last = request.Header("last-event-id");
    return Counting(NewWakeup(), last.empty() ? 0 : std::stoi(last) + 1, 500);
  });
  Start();
  std::vector<std::string> ids;
  EventParser parser;
  ClientRequest request{.url = server_->url() + "/events"};
  request.on_data = [&](std::string_view bytes) {
    return parser.Feed(bytes, [&](const ServerEvent& event) {
      ids.push_back(event.id);
      return ids.size() < 200;
    });
  };
  EXPECT_EQ(client_.Send(request).status().code(), absl::StatusCode::kCancelled);
  ASSERT_EQ(ids.size(), 200u);
  request.headers["Last-Event-ID"] = ids.back();
  parser = EventParser();
  request.on_data = [&](std::string_view bytes) {
    return parser.Feed(bytes, [&](const ServerEvent& event) {
      ids.push_back(event.id);
      return true;
    });
  };
  ASSERT_TRUE(client_.Send(request).ok());
  ASSERT_EQ(ids.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(ids[i], std::to_string(i));
}

TEST_F(HttpServerTest, WakesAStreamOnNotifyAndBeatsWhileItIsSilent) {
  const auto wakeup = NewWakeup();
  std::atomic<int> available = 0;
  int sent = 0;
  router_.Add("GET", "/events", [&](const Request&) {
    auto stream = std::make_shared<Stream>();
    stream->wakeup = wakeup;
    stream->pull = [&](std::string* out) {
      if (sent == available) return Pull::kIdle;
      *out += FormatEvent("", "n", std::to_string(++sent));
      return sent == 3 ? Pull::kEnd : Pull::kMore;
    };
    return EventStreamResponse(std::move(stream));
  });
  Start({.heartbeat = std::chrono::milliseconds(30)});
  std::string all;
  ClientRequest request{.url = server_->url() + "/events"};
  request.on_data = [&](std::string_view bytes) {
    all += bytes;
    // The first heartbeat proves that the stream waits; then each event calls for the next.
    if (available < 3 && all != ": open\n\n") {
      ++available;
      wakeup->Notify();
    }
    return true;
  };
  ASSERT_TRUE(client_.Send(request).ok());
  EXPECT_THAT(all, StartsWith(": open\n\n: still here\n\n"));
  EXPECT_THAT(all, HasSubstr("data: 3\n\n"));
}

TEST_F(HttpServerTest, NoticesThatAStreamsClientLeft) {
  const auto wakeup = NewWakeup();
  router_.Add("GET", "/events", [&](const Request&) {
    auto stream = std::make_shared<Stream>();
    stream->wakeup = wakeup;
    stream->pull = [first = true](std::string* out) mutable {
      if (std::exchange(first, false)) *out = FormatEvent("", "n", "x");
      return Pull::kIdle;
    };
    stream->on_close = [&] { closed_.Set(); };
    return EventStreamResponse(std::move(stream));
  });
  Start();
  {
    RawConnection connection(server_->port());
    connection.Write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.ReadUntil("data: x");
  }
  EXPECT_TRUE(closed_.WaitFor(std::chrono::seconds(5)));
}

TEST_F(HttpServerTest, DisconnectsAStreamsClientThatTakesNothing) {
  router_.Add("GET", "/events", [&](const Request&) {
    return Counting(NewWakeup(), 0, 1 << 30, [&] { closed_.Set(); });
  });
  Start({.write_timeout = std::chrono::milliseconds(200)});
  RawConnection connection(server_->port());
  connection.Write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(closed_.WaitFor(std::chrono::seconds(20)));
}

TEST_F(HttpServerTest, StopsWhileAStreamAndARequestAreUnderWay) {
  router_.Add("GET", "/events", [&](const Request&) {
    auto stream = std::make_shared<Stream>();
    stream->wakeup = NewWakeup();
    stream->pull = [&](std::string*) {
      entered_.Set();
      return Pull::kIdle;
    };
    stream->on_close = [&] { closed_.Set(); };
    return EventStreamResponse(std::move(stream));
  });
  Start();
  RawConnection connection(server_->port());
  connection.Write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(entered_.WaitFor(std::chrono::seconds(5)));
  server_->Stop(std::chrono::seconds(5));
  EXPECT_TRUE(closed_.WaitFor(std::chrono::seconds(1)));
}

TEST_F(HttpServerTest, HoldsAThousandConnections) {
  router_.Add("GET", "/a", [](const Request&) { return TextResponse(200, "a"); });
  Start();
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 1000; ++i) {
    connections.push_back(std::make_unique<RawConnection>(server_->port()));
  }
  for (int round = 0; round < 2; ++round) {
    for (auto& connection : connections) {
      connection->Write("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    for (auto& connection : connections) connection->ReadUntil("\r\n\r\na");
  }
}

TEST_F(HttpServerTest, RefusesConnectionsOverTheLimit) {
  router_.Add("GET", "/a", [](const Request&) { return TextResponse(200, "a"); });
  Start({.max_connections = 1});
  RawConnection first(server_->port());
  first.Write("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  first.ReadUntil("\r\n\r\na");
  EXPECT_THAT(Raw("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
}

TEST(HttpClient, SaysWhomItCannotReach) {
  HttpClient client;
  const auto refused = client.Send({.url = "http://127.0.0.1:1/x"});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.status().message()),
              StartsWith("cannot reach http://127.0.0.1:1/x: "));
  EXPECT_EQ(client.Send({.url = "file:///etc/passwd"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace regatta::net
