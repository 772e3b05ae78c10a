// One rank of a test job, linked with libeccl.so as a user's program is. The parent test reads its
// lines: "id <hex>" from rank 0, "ready", "ok <transport>" or "error <code> <text>".
//   eccl_test_rank <rank> <size> check|loop|nap|hosts|squeeze
//   with the id in ECCL_TEST_ID, but for rank 0

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "regatta/eccl.h"

namespace {

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

int Fail(ecclResult_t result) {
  Say("error " + std::to_string(result) + " " + ecclGetLastError(nullptr));
  return 1;
}

int Check(ecclComm_t comm, int rank, int size) {
  for (const std::size_t count : {1, 1000, 500'001}) {
    std::vector<float> data(count, static_cast<float>(rank + 1));
    const ecclResult_t result =
        ecclAllReduce(data.data(), data.data(), count, ecclFloat32, ecclSum, comm);
    if (result != ecclSuccess) return Fail(result);
    const int expected = size * (size + 1) / 2;
    for (const float value : data) {
      if (value != static_cast<float>(expected)) {
        Say("error 0 wrong sum");
        return 1;
      }
    }
  }
  ecclOpInfo_t info;
  ecclCommGetLastOp(comm, &info);
  Say(std::string("ok ") + info.transport);
  const ecclResult_t left = ecclCommDestroy(comm);
  return left == ecclSuccess ? 0 : Fail(left);
}

// All-reduces until something happens.
int Loop(ecclComm_t comm) {
  std::vector<float> data(100'000, 1);
  bool told = false;
  for (;;) {
    const ecclResult_t result =
        ecclAllReduce(data.data(), data.data(), data.size(), ecclFloat32, ecclMax, comm);
    if (result != ecclSuccess) return Fail(result);
    if (!told) Say("ready");
    told = true;
  }
}

ecclCompressor_t MakeCompressor(ecclWireFormat_t format, bool inside_hosts) {
  ecclCompressorConfig_t config = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
  config.format = format;
  config.inside_hosts = inside_hosts ? 1 : 0;
  ecclCompressor_t compressor = nullptr;
  ecclCompressorCreate(&compressor, &config);
  return compressor;
}

float Value(int rank, std::size_t i) {
  return static_cast<float>((i * 37 + static_cast<std::size_t>(rank) * 11) % 101) / 50 - 1;
}

// Constant values, compressed between two hosts on which ranks alternate, come to their mean. Says
// "algorithm bytes digest": what was sent by this rank in one call, and of the last results.
int CheckHosts(ecclComm_t comm, int rank, int size, ecclWireFormat_t format) {
  constexpr std::size_t kCount = 100'003;
  constexpr int kSteps = 50;
  const ecclCompressor_t compressor = MakeCompressor(format, false);
  std::vector<float> in(kCount), out(kCount), total(kCount);
  for (std::size_t i = 0; i < kCount; ++i) in[i] = Value(rank, i);
  for (int step = 0; step < kSteps; ++step) {
    const ecclResult_t result = ecclAllReduceCompressed(in.data(), out.data(), kCount, ecclFloat32,
                                                        ecclAvg, compressor, comm);
    if (result != ecclSuccess) return Fail(result);
    for (std::size_t i = 0; i < kCount; ++i) total[i] += out[i];
  }
  std::uint32_t digest = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    float mean = 0;
    for (int r = 0; r < size; ++r) mean += Value(r, i) / static_cast<float>(size);
    // int8's step is below 2 * 2 / 127.
    if (std::fabs(total[i] / kSteps - mean) > 0.032f / kSteps + 1e-5f) {
      Say("error 0 wrong mean");
      return 1;
    }
    std::uint32_t bits;
    std::memcpy(&bits, &out[i], sizeof(bits));
    digest = digest * 31 + bits;
  }
  ecclOpInfo_t info;
  ecclCompressorInfo_t state;
  ecclCommGetLastOp(comm, &info);
  ecclCompressorGetInfo(compressor, &state);
  ecclCompressorDestroy(compressor);
  Say(std::string(info.algorithm) + " " + std::to_string(state.sent_bytes) + " " +
      std::to_string(digest));
  return 0;
}

// Compressed all-reduces until something happens.
int Squeeze(ecclComm_t comm) {
  const ecclCompressor_t compressor = MakeCompressor(ecclWireInt8, true);
  std::vector<float> data(1'000'000, 1);
  bool told = false;
  for (;;) {
    const ecclResult_t result = ecclAllReduceCompressed(data.data(), data.data(), data.size(),
                                                        ecclFloat32, ecclAvg, compressor, comm);
    if (result != ecclSuccess) return Fail(result);
    if (!told) Say("ready");
    told = true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int rank = std::atoi(argv[1]);
  const int size = std::atoi(argv[2]);
  ecclUniqueId id{};
  if (rank == 0) {
    const ecclResult_t made = ecclGetUniqueId(&id);
    if (made != ecclSuccess) return Fail(made);
    std::string hex;
    for (const char c : id.internal) {
      char two[3];
      std::snprintf(two, sizeof(two), "%02x", static_cast<unsigned char>(c));
      hex += two;
    }
    Say("id " + hex);
  } else {
    const char* given = std::getenv("ECCL_TEST_ID");
    const std::string hex = given == nullptr ? "" : given;
    if (hex.size() != 2 * sizeof(id.internal)) return 2;
    for (std::size_t i = 0; i < sizeof(id.internal); ++i) {
      id.internal[i] = static_cast<char>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
    }
  }
  const std::string mode = argv[3];
  if (mode == "hosts") setenv("ECCL_HOST_ID", std::to_string(rank % 2).c_str(), 1);
  ecclComm_t comm = nullptr;
  const ecclResult_t joined = ecclCommInitRank(&comm, size, id, rank);
  if (joined != ecclSuccess) return Fail(joined);
  if (mode == "check") return Check(comm, rank, size);
  if (mode == "loop") return Loop(comm);
  if (mode == "squeeze") return Squeeze(comm);
  if (mode == "hosts") {
    for (const ecclWireFormat_t format : {ecclWireFloat16, ecclWireBfloat16, ecclWireInt8}) {
      if (CheckHosts(comm, rank, size, format) != 0) return 1;
    }
    return ecclCommDestroy(comm) == ecclSuccess ? 0 : 1;
  }
  // nap: takes part in nothing, until a signal comes.
  Say("ready");
  pause();
  return 0;
}
