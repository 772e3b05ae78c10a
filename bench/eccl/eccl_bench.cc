// All-reduce of float32 over libeccl, in place; one JSON line a size on rank 0, sums checked.
//
//   eccl_bench --ranks N [--bytes LIST] [--rounds R]   starts N processes of its own
//   eccl_bench LIST SECONDS                            is one rank; RANK, WORLD_SIZE, MASTER_ADDR
//   and
//                                                      MASTER_PORT say which (as its peers do)
//
// LIST is sizes in bytes, separated by commas (default 8 B to 256 MiB). Without --rounds each size
// is repeated for about a second.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "regatta/eccl.h"

namespace {

struct Plan {
  std::vector<std::size_t> sizes;
  int rounds = 0;  // 0: as many as fit into the budget
  double seconds = 1.0;
};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "eccl_bench: %s: %s\n", what, ecclGetLastError(nullptr));
  std::_Exit(1);
}

void Check(ecclResult_t result, const char* what) {
  if (result != ecclSuccess) Fail(what);
}

std::vector<double> Measure(ecclComm_t comm, std::vector<float>* data, int rank, int rounds) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    std::fill(data->begin(), data->end(), static_cast<float>(rank + 1));
    Check(ecclBarrier(comm), "barrier");
    const auto start = std::chrono::steady_clock::now();
    Check(ecclAllReduce(data->data(), data->data(), data->size(), ecclFloat32, ecclSum, comm),
          "allreduce");
    times.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

void Run(ecclComm_t comm, int rank, int ranks, const Plan& plan) {
  for (const std::size_t bytes : plan.sizes) {
    std::vector<float> data(std::max<std::size_t>(bytes / sizeof(float), 1));
    const std::vector<double> warm = Measure(comm, &data, rank, 3);
    constexpr double kMost = 1000;
    std::int32_t rounds = plan.rounds;
    if (rounds == 0) {
      const double fit = plan.seconds * 1e6 / std::max(warm[1], 1.0);
      rounds = static_cast<std::int32_t>(std::clamp(fit, 5.0, kMost));
    }
    // Rank 0 decides how often, so that all ranks call equally often.
    Check(ecclBroadcast(&rounds, &rounds, 1, ecclInt32, 0, comm), "broadcast");
    const std::vector<double> times = Measure(comm, &data, rank, rounds);
    ecclOpInfo_t info;
    Check(ecclCommGetLastOp(comm, &info), "last operation");
    const float expected = static_cast<float>(ranks * (ranks + 1)) / 2;
    if (std::any_of(data.begin(), data.end(), [&](float value) { return value != expected; })) {
      std::fprintf(stderr, "eccl_bench: wrong sum at %zu bytes\n", bytes);
      std::_Exit(1);
    }
    if (rank == 0) {
      std::printf(
          "{\"bytes\": %zu, \"median_us\": %.3f, \"min_us\": %.3f, \"rounds\": %d, "
          "\"algorithm\": \"%s\", \"transport\": \"%s\"}\n",
          bytes, times[times.size() / 2], times[0], rounds, info.algorithm, info.transport);
      std::fflush(stdout);
    }
  }
  Check(ecclCommDestroy(comm), "destroy");
}

// The id is made before the fork: the child that becomes rank 0 has inherited its listener.
int StartRanks(int ranks, const Plan& plan) {
  ecclUniqueId id;
  Check(ecclGetUniqueId(&id), "unique id");
  std::vector<pid_t> children;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t child = fork();
    if (child < 0) {
      std::perror("eccl_bench: fork");
      return 1;
    }
    if (child == 0) {
      ecclComm_t comm = nullptr;
      Check(ecclCommInitRank(&comm, ranks, id, rank), "join");
      Run(comm, rank, ranks, plan);
      std::_Exit(0);
    }
    children.push_back(child);
  }
  int failed = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    failed += status != 0 ? 1 : 0;
  }
  return failed == 0 ? 0 : 1;
}

std::vector<std::size_t> Sizes(const std::string& list) {
  std::vector<std::size_t> sizes;
  for (std::size_t at = 0; at < list.size();) {
    sizes.push_back(std::strtoull(list.c_str() + at, nullptr, 10));
    const std::size_t comma = list.find(',', at);
    at = comma == std::string::npos ? list.size() : comma + 1;
  }
  return sizes;
}

int Usage() {
  std::fputs(
      "usage: eccl_bench --ranks N [--bytes SIZE[,SIZE...]] [--rounds R]\n"
      "       eccl_bench SIZE[,SIZE...] SECONDS   with RANK, WORLD_SIZE, MASTER_ADDR, "
      "MASTER_PORT\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  plan.sizes = Sizes("8,1024,65536,1048576,16777216,268435456");
  if (argc == 3 && std::strncmp(argv[1], "--", 2) != 0) {
    const char* rank = std::getenv("RANK");
    const char* size = std::getenv("WORLD_SIZE");
    if (rank == nullptr || size == nullptr) return Usage();
    plan.sizes = Sizes(argv[1]);
    plan.seconds = std::atof(argv[2]);
    ecclUniqueId id;
    Check(ecclUniqueIdFromEnvironment(&id), "meeting place");
    ecclComm_t comm = nullptr;
    Check(ecclCommInitRank(&comm, std::atoi(size), id, std::atoi(rank)), "join");
    Run(comm, std::atoi(rank), std::atoi(size), plan);
    return 0;
  }
  int ranks = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--ranks") {
      ranks = std::atoi(argv[i + 1]);
    } else if (flag == "--bytes") {
      plan.sizes = Sizes(argv[i + 1]);
    } else if (flag == "--rounds") {
      plan.rounds = std::atoi(argv[i + 1]);
    } else {
      return Usage();
    }
  }
  if (ranks < 1 || argc % 2 == 0 || plan.sizes.empty() || plan.rounds < 0) return Usage();
  return StartRanks(ranks, plan);
}
