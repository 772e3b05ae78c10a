// What can be learnt about a communicator from outside, and after its end.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "eccl/call_log.h"
#include "eccl/status_server.h"
#include "eccl/testing/ranks.h"

namespace regatta::eccl {
namespace {

using base::Json;

TEST(CallLog, KeepsTheLatestCallsWithTheirSites) {
  CallLog log;
  EXPECT_EQ(log.Last().call.sequence, 0u);
  constexpr std::uint64_t kMany = CallLog::kCalls * 2 + 7;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    SetCallSite(i % 2 == 0 ? ("even " + std::to_string(i)).c_str() : nullptr);
    log.Begin({.kind = OpKind::kAllReduce, .count = i, .sequence = i});
    if (i < kMany) log.End("ring");
  }
  SetCallSite(nullptr);
  const auto calls = log.Latest(1000);
  ASSERT_EQ(calls.size(), CallLog::kCalls);
  EXPECT_EQ(calls[0].call.sequence, kMany);
  EXPECT_EQ(calls[0].algorithm, nullptr) << "it is not over";
  EXPECT_EQ(calls[0].site, "");
  EXPECT_EQ(calls[1].site, "even " + std::to_string(kMany - 1));
  EXPECT_STREQ(calls[1].algorithm, "ring");
  EXPECT_EQ(calls.back().call.sequence, kMany - CallLog::kCalls + 1);
  EXPECT_EQ(log.Last().call.sequence, kMany);
}

TEST(CallLog, CutsLongSitesAtTheFront) {
  SetCallSite((std::string(100, 'x') + "/train.py:12").c_str());
  EXPECT_EQ(std::string(CallSite()).size(), kCallSiteBytes - 1);
  EXPECT_TRUE(std::string(CallSite()).ends_with("/train.py:12"));
  SetCallSite(nullptr);
}

TEST(CallLog, AReaderSeesWholeCallsOnlyWhileOthersAreWritten) {
  CallLog log;
  std::atomic<bool> stop{false};
  std::jthread writer([&] {
    for (std::uint64_t i = 1; !stop; ++i) {
      SetCallSite(std::to_string(i).c_str());
      log.Begin({.kind = OpKind::kBroadcast, .root = static_cast<std::uint32_t>(i), .sequence = i});
      log.End("chain");
    }
  });
  std::uint64_t latest = 0;
  while (latest < 20'000) {
    const CallLog::Entry entry = log.Last();
    ASSERT_GE(entry.call.sequence, latest);
    latest = entry.call.sequence;
    ASSERT_EQ(entry.call.root, static_cast<std::uint32_t>(latest));
    ASSERT_EQ(entry.site, latest == 0 ? "" : std::to_string(latest));
  }
  stop = true;
}

TEST(Diagnosis, AMismatchShowsBothCallSites) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<float> data(4);
    Expect(ecclSetCallSite(rank == 0 ? "train.py:12" : "train.py:34"));
    EXPECT_EQ(
        ecclAllReduce(data.data(), data.data(), rank == 0 ? 3 : 4, ecclFloat32, ecclSum, comm),
        ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("(float32 x 3, sum) at train.py:12"), std::string::npos) << text;
    EXPECT_NE(text.find("(float32 x 4, sum) at train.py:34"), std::string::npos) << text;
  });
}

