// What is PostgreSQL's own: a server that goes away and comes back. Runs with contract_test.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "store/store.h"
#include "store/testing/backend.h"
#include "store/testing/postgres_server.h"

namespace regatta::store {
namespace {

using ::testing::HasSubstr;
using testing::PostgresServer;

// Started for the first test, stopped after the last.
std::unique_ptr<PostgresServer> shared_server;

PostgresServer& SharedServer() {
  if (shared_server == nullptr) {
    auto server = PostgresServer::Create();
    if (!server.ok()) {
      std::fprintf(stderr, "these tests need a real PostgreSQL: %s\n",
                   server.status().ToString().c_str());
      std::exit(1);
    }
    shared_server = *std::move(server);
  }
  return *shared_server;
}

class StopServerAtEnd : public ::testing::Environment {
 public:
  void TearDown() override { shared_server.reset(); }
};

const ::testing::Environment* const kStopServer =
    ::testing::AddGlobalTestEnvironment(new StopServerAtEnd);

Schema NotesSchema() {
  return {"notes", {{1, "notes", {"CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT)"}}}};
}

TEST(PostgresStore, SurvivesARestartOfTheServer) {
  PostgresServer& server = SharedServer();
  auto store = Store::Open({.url = testing::NewDatabaseUrl()}, {NotesSchema()});
  ASSERT_TRUE(store.ok()) << store.status();
  {
    auto transaction = (*store)->Begin();
    ASSERT_TRUE(transaction->Execute("INSERT INTO notes (id) VALUES (?)", {1}).ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  ASSERT_TRUE((*store)->Read("SELECT COUNT(*) FROM notes").ok());
  {
    auto transaction = (*store)->Begin();
    ASSERT_TRUE(transaction->Execute("INSERT INTO notes (id) VALUES (?)", {2}).ok());
    ASSERT_TRUE(server.Stop().ok());
    const absl::Status lost = transaction->Commit();
    EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable) << lost;
  }
  EXPECT_EQ((*store)->Begin().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ((*store)->Read("SELECT COUNT(*) FROM notes").status().code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE(server.Start().ok());
  auto rows = (*store)->Read("SELECT COUNT(*) FROM notes");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ((*rows)[0].Int(0), 1);
  auto transaction = (*store)->Begin();
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  ASSERT_TRUE(transaction->Execute("INSERT INTO notes (id) VALUES (?)", {2}).ok());
  EXPECT_TRUE(transaction->Commit().ok());
}

TEST(PostgresStore, BeginReconnectsWithoutAnErrorAfterARestart) {
  PostgresServer& server = SharedServer();
  auto store = Store::Open({.url = testing::NewDatabaseUrl()}, {NotesSchema()});
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Read("SELECT COUNT(*) FROM notes").ok());
  ASSERT_TRUE(server.Stop().ok());
  ASSERT_TRUE(server.Start().ok());
  auto rows = (*store)->Read("SELECT COUNT(*) FROM notes");
  EXPECT_TRUE(rows.ok()) << rows.status();
  auto transaction = (*store)->Begin();
  EXPECT_TRUE(transaction.ok()) << transaction.status();
}

TEST(PostgresStore, SaysWhatItCannotReach) {
  const auto nobody = Store::Open({.url = "postgresql://me:hush@127.0.0.1:1/regatta"}, {});
  EXPECT_EQ(nobody.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(nobody.status().message(),
              HasSubstr("cannot reach PostgreSQL at 127.0.0.1:1/regatta"));
  EXPECT_THAT(nobody.status().message(), Not(HasSubstr("hush")));
  std::string url = testing::NewDatabaseUrl();
  url.replace(url.find("/test"), 5, "/nope");
  const auto missing = Store::Open({.url = url}, {});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound) << missing.status();
}

}  // namespace

namespace testing {

std::string NewDatabaseUrl() {
  auto url = SharedServer().NewDatabase();
  if (!url.ok()) {
    std::fprintf(stderr, "%s\n", url.status().ToString().c_str());
    std::exit(1);
  }
  return *url;
}

}  // namespace testing
}  // namespace regatta::store
