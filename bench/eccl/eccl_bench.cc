// Collectives of libeccl; see measure.h.
//
//   eccl_bench --ranks N [...]   starts N processes of its own
//   eccl_bench [...]             is one rank; RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say
//                                which
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "regatta/eccl.h"

namespace {

using bench::Operation;

void Check(ecclResult_t result, const char* what) {
  if (result == ecclSuccess) return;
  std::fprintf(stderr, "eccl_bench: %s: %s\n", what, ecclGetLastError(nullptr));
  std::_Exit(1);
}

class Eccl : public bench::Library {
 public:
  Eccl(const ecclUniqueId& id, int ranks, int rank) : rank_(rank), ranks_(ranks) {
    Check(ecclCommInitRank(&comm_, ranks, id, rank), "join");
  }
  ~Eccl() override { Check(ecclCommDestroy(comm_), "destroy"); }
  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  void Barrier() override { Check(ecclBarrier(comm_), "barrier"); }
  void Max(std::vector<double>* values) override {
    Check(ecclCommGetLastOp(comm_, &last_), "last operation");
    Check(
        ecclAllReduce(values->data(), values->data(), values->size(), ecclFloat64, ecclMax, comm_),
        "maximum");
  }
  void Make(const bench::Call& call) override {
    const ecclDataType_t type = call.type == bench::Type::kFloat32 ? ecclFloat32 : ecclBfloat16;
    switch (call.operation) {
      case Operation::kAllReduce:
        return Check(ecclAllReduce(call.input, call.output, call.count, type, ecclSum, comm_),
                     "all-reduce");
      case Operation::kAllGather:
        return Check(ecclAllGather(call.input, call.output, call.count, type, comm_), "all-gather");
      case Operation::kReduceScatter:
        return Check(ecclReduceScatter(call.input, call.output, call.count, type, ecclSum, comm_),
                     "reduce-scatter");
      case Operation::kAllToAll:
        return Check(ecclAllToAll(call.input, call.output, call.count, type, comm_), "all-to-all");
      case Operation::kBroadcast:
        return Check(ecclBroadcast(call.input, call.output, call.count, type, 0, comm_),
                     "broadcast");
    }
  }
  // Of the last call that was measured.
  std::string How() override {
    return std::string(last_.algorithm) + ", " + last_.transport + ", " + last_.reason;
  }

 private:
  ecclComm_t comm_ = nullptr;
  int rank_;
  int ranks_;
  ecclOpInfo_t last_{};
};

// The id is made before the fork: the child that becomes rank 0 has inherited its listener.
int StartRanks(int ranks, const bench::Request& request) {
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
      {
        Eccl eccl(id, ranks, rank);
        bench::MeasureAll(&eccl, request);
      }
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

}  // namespace

int main(int argc, char** argv) {
  bench::Request request;
  int ranks = 0;
  if (argc % 2 == 0) bench::Usage("eccl_bench: each flag has a value");
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--ranks") {
      ranks = std::atoi(argv[i + 1]);
      if (ranks < 1) bench::Usage("eccl_bench: --ranks wants a number above 0");
    } else if (!bench::Take(argv[i], argv[i + 1], &request)) {
      bench::Usage("eccl_bench: unknown flag (it has --ranks N besides these)");
    }
  }
  if (ranks > 0) return StartRanks(ranks, request);
  const char* rank = std::getenv("RANK");
  const char* size = std::getenv("WORLD_SIZE");
  if (rank == nullptr || size == nullptr) {
    bench::Usage("eccl_bench: --ranks N, or RANK and WORLD_SIZE in the environment");
  }
  ecclUniqueId id;
  Check(ecclUniqueIdFromEnvironment(&id), "meeting place");
  Eccl eccl(id, std::atoi(size), std::atoi(rank));
  bench::MeasureAll(&eccl, request);
  return 0;
}
