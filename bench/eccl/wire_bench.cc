// All-reduce of float32 in each wire format, in turn, in place; one JSON line a size and format on
// rank 0, results checked. One rank; RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say which.
//
//   eccl_wire_bench SIZE[,SIZE...] ROUNDS

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "regatta/eccl.h"

namespace {

struct Wire {
  const char* name;
  ecclWireFormat_t format;  // of the first, which is exact: not used
};
constexpr Wire kWires[] = {{"float32", ecclWireBfloat16},  // exact
                           {"bfloat16", ecclWireBfloat16},
                           {"float16", ecclWireFloat16},
                           {"int8", ecclWireInt8}};

void Check(ecclResult_t result, const char* what) {
  if (result == ecclSuccess) return;
  std::fprintf(stderr, "eccl_wire_bench: %s: %s\n", what, ecclGetLastError(nullptr));
  std::_Exit(1);
}

ecclCompressor_t MakeCompressor(const Wire& wire) {
  ecclCompressorConfig_t config = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
  config.format = wire.format;
  ecclCompressor_t compressor = nullptr;
  Check(ecclCompressorCreate(&compressor, &config), "compressor");
  return compressor;
}

class Bench {
 public:
  Bench(ecclComm_t comm, int rank, int ranks) : comm_(comm), rank_(rank), ranks_(ranks) {}

  void Run(std::size_t bytes, int rounds) {
    std::map<std::string, std::vector<double>> times;
    std::vector<ecclCompressor_t> compressors;
    for (const Wire& wire : kWires) compressors.push_back(MakeCompressor(wire));
    data_.resize(bytes / sizeof(float));
    for (int round = -1; round < rounds; ++round) {
      for (std::size_t i = 0; i < std::size(kWires); ++i) {
        const double took = Once(i == 0 ? nullptr : compressors[i], kWires[i].name);
        if (round >= 0) times[kWires[i].name].push_back(took);
      }
    }
    for (ecclCompressor_t compressor : compressors) {
      Check(ecclCompressorDestroy(compressor), "destroy");
    }
    for (auto& [name, values] : times) {
      std::sort(values.begin(), values.end());
      if (rank_ != 0) continue;
      std::printf(
          "{\"bytes\": %zu, \"wire\": \"%s\", \"median_us\": %.1f, \"min_us\": %.1f, "
          "\"algorithm\": \"%s\"}\n",
          bytes, name.c_str(), values[values.size() / 2], values[0], algorithms_[name].c_str());
      std::fflush(stdout);
    }
  }

 private:
  // Microseconds of one all-reduce.
  double Once(ecclCompressor_t compressor, const char* name) {
    for (std::size_t i = 0; i < data_.size(); ++i) data_[i] = Value(i, rank_);
    Check(ecclBarrier(comm_), "barrier");
    const auto start = std::chrono::steady_clock::now();
    const ecclResult_t result =
        compressor == nullptr
            ? ecclAllReduce(data_.data(), data_.data(), data_.size(), ecclFloat32, ecclAvg, comm_)
            : ecclAllReduceCompressed(data_.data(), data_.data(), data_.size(), ecclFloat32,
                                      ecclAvg, compressor, comm_);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    Check(result, name);
    ecclOpInfo_t info;
    Check(ecclCommGetLastOp(comm_, &info), "last operation");
    algorithms_[name] = info.algorithm;
    Verify(name);
    return took.count();
  }

  // From -1 to 1, another one on each rank.
  static float Value(std::size_t i, int rank) {
    return static_cast<float>((i * 37 + static_cast<std::size_t>(rank) * 101) % 2001) / 1000 - 1;
  }

  void Verify(const char* name) const {
    // Two roundings of int8, which has the coarsest steps, with what earlier calls owe.
    constexpr float kBound = 0.02f;
    for (std::size_t i = 0; i < data_.size(); ++i) {
      float mean = 0;
      for (int rank = 0; rank < ranks_; ++rank) mean += Value(i, rank);
      mean /= static_cast<float>(ranks_);
      if (std::fabs(data_[i] - mean) <= kBound) continue;
      std::fprintf(stderr, "eccl_wire_bench: %s: element %zu is %g instead of %g\n", name, i,
                   double{data_[i]}, double{mean});
      std::_Exit(1);
    }
  }

  ecclComm_t comm_;
  int rank_;
  int ranks_;
  std::vector<float> data_;
  std::map<std::string, std::string> algorithms_;
};

}  // namespace

int main(int argc, char** argv) {
  const char* rank = std::getenv("RANK");
  const char* size = std::getenv("WORLD_SIZE");
  const int rounds = argc == 3 ? std::atoi(argv[2]) : 0;
  if (rank == nullptr || size == nullptr || rounds < 1) {
    std::fputs(
        "usage: eccl_wire_bench SIZE[,SIZE...] ROUNDS   with RANK, WORLD_SIZE, MASTER_ADDR, "
        "MASTER_PORT\n",
        stderr);
    return 2;
  }
  ecclUniqueId id;
  Check(ecclUniqueIdFromEnvironment(&id), "meeting place");
  ecclComm_t comm = nullptr;
  Check(ecclCommInitRank(&comm, std::atoi(size), id, std::atoi(rank)), "join");
  Bench bench(comm, std::atoi(rank), std::atoi(size));
  for (const char* at = argv[1]; *at != '\0';) {
    char* end = nullptr;
    bench.Run(std::strtoull(at, &end, 10), rounds);
    at = *end == ',' ? end + 1 : end;
  }
  Check(ecclCommDestroy(comm), "leave");
  return 0;
}
