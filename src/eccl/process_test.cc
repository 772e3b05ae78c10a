// Real processes, linked with libeccl.so: both wires, and what the others see when one is killed or
// stopped.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace regatta::eccl {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

class Rank {
 public:
  Rank(int rank, int size, const std::string& mode, const std::string& id,
       const std::vector<std::string>& environment) {
    int pipe_fds[2];
    EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    const std::string program = std::string(REGATTA_BINARY_DIR) + "/src/eccl/eccl_test_rank";
    const std::string number = std::to_string(rank);
    const std::string ranks = std::to_string(size);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(pipe_fds[1], 1);
      setenv("ECCL_TEST_ID", id.c_str(), 1);
      for (const std::string& pair : environment) putenv(const_cast<char*>(pair.c_str()));
      execl(program.c_str(), "eccl_test_rank", number.c_str(), ranks.c_str(), mode.c_str(),
            nullptr);
      _exit(127);
    }
    close(pipe_fds[1]);
    out_ = fdopen(pipe_fds[0], "r");
  }
  ~Rank() {
    if (pid_ > 0) {
      Signal(SIGKILL);
      Wait();
    }
    fclose(out_);
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  // The next line, "" at the end.
  std::string Line() {
    char* line = nullptr;
    std::size_t room = 0;
    const ssize_t size = getline(&line, &room, out_);
    std::string text = size > 0 ? std::string(line, static_cast<std::size_t>(size) - 1) : "";
    free(line);
    return text;
  }
  void Signal(int signal) const { kill(pid_, signal); }
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
  FILE* out_;
};

using Job = std::vector<std::unique_ptr<Rank>>;

Job Start(int size, const std::vector<std::string>& modes,
          const std::vector<std::string>& environment) {
  Job job;
  job.reserve(static_cast<std::size_t>(size));
  std::string id;
  for (int rank = 0; rank < size; ++rank) {
    const std::string& mode =
        modes[std::min<std::size_t>(static_cast<std::size_t>(rank), modes.size() - 1)];
    job.push_back(std::make_unique<Rank>(rank, size, mode, id, environment));
    if (rank == 0) {
      const std::string line = job[0]->Line();
      EXPECT_THAT(line, StartsWith("id "));
      if (line.size() > 3) id = line.substr(3);
    }
  }
  return job;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Files that a library could have left: ours would be named after it.
int FilesInShm() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    count += entry.path().filename().string().find("eccl") != std::string::npos ? 1 : 0;
  }
  return count;
}

class Processes : public testing::TestWithParam<std::string> {
 protected:
  std::vector<std::string> Environment(std::vector<std::string> more = {}) const {
    more.push_back("ECCL_TRANSPORT=" + GetParam());
    return more;
  }
};

TEST_P(Processes, SumOverTwoAndFour) {
  for (const int size : {2, 4}) {
    Job job = Start(size, {"check"}, Environment());
    for (auto& rank : job) {
      EXPECT_EQ(rank->Line(), "ok " + GetParam());
      EXPECT_EQ(rank->Wait(), 0);
    }
  }
}

// Four ranks, alternating between two hosts: each compresses one half of the tensor, and sends half
// of that twice, so 1/2 of the elements in all.
TEST(ProcessHosts, CompressionBetweenHostsIsHierarchical) {
  constexpr int kElements = 100'003 / 2;
  Job job = Start(4, {"hosts"}, {});
  for (const auto& [format, bytes] :
       {std::pair("float16", 2.0), std::pair("bfloat16", 2.0), std::pair("int8", 1 + 4.0 / 256)}) {
    std::string digest;
    for (auto& rank : job) {
      const std::string line = rank->Line();
      std::istringstream words(line);
      std::string name, algorithm, own;
      double sent = 0;
      words >> name >> algorithm >> sent >> own;
      EXPECT_EQ(name + " " + algorithm, std::string(format) + " hierarchical") << line;
      EXPECT_NEAR(sent, bytes * kElements, 50) << line;
      if (digest.empty()) digest = own;
      EXPECT_EQ(own, digest) << "all ranks have the same bits";
    }
  }
  for (auto& rank : job) EXPECT_EQ(rank->Wait(), 0);
}

