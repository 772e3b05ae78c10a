#include "server/owner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>

#include "base/file.h"

namespace regatta::server {
namespace {

using ::testing::HasSubstr;

class OwnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/regatta-owner-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    home_ = folder_ + "/state";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
  std::string home_;
};

TEST_F(OwnerTest, SecondOwnerIsToldWhoTheFirstIs) {
  auto first = Owner::Acquire(home_);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE((*first)->Announce("http://127.0.0.1:4711").ok());
  const auto second = Owner::Acquire(home_);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("http://127.0.0.1:4711"));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(std::to_string(::getpid())));
  const auto found = FindOwner(home_);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->address, "http://127.0.0.1:4711");
  EXPECT_EQ((*found)->pid, ::getpid());
}

TEST_F(OwnerTest, NobodyOwnsADirectoryThatWasGivenUpOrNeverMade) {
  EXPECT_FALSE(FindOwner(home_)->has_value());
  {
    auto owner = Owner::Acquire(home_);
    ASSERT_TRUE(owner.ok());
    ASSERT_TRUE((*owner)->Announce("http://127.0.0.1:1").ok());
  }
  EXPECT_FALSE(FindOwner(home_)->has_value());
  EXPECT_TRUE(Owner::Acquire(home_).ok());
}

TEST_F(OwnerTest, EndpointOfAKilledOwnerIsStale) {
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto owner = Owner::Acquire(home_);
    if (!owner.ok() || !(*owner)->Announce("http://127.0.0.1:9").ok()) ::_exit(1);
    if (::write(pipes[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(pipes[0], &byte, 1), 1);
  EXPECT_TRUE(FindOwner(home_)->has_value());
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(std::filesystem::exists(home_ + "/endpoint.json"));
  EXPECT_FALSE(FindOwner(home_)->has_value());
  EXPECT_TRUE(Owner::Acquire(home_).ok());
}

TEST_F(OwnerTest, WhoLooksDuringTheStartWaitsForTheAddress) {
  auto owner = Owner::Acquire(home_);
  ASSERT_TRUE(owner.ok());
  auto found = std::async(std::launch::async, [&] { return FindOwner(home_); });
  ASSERT_TRUE((*owner)->Announce("http://127.0.0.1:2").ok());
  const auto endpoint = found.get();
  ASSERT_TRUE(endpoint.ok() && endpoint->has_value());
  EXPECT_EQ((*endpoint)->address, "http://127.0.0.1:2");
}

TEST_F(OwnerTest, WhoLooksDuringTheEndWaitsUntilItIsOver) {
  auto owner = *Owner::Acquire(home_);
  ASSERT_TRUE(owner->Announce("http://127.0.0.1:3").ok());
  owner->Retire();
  std::atomic<bool> gone = false;
  auto found = std::async(std::launch::async, [&] {
    auto endpoint = FindOwner(home_);
    return std::make_pair(std::move(endpoint), gone.load());
  });
  auto next = std::async(std::launch::async, [&] {
    auto acquired = Owner::Acquire(home_);
    return std::make_pair(acquired.ok() && (*acquired)->Announce("http://127.0.0.1:4").ok(),
                          gone.load());
  });
  gone = true;
  owner.reset();
  const auto [endpoint, after_the_end] = found.get();
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_TRUE(!endpoint->has_value() || (*endpoint)->address == "http://127.0.0.1:4");
  EXPECT_TRUE(after_the_end);
  EXPECT_EQ(next.get(), std::make_pair(true, true));
}

TEST_F(OwnerTest, PassingOwnerSaysSo) {
  auto owner = *Owner::Acquire(home_);
  ASSERT_TRUE(owner->Announce("http://127.0.0.1:5", /*passing=*/true).ok());
  EXPECT_TRUE((**FindOwner(home_)).passing);
}

TEST_F(OwnerTest, TokenStaysTheSameAndIsPrivate) {
  std::string token;
  {
    auto owner = Owner::Acquire(home_);
    token = (*owner)->token();
    EXPECT_EQ(token.size(), 64u);
  }
  struct stat info = {};
  ASSERT_EQ(::stat((home_ + "/token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(*ReadToken(home_), token);
  EXPECT_EQ((*Owner::Acquire(home_))->token(), token);
  ASSERT_EQ(::chmod((home_ + "/token").c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(Owner::Acquire(home_).status()));
}

TEST_F(OwnerTest, NewerStateIsRefused) {
  ASSERT_TRUE(base::MakeFolders(home_).ok());
  ASSERT_TRUE(base::WriteFileDurably(home_ + "/VERSION", "2\n").ok());
  const auto owner = Owner::Acquire(home_);
  EXPECT_TRUE(absl::IsFailedPrecondition(owner.status()));
  EXPECT_THAT(std::string(owner.status().message()), HasSubstr("newer Regatta"));
}

TEST_F(OwnerTest, DirectoryThatCannotBeMadeIsNamedWithAWayOut) {
  ASSERT_TRUE(base::WriteFileDurably(folder_ + "/file", "x").ok());
  const auto owner = Owner::Acquire(folder_ + "/file/state");
  ASSERT_FALSE(owner.ok());
  EXPECT_THAT(std::string(owner.status().message()), HasSubstr(folder_ + "/file/state"));
  EXPECT_THAT(std::string(owner.status().message()), HasSubstr("--home"));
}

}  // namespace
}  // namespace regatta::server
