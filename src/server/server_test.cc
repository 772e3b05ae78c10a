// The API over real sockets, on a real engine and store; only processes are left out.

#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "net/http_client.h"
#include "server/auth.h"

namespace regatta::server {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kPipeline[] = "name: $0\nentry_points:\n  a: {command: 'true'}\n";

std::string Yaml(const std::string& name) {
  std::string yaml = kPipeline;
  yaml.replace(yaml.find("$0"), 2, name);
  return yaml;
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/regatta-server-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    auto store = store::Store::Open({.url = "sqlite://" + folder_ + "/regatta.db"},
                                    {ServerSchema(), flow::Engine::Schema()});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto engine = flow::Engine::Open(
        {.store = store_.get(), .folder = folder_, .make_executor = [](base::EventSink* sink) {
           return absl::StatusOr<std::unique_ptr<job::Executor>>(job::NewNoopExecutor(sink));
         }});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    listener_ = engine_->Listen([this] {
      const std::lock_guard lock(mutex_);
      ++commits_;
      committed_.notify_all();
    });
    auto server = Server::Start({.store = store_.get(),
                                 .engine = engine_.get(),
                                 .token = std::string(64, 'a'),
                                 .user = "ada"});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    server_.reset();
    if (engine_ != nullptr) engine_->Unlisten(listener_);
    engine_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  struct Answer {
    int status = 0;
    base::Json json;
    std::string message() const { return json["error"]["message"].get<std::string>(); }
  };
  Answer Call(const std::string& method, const std::string& path, const std::string& body = "",
              std::map<std::string, std::string> headers = {}) {
    net::ClientRequest request{.method = method, .url = server_->url() + path};
    request.headers = std::move(headers);
    request.headers["authorization"] = "Bearer " + std::string(64, 'a');
    if (!body.empty()) request.headers["content-type"] = "application/json";
    request.body = body;
    const auto response = net::HttpClient().Send(request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (!response.ok()) return {};
    auto json = base::ParseJson(response->body);
    return {response->status, json.ok() ? *std::move(json) : base::Json()};
  }
  Answer Create(const std::string& name, std::map<std::string, std::string> headers = {}) {
    return Call("POST", "/api/v1/runs", base::DumpJson({{"yaml", Yaml(name)}}), std::move(headers));
  }
  std::string CreateAndWait(const std::string& name) {
    const std::string id = Create(name).json["id"];
    std::unique_lock lock(mutex_);
    while (true) {
      const int seen = commits_;
      lock.unlock();
      const bool final = flow::IsFinal(engine_->GetRun(id)->state);
      lock.lock();
      if (final) return id;
      EXPECT_TRUE(
          committed_.wait_for(lock, std::chrono::seconds(30), [&] { return commits_ != seen; }));
    }
  }
  // The first events of the stream after `last_event_id`.
  std::vector<net::ServerEvent> Events(std::int64_t last_event_id, std::size_t most) {
    std::vector<net::ServerEvent> events;
    net::EventParser parser;
    net::ClientRequest request{.url = server_->url() + "/api/v1/events"};
    request.headers["authorization"] = "Bearer " + std::string(64, 'a');
    request.headers["last-event-id"] = absl::StrCat(last_event_id);
    request.on_data = [&](std::string_view bytes) {
      return parser.Feed(bytes, [&](const net::ServerEvent& event) {
        events.push_back(event);
        return events.size() < most;
      });
    };
    net::HttpClient().Send(request).status().IgnoreError();
    return events;
  }
  // What the engine does once there are more than it keeps.
  void ForgetEventsBefore(std::int64_t id) {
    auto transaction = store_->Begin();
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    ASSERT_TRUE(transaction->Execute("DELETE FROM flow_events WHERE id < ?", {id}).ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }

  std::string folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<flow::Engine> engine_;
  std::unique_ptr<Server> server_;

 private:
  std::mutex mutex_;
  std::condition_variable committed_;
  int commits_ = 0;
  std::int64_t listener_ = 0;
};

TEST_F(ServerTest, ReaderWhoIsTooLateIsToldToReadAgainAndGoesOnFromNow) {
  CreateAndWait("early");
  const std::int64_t last = engine_->LastEventId();
  ASSERT_GE(last, 3);
  ForgetEventsBefore(last);
  const auto late = Events(last - 3, 1);
  ASSERT_THAT(late, SizeIs(1));
  EXPECT_EQ(late[0].type, "reset");
  EXPECT_EQ(late[0].id, absl::StrCat(last));
  // Who has seen all but what is kept misses nothing.
  const auto in_time = Events(last - 1, 1);
  ASSERT_THAT(in_time, SizeIs(1));
  EXPECT_NE(in_time[0].type, "reset");
  EXPECT_EQ(in_time[0].id, absl::StrCat(last));
  // After the reset the stream is an ordinary one.
  const std::string id = CreateAndWait("later");
  const auto next = Events(last, 1);
  ASSERT_THAT(next, SizeIs(1));
  EXPECT_EQ(next[0].type, "run");
  EXPECT_THAT(next[0].data, HasSubstr(id));
}

TEST_F(ServerTest, PagesEndWhereTheListEnds) {
  for (const char* name : {"a", "b", "c", "d"}) CreateAndWait(name);
  const Answer whole = Call("GET", "/api/v1/runs?limit=4");
  EXPECT_THAT(whole.json["items"], SizeIs(4));
  EXPECT_FALSE(whole.json.contains("next_cursor"));
  const Answer first = Call("GET", "/api/v1/runs?limit=3&sort=name&order=asc");
  EXPECT_THAT(first.json["items"], SizeIs(3));
  EXPECT_EQ(first.json["total"], 4);
  const std::string cursor = net::PercentEncode(first.json["next_cursor"].get<std::string>());
  const Answer second = Call("GET", "/api/v1/runs?limit=3&sort=name&order=asc&cursor=" + cursor);
  ASSERT_THAT(second.json["items"], SizeIs(1));
  EXPECT_EQ(second.json["items"][0]["name"], "d");
  EXPECT_FALSE(second.json.contains("next_cursor"));
  // A cursor belongs to the order that it was made in.
  EXPECT_EQ(Call("GET", "/api/v1/runs?limit=3&cursor=" + cursor).status, 400);
  EXPECT_EQ(Call("GET", "/api/v1/runs?cursor=nonsense").status, 400);
  const Answer none = Call("GET", "/api/v1/runs?state=failed");
  EXPECT_THAT(none.json["items"], SizeIs(0));
  EXPECT_EQ(none.json["total"], 0);
  for (const char* limit : {"0", "-1", "1001", "x", ""}) {
    EXPECT_EQ(Call("GET", absl::StrCat("/api/v1/runs?limit=", limit)).status, 400) << limit;
  }
  EXPECT_EQ(Call("GET", "/api/v1/runs?limit=1000").status, 200);
}

TEST_F(ServerTest, KeyIsForOneRequestOnly) {
  const Answer first = Create("one", {{"idempotency-key", "k"}});
  ASSERT_EQ(first.status, 201);
  const Answer again = Create("one", {{"idempotency-key", "k"}});
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.json["id"], first.json["id"]);
  const Answer other = Create("two", {{"idempotency-key", "k"}});
  EXPECT_EQ(other.status, 409);
  EXPECT_THAT(other.message(), HasSubstr("\"k\" was used for another request"));
  const std::string stop =
      absl::StrCat("/api/v1/runs/", first.json["id"].get<std::string>(), "/stop");
  EXPECT_EQ(Call("POST", stop, "{}", {{"idempotency-key", "k"}}).status, 409);
  EXPECT_EQ(Call("GET", "/api/v1/runs").json["total"], 1);
}

TEST_F(ServerTest, RefusedRequestLeavesItsKeyFree) {
  const Answer bad =
      Call("POST", "/api/v1/runs", R"({"yaml": "name: x"})", {{"idempotency-key", "k"}});
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(Create("good", {{"idempotency-key", "k"}}).status, 201);
}

TEST_F(ServerTest, KeyHasALength) {
  EXPECT_EQ(Create("a", {{"idempotency-key", std::string(128, 'k')}}).status, 201);
  EXPECT_EQ(Create("a", {{"idempotency-key", std::string(129, 'k')}}).status, 400);
}

TEST_F(ServerTest, BodiesHaveLimitsOfTheirAddress) {
  const auto code = [&](std::size_t size) {
    const std::string frame = R"({"code": ""})";
    std::string body = frame;
    body.insert(frame.size() - 2, size - frame.size(), 'x');
    return Call("POST", "/api/v1/session", body).status;
  };
  EXPECT_EQ(code(140), 401);  // a code of 128 characters that nobody was given
  EXPECT_EQ(code((64 << 10) + 1), 413);
  EXPECT_EQ(Call("GET", "/api/v1/runs", "{}").status, 413);
  // 4 MiB of YAML fit however they are escaped: each of these line breaks takes six bytes.
  std::string escaped = R"({"yaml": ")";
  for (int i = 0; i < 4 << 20; ++i) escaped += "\\u000a";
  escaped += "\"}";
  EXPECT_EQ(Call("POST", "/api/v1/runs", escaped).status, 400);
  const Answer larger = Call("POST", "/api/v1/runs", std::string((26 << 20) + 1, ' '));
  EXPECT_EQ(larger.status, 413);
  EXPECT_THAT(larger.message(), HasSubstr("over the limit"));
}

}  // namespace
}  // namespace regatta::server
