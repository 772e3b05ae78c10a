// What every store promises. Linked into regatta_store_test (SQLite) and
// regatta_store_postgres_test.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "store/store.h"
#include "store/testing/backend.h"

namespace regatta::store {
namespace {

using ::testing::HasSubstr;
using testing::NewDatabaseUrl;

Schema BoatsSchema(int versions = 1) {
  Schema schema{"boats", {}};
  schema.migrations.push_back({1,
                               "boats",
                               {"CREATE TABLE boats (id BIGINT PRIMARY KEY, name TEXT NOT NULL, "
                                "speed DOUBLE PRECISION, crew BIGINT)",
                                "CREATE INDEX boats_name ON boats (name)"}});
  if (versions > 1) {
    schema.migrations.push_back({2, "harbours", {"ALTER TABLE boats ADD COLUMN harbour TEXT"}});
  }
  return schema;
}

std::unique_ptr<Store> OpenOrDie(const std::string& url, int versions = 1) {
  auto store = Store::Open({.url = url}, {BoatsSchema(versions)});
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

std::int64_t CountBoats(Store& store) {
  auto rows = store.Read("SELECT COUNT(*) FROM boats");
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() ? (*rows)[0].Int(0) : -1;
}

absl::Status AddBoat(Transaction& transaction, std::int64_t id, std::string name = "boat") {
  return transaction.Execute("INSERT INTO boats (id, name) VALUES (?, ?)", {id, std::move(name)});
}

void AddBoatOrDie(Store& store, std::int64_t id) {
  auto transaction = store.Begin();
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  ASSERT_TRUE(AddBoat(*transaction, id).ok());
  ASSERT_TRUE(transaction->Commit().ok());
}

TEST(StoreContract, KeepsEveryKindOfValueExactly) {
  auto store = OpenOrDie(NewDatabaseUrl());
  const std::int64_t big = std::numeric_limits<std::int64_t>::max();
  const std::string text = "it's \"quoted\"? :p1 -- 百舸争流\n\\x";
  auto transaction = store->Begin();
  ASSERT_TRUE(transaction.ok());
  const char* insert = "INSERT INTO boats (id, name, speed, crew) VALUES (?, ?, ?, ?)";
  ASSERT_TRUE(transaction->Execute(insert, {big, text, 0.1, 3}).ok());
  ASSERT_TRUE(transaction->Execute(insert, {1, "", kNull, kNull}).ok());
  ASSERT_TRUE(transaction->Execute(insert, {2, "x", 1e300, -big - 1}).ok());
  ASSERT_TRUE(transaction->Commit().ok());
  auto rows = store->Read("SELECT id, name, speed, crew FROM boats ORDER BY id");
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0], Row({Value(1), Value(""), kNull, kNull}));
  EXPECT_EQ((*rows)[1], Row({Value(2), Value("x"), Value(1e300), Value(-big - 1)}));
  EXPECT_EQ((*rows)[2], Row({Value(big), Value(text), Value(0.1), Value(3)}));
}

TEST(StoreContract, ExpressionsHaveTheirTypes) {
  auto store = OpenOrDie(NewDatabaseUrl());
  auto empty = store->Read("SELECT COUNT(*), MAX(id), MAX(speed) FROM boats");
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ((*empty)[0], Row({Value(0), kNull, kNull}));
  auto transaction = store->Begin();
  ASSERT_TRUE(
      transaction
          ->Execute("INSERT INTO boats (id, name, speed) VALUES (?, ?, ?)", {5, "a", 0.1 + 0.2})
          .ok());
  ASSERT_TRUE(transaction->Commit().ok());
  auto rows = store->Read("SELECT COUNT(*), MAX(id), MAX(speed), MAX(name) FROM boats");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ((*rows)[0], Row({Value(1), Value(5), Value(0.1 + 0.2), Value("a")}));
}

TEST(StoreContract, CountsTheRowsItTouched) {
  auto store = OpenOrDie(NewDatabaseUrl());
  auto transaction = store->Begin();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AddBoat(*transaction, i).ok());
  EXPECT_EQ(*transaction->ExecuteCount("UPDATE boats SET crew = ? WHERE id >= ?", {4, 1}), 2);
  EXPECT_EQ(*transaction->ExecuteCount("INSERT INTO boats (id, name) VALUES (?, ?) "
                                       "ON CONFLICT (id) DO NOTHING",
                                       {1, "again"}),
            0);
  EXPECT_EQ(*transaction->ExecuteCount("DELETE FROM boats WHERE id = ?", {77}), 0);
  auto inside = transaction->Query("SELECT crew FROM boats WHERE id = ?", {2});
  ASSERT_TRUE(inside.ok());
  EXPECT_EQ((*inside)[0].Int(0), 4);
}

