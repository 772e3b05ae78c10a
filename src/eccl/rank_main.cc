// One rank of a test job, linked with libeccl.so as a user's program is. The parent test reads its
// lines: "id <hex>" from rank 0, "ready", "ok <transport>" or "error <code> <text>".
//   eccl_test_rank <rank> <size> check|loop|nap     the id in ECCL_TEST_ID, but for rank 0

#include <unistd.h>

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
  ecclComm_t comm = nullptr;
  const ecclResult_t joined = ecclCommInitRank(&comm, size, id, rank);
  if (joined != ecclSuccess) return Fail(joined);
  if (std::strcmp(argv[3], "check") == 0) return Check(comm, rank, size);
  if (std::strcmp(argv[3], "loop") == 0) return Loop(comm);
  // nap: takes part in nothing, until a signal comes.
  Say("ready");
  pause();
  return 0;
}