void ExpectDeathIsNamed(int size, int victim, const std::vector<std::string>& environment,
                        const char* mode = "loop",
                        const char* call = "allreduce #[0-9]+ \\(float32 x 100000, max\\)") {
  Job job = Start(size, {mode}, environment);
  for (auto& rank : job) ASSERT_EQ(rank->Line(), "ready");
  auto& dead = *job[static_cast<std::size_t>(victim)];
  const std::string pid = std::to_string(dead.pid());
  const auto start = std::chrono::steady_clock::now();
  dead.Signal(SIGKILL);
  for (int rank = 0; rank < size; ++rank) {
    if (rank == victim) continue;
    const std::string line = job[static_cast<std::size_t>(rank)]->Line();
    EXPECT_THAT(line, StartsWith("error 6 "));
    EXPECT_THAT(line, HasSubstr("rank " + std::to_string(victim) + " (host "));
    EXPECT_THAT(line, HasSubstr("pid " + pid + ")"));
    EXPECT_THAT(line, ContainsRegex(call));
    EXPECT_LT(SecondsSince(start), 2.0);
  }
}

TEST_P(Processes, AKilledRankIsNamedByEveryOtherWithinTwoSeconds) {
  const int files = FilesInShm();
  ExpectDeathIsNamed(2, 1, Environment());
  ExpectDeathIsNamed(4, 2, Environment());
  ExpectDeathIsNamed(3, 1, Environment(), "squeeze",
                     "allreduce #[0-9]+ \\(float32 x 1000000, avg, int8 in groups of 256");
  EXPECT_EQ(FilesInShm(), files);
}

TEST_P(Processes, TheDeathOfRankZeroIsNamed) { ExpectDeathIsNamed(3, 0, Environment()); }

void ExpectHangIsNamed(int size, int victim, const std::vector<std::string>& environment) {
  Job job = Start(size, {"loop"}, environment);
  for (auto& rank : job) ASSERT_EQ(rank->Line(), "ready");
  const auto start = std::chrono::steady_clock::now();
  job[static_cast<std::size_t>(victim)]->Signal(SIGSTOP);
  for (int rank = 0; rank < size; ++rank) {
    if (rank == victim) continue;
    const std::string line = job[static_cast<std::size_t>(rank)]->Line();
    EXPECT_THAT(line, StartsWith("error 8 "));
    EXPECT_THAT(line, HasSubstr("rank " + std::to_string(victim) + " (host "));
    EXPECT_THAT(line, HasSubstr("has been silent for"));
    EXPECT_LT(SecondsSince(start), 3.0);
  }
}

TEST_P(Processes, AStoppedRankIsNamedByTheTimeOut) {
  ExpectHangIsNamed(3, 1, Environment({"ECCL_TIMEOUT_MS=2000"}));
  ExpectHangIsNamed(3, 0, Environment({"ECCL_TIMEOUT_MS=2000"}));
}

TEST_P(Processes, ARankThatIsAliveButDoesNotCallIsNamedByTheTimeOut) {
  Job job = Start(3, {"loop", "loop", "nap"}, Environment({"ECCL_TIMEOUT_MS=1000"}));
  for (int rank = 0; rank < 2; ++rank) {
    const std::string line = job[static_cast<std::size_t>(rank)]->Line();
    EXPECT_THAT(line, HasSubstr("rank 2 (host "));
    EXPECT_THAT(line, HasSubstr("is alive but has not called it"));
  }
}

INSTANTIATE_TEST_SUITE_P(Wires, Processes, testing::Values("shm", "tcp"),
                         [](const auto& info) { return info.param; });

TEST(ProcessFaults, DeathBeforeAndInsideACollective) {
#ifndef REGATTA_FAULTS
  GTEST_SKIP() << "fault points are compiled out";
#endif
  for (const char* point : {"eccl.collective.enter", "eccl.collective.agreed"}) {
    Job job;
    job.push_back(std::make_unique<Rank>(0, 3, "loop", "", std::vector<std::string>{}));
    const std::string id = job[0]->Line().substr(3);
    job.push_back(std::make_unique<Rank>(1, 3, "loop", id, std::vector<std::string>{}));
    job.push_back(std::make_unique<Rank>(
        2, 3, "loop", id, std::vector<std::string>{std::string("REGATTA_FAULT=") + point}));
    for (int rank = 0; rank < 2; ++rank) {
      const std::string line = job[static_cast<std::size_t>(rank)]->Line();
      EXPECT_THAT(line, HasSubstr("rank 2 (host ")) << point;
      EXPECT_THAT(line, HasSubstr("allreduce #1 ")) << point;
    }
  }
}

}  // namespace
}  // namespace regatta::eccl