TEST(Diagnosis, StatusTellsOfARankThatWaitsAndForWhom) {
  Ranks ranks(2, "tcp");
  std::atomic<bool> go{false};
  ranks.Run([&](int rank, ecclComm_t comm) {
    std::int32_t value = rank;
    Expect(ecclBarrier(comm));
    if (rank == 0) {
      Expect(ecclSetCallSite("loop.py:7"));
      Expect(ecclAllReduce(&value, &value, 1, ecclInt32, ecclMax, comm));
      EXPECT_EQ(value, 1);
      return;
    }
    // Until rank 0 is seen asleep in its call.
    Json waiting;
    while (waiting.empty()) {
      std::vector<std::string> problems;
      auto answers = AskStatus(getpid(), &problems);
      ASSERT_TRUE(answers.ok()) << answers.status().message();
      ASSERT_EQ(answers->size(), 1u);
      const Json answer = Json::parse((*answers)[0]);
      EXPECT_EQ(answer["pid"], getpid());
      ASSERT_EQ(answer["communicators"].size(), 2u);
      for (const Json& one : answer["communicators"]) {
        EXPECT_EQ(one["state"], "ok");
        EXPECT_EQ(one["communicator"], answer["communicators"][0]["communicator"]);
        ASSERT_EQ(one["links"].size(), 1u);
        EXPECT_EQ(one["links"][0]["transport"], "tcp");
        EXPECT_GT(one["links"][0]["sent_bytes"], 0);
        if (one["rank"] == 0 && !one["waiting_for"].empty()) waiting = one;
      }
    }
    EXPECT_EQ(waiting["waiting_for"][0]["rank"], 1);
    EXPECT_EQ(waiting["waiting_for"][0]["for"], "data");
    EXPECT_EQ(waiting["calls"][0]["call"], "allreduce #2 (int32 x 1, max)");
    EXPECT_EQ(waiting["calls"][0]["site"], "loop.py:7");
    EXPECT_EQ(waiting["calls"][0]["over"], false);
    EXPECT_EQ(waiting["calls"][1]["call"], "barrier #1");
    EXPECT_EQ(waiting["calls"][1]["over"], true);
    EXPECT_EQ(waiting["ranks"].size(), 2u);
    Expect(ecclAllReduce(&value, &value, 1, ecclInt32, ecclMax, comm));
  });
}

TEST(Diagnosis, AProcessWithoutCommunicatorIsSaidSo) {
  std::vector<std::string> problems;
  const auto answers = AskStatus(1, &problems);
  ASSERT_FALSE(answers.ok());
  EXPECT_NE(answers.status().message().find("process 1 has no communicator"), std::string::npos);
}

// Returns once a process's only communicator is in the call with a number.
void WaitForCall(pid_t pid, int sequence) {
  for (;;) {
    std::vector<std::string> problems;
    const auto answers = AskStatus(pid, &problems);
    if (!answers.ok() || answers->empty()) continue;
    const Json ranks = Json::parse((*answers)[0])["communicators"];
    if (ranks.empty() || ranks[0]["calls"].empty()) continue;
    const Json call = ranks[0]["calls"][0];
    if (call["sequence"] == sequence && call["over"] == false) return;
  }
}

TEST(Diagnosis, SurvivorsLeaveAFlightRecordOfARankThatWasKilled) {
  std::string folder = std::filesystem::temp_directory_path() / "eccl-records-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string made = folder + "/made/when/needed";
  setenv("ECCL_FLIGHT_RECORDS", made.c_str(), 1);
  ecclUniqueId id;
  Expect(ecclGetUniqueId(&id));
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  std::vector<pid_t> pids;
  for (int rank = 0; rank < 3; ++rank) {
    pids.push_back(fork());
    if (pids.back() != 0) continue;
    ecclComm_t comm = nullptr;
    ecclResult_t result = ecclCommInitRank(&comm, 3, id, rank);
    for (int call = 1; result == ecclSuccess; ++call) {
      ecclSetCallSite(("step " + std::to_string(call)).c_str());
      if (call == 5 && rank == 2 && write(ready[1], "", 1) == 1) pause();
      result = ecclBarrier(comm);
    }
    _exit(result == ecclRemoteError ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  WaitForCall(pids[0], 5);
  WaitForCall(pids[1], 5);
  kill(pids[2], SIGKILL);
  for (int rank = 0; rank < 3; ++rank) {
    int status = 0;
    waitpid(pids[static_cast<std::size_t>(rank)], &status, 0);
    EXPECT_EQ(status, rank < 2 ? 0 : SIGKILL) << rank;
  }
  unsetenv("ECCL_FLIGHT_RECORDS");
  close(ready[0]);
  close(ready[1]);
  int records = 0;
  for (const auto& entry : std::filesystem::directory_iterator(made)) {
    const auto text = base::ReadFile(entry.path(), 1u << 20);
    ASSERT_TRUE(text.ok());
    const Json record = Json::parse(*text)["record"];
    EXPECT_EQ(record["state"], "failed");
    EXPECT_NE(record["why"].get<std::string>().find("rank 2 (host "), std::string::npos);
    EXPECT_EQ(record["ranks"][2]["gone"], true);
    EXPECT_EQ(record["calls"][0]["sequence"], 5);
    EXPECT_EQ(record["calls"][0]["site"], "step 5");
    EXPECT_EQ(record["calls"].size(), 5u);
    ++records;
  }
  EXPECT_EQ(records, 2);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace regatta::eccl