TEST(StoreContract, WhatIsNotCommittedNeverHappened) {
  auto store = OpenOrDie(NewDatabaseUrl());
  {
    auto transaction = store->Begin();
    ASSERT_TRUE(AddBoat(*transaction, 1).ok());
  }
  {
    auto transaction = store->Begin();
    ASSERT_TRUE(AddBoat(*transaction, 2).ok());
    transaction->Rollback();
    EXPECT_EQ(AddBoat(*transaction, 3).code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(CountBoats(*store), 0);
}

TEST(StoreContract, AFailedTransactionCanOnlyBeRolledBack) {
  auto store = OpenOrDie(NewDatabaseUrl());
  AddBoatOrDie(*store, 1);
  {
    auto transaction = store->Begin();
    ASSERT_TRUE(AddBoat(*transaction, 2).ok());
    EXPECT_EQ(AddBoat(*transaction, 1).code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(AddBoat(*transaction, 3).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(transaction->Commit().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(CountBoats(*store), 1);
  AddBoatOrDie(*store, 4);
}

TEST(StoreContract, NamesWhatIsWrongWithAStatement) {
  auto store = OpenOrDie(NewDatabaseUrl());
  const auto error_of = [&](std::string_view sql, absl::Span<const Value> params) {
    auto transaction = store->Begin();
    EXPECT_TRUE(transaction.ok()) << transaction.status();
    return transaction->Execute(sql, params);
  };
  EXPECT_EQ(error_of("INSERT INTO boats (id, name) VALUES (?, ?)", {1, kNull}).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(error_of("INSERT INTO nothing (id) VALUES (?)", {1}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error_of("INSRT INTO boats", {}).code(), absl::StatusCode::kInvalidArgument);
  const absl::Status counts = error_of("INSERT INTO boats (id, name) VALUES (?, ?)", {1});
  EXPECT_EQ(counts.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(counts.message(), HasSubstr("2 placeholders was given 1 values"));
}

TEST(StoreContract, AnErrorMessageNeverShowsTheValues) {
  auto store = OpenOrDie(NewDatabaseUrl());
  AddBoatOrDie(*store, 1);
  auto transaction = store->Begin();
  const absl::Status status = AddBoat(*transaction, 1, "s3cret-value");
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(), Not(HasSubstr("s3cret-value")));
}

TEST(StoreContract, ReadersDoNotWaitForTheWriterAndSeeOnlyCommits) {
  auto store = OpenOrDie(NewDatabaseUrl());
  AddBoatOrDie(*store, 1);
  auto transaction = store->Begin();
  ASSERT_TRUE(AddBoat(*transaction, 2).ok());
  // On this very thread: a reader that waited for the writer would never return.
  EXPECT_EQ(CountBoats(*store), 1);
  ASSERT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountBoats(*store), 2);
}

TEST(StoreContract, AReaderCannotWrite) {
  auto store = OpenOrDie(NewDatabaseUrl());
  EXPECT_EQ(store->Read("INSERT INTO boats (id, name) VALUES (1, 'x')").status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CountBoats(*store), 0);
}

TEST(StoreContract, ManyThreadsReadAndWriteAtOnce) {
  auto store = OpenOrDie(NewDatabaseUrl());
  constexpr int kWriters = 4, kEach = 25;
  std::atomic<int> failures = 0;
  std::atomic<bool> done = false;
  std::vector<std::jthread> readers;
  for (int r = 0; r < 8; ++r) {
    readers.emplace_back([&] {
      std::int64_t last = 0;
      while (!done) {
        auto rows = store->Read("SELECT COUNT(*), COUNT(DISTINCT crew) FROM boats");
        // Each transaction adds two boats of one crew: a reader sees both or neither.
        if (!rows.ok() || (*rows)[0].Int(0) != 2 * (*rows)[0].Int(1) || (*rows)[0].Int(0) < last) {
          ++failures;
          return;
        }
        last = (*rows)[0].Int(0);
      }
    });
  }
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < kEach; ++i) {
          const std::int64_t crew = w * kEach + i;
          auto transaction = store->Begin();
          bool ok = transaction.ok();
          for (int boat = 0; ok && boat < 2; ++boat) {
            ok = transaction
                     ->Execute("INSERT INTO boats (id, name, crew) VALUES (?, ?, ?)",
                               {2 * crew + boat, "b", crew})
                     .ok();
          }
          if (!ok || !transaction->Commit().ok()) ++failures;
        }
      });
    }
  }
  done = true;
  readers.clear();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(CountBoats(*store), 2 * kWriters * kEach);
}

TEST(StoreContract, ASecondWriterWaitsThenSaysBusy) {
  const std::string url = NewDatabaseUrl();
  auto first = OpenOrDie(url);
  auto second =
      Store::Open({.url = url, .busy_timeout = std::chrono::milliseconds(100)}, {BoatsSchema()});
  ASSERT_TRUE(second.ok()) << second.status();
  {
    auto held = first->Begin();
    ASSERT_TRUE(held.ok());
    const auto refused = (*second)->Begin();  // another process, as the database sees it
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
    EXPECT_THAT(refused.status().message(), HasSubstr("busy"));
  }
  {
    auto held = (*second)->Begin();
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_EQ((*second)->Begin().status().code(), absl::StatusCode::kUnavailable);
  }
  AddBoatOrDie(**second, 1);
  EXPECT_EQ(CountBoats(*first), 1);
}

TEST(StoreContract, ATransactionMayMoveBetweenThreads) {
  auto store = OpenOrDie(NewDatabaseUrl());
  auto transaction = store->Begin();
  ASSERT_TRUE(AddBoat(*transaction, 1).ok());
  std::jthread([moved = *std::move(transaction)]() mutable {
    EXPECT_TRUE(AddBoat(moved, 2).ok());
    EXPECT_TRUE(moved.Commit().ok());
  }).join();
  AddBoatOrDie(*store, 3);
  EXPECT_EQ(CountBoats(*store), 3);
}

TEST(StoreContract, MigratesForwardAndKeepsTheRows) {
  const std::string url = NewDatabaseUrl();
  AddBoatOrDie(*OpenOrDie(url, 1), 1);
  auto store = OpenOrDie(url, 2);
  auto rows = store->Read("SELECT harbour FROM boats");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, std::vector<Row>{Row({kNull})});
  auto versions = store->Read("SELECT room, version, name FROM schema_versions ORDER BY version");
  ASSERT_TRUE(versions.ok());
  ASSERT_EQ(versions->size(), 2u);
  EXPECT_EQ((*versions)[1], Row({Value("boats"), Value(2), Value("harbours")}));
}

TEST(StoreContract, AnOlderProgramRefusesANewerState) {
  const std::string url = NewDatabaseUrl();
  AddBoatOrDie(*OpenOrDie(url, 2), 1);
  auto older = Store::Open({.url = url}, {BoatsSchema(1)});
  EXPECT_EQ(older.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(older.status().message(), HasSubstr("was written by a newer Regatta (room boats at "
                                                  "schema 2, this program knows 1): use that "
                                                  "version, or another --home"));
  EXPECT_EQ(CountBoats(*OpenOrDie(url, 2)), 1);
}

TEST(StoreContract, WhoOnlyLooksSeesWhatOthersStoreAndCannotWrite) {
  const std::string url = NewDatabaseUrl();
  auto owner = OpenOrDie(url);
  auto looker = Store::Open({.url = url, .look_only = true}, {BoatsSchema()});
  ASSERT_TRUE(looker.ok()) << looker.status();
  AddBoatOrDie(*owner, 1);
  EXPECT_EQ(CountBoats(**looker), 1);
  EXPECT_EQ((*looker)->Begin().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*looker)->Describe(), owner->Describe());
}

TEST(StoreContract, WhoOnlyLooksMigratesNothing) {
  const std::string url = NewDatabaseUrl();
  const auto look = [&](int versions) {
    return Store::Open({.url = url, .look_only = true}, {BoatsSchema(versions)}).status();
  };
  EXPECT_EQ(look(1).code(), absl::StatusCode::kNotFound) << look(1);
  OpenOrDie(url, 1);
  EXPECT_TRUE(look(1).ok()) << look(1);
  EXPECT_EQ(look(2).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(look(2).message(), HasSubstr("older Regatta; `regatta serve` brings it forward"));
  OpenOrDie(url, 2);
  EXPECT_THAT(look(1).message(), HasSubstr("was written by a newer Regatta"));
}

TEST(StoreContract, AMigrationThatFailsLeavesNothing) {
  const std::string url = NewDatabaseUrl();
  Schema broken = BoatsSchema();
  broken.migrations.push_back(
      {2, "broken", {"ALTER TABLE boats ADD COLUMN harbour TEXT", "CREATE TABLE (("}});
  const auto failed = Store::Open({.url = url}, {broken});
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(failed.status().message(), HasSubstr("room boats, migration 2 \"broken\""));
  EXPECT_EQ(CountBoats(*OpenOrDie(url, 2)), 0);
}

TEST(StoreContract, SeveralProgramsMayMigrateAtOnce) {
  const std::string url = NewDatabaseUrl();
  OpenOrDie(url, 1);
  std::vector<std::jthread> programs;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 6; ++i) {
    programs.emplace_back([&] {
      auto store = Store::Open({.url = url}, {BoatsSchema(2)});
      EXPECT_TRUE(store.ok()) << store.status();
      if (store.ok()) ++opened;
    });
  }
  programs.clear();
  EXPECT_EQ(opened, 6);
}

TEST(StoreContract, RefusesMigrationsOutOfOrder) {
  Schema gap{"gap", {{2, "second", {}}}};
  EXPECT_EQ(Store::Open({.url = NewDatabaseUrl()}, {gap}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The child commits boats 1, 2, 3, ..., telling of each after its commit, then stops inside a
// transaction with thousands of rows.
[[noreturn]] void WriteUntilKilled(const std::string& url, int pipe) {
  auto store = Store::Open({.url = url}, {BoatsSchema()});
  for (std::int64_t id = 1; store.ok() && id <= 20; ++id) {
    auto transaction = (*store)->Begin();
    if (!transaction.ok() || !AddBoat(*transaction, id).ok() || !transaction->Commit().ok()) break;
    if (write(pipe, "c", 1) != 1) _exit(1);
  }
  auto transaction = (*store)->Begin();
  for (std::int64_t id = 1000; id < 6000; ++id) {
    if (!AddBoat(*transaction, id).ok()) _exit(1);
  }
  if (write(pipe, "t", 1) != 1) _exit(1);
  for (;;) pause();
}

TEST(StoreContract, AKilledWriterLosesNothingAcknowledgedAndLeavesNothingElse) {
  const std::string url = NewDatabaseUrl();
  OpenOrDie(url);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(pipe_ends[0]);
    WriteUntilKilled(url, pipe_ends[1]);
  }
  close(pipe_ends[1]);
  int acknowledged = 0;
  char c = 0;
  while (read(pipe_ends[0], &c, 1) == 1 && c == 'c') ++acknowledged;
  close(pipe_ends[0]);
  EXPECT_EQ(c, 't') << "the child failed before its last transaction";
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  auto store = OpenOrDie(url);
  EXPECT_EQ(acknowledged, 20);
  EXPECT_EQ(CountBoats(*store), acknowledged);
  AddBoatOrDie(*store, 1000);
}

TEST(StoreContract, DescribesItself) {
  auto store = OpenOrDie(NewDatabaseUrl());
  EXPECT_THAT(store->Describe(), ::testing::ContainsRegex("^(SQLite|PostgreSQL) [0-9]+\\..* at "));
}

}  // namespace
}  // namespace regatta::store
