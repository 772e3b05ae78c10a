// What libeccl adds to NCCL: all-reduces of one rank on cuda:0, through libeccl and raw, in turn.
//
//   eccl_nccl_bench [--bytes LIST] [--seconds S] [--parts]
//
// One JSON line a size: microseconds a call (medians), of libeccl, of NCCL with a wait for its
// stream, and of NCCL with an event that is polled. --parts measures calls of the driver that are
// candidates for what is added. Libraries are those that libeccl loads (REGATTA_CUDA_LIBRARY,
// ECCL_NCCL_LIBRARY), so over stand-ins that do nothing it shows libeccl's own time.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "regatta/eccl.h"

namespace {

using Seconds = std::chrono::duration<double>;

[[noreturn]] void Stop(const std::string& why) {
  std::fprintf(stderr, "eccl_nccl_bench: %s\n", why.c_str());
  std::exit(1);
}
void Check(int code, const char* call) {
  if (code != 0) Stop(std::string(call) + " gives " + std::to_string(code));
}

class Library {
 public:
  Library(const char* variable, const char* name) {
    const char* path = std::getenv(variable);
    handle_ = dlopen(path != nullptr ? path : name, RTLD_NOW);
    if (handle_ == nullptr) Stop(dlerror());
  }
  template <typename Function>
  void Load(const char* symbol, Function* into) const {
    *into = reinterpret_cast<Function>(dlsym(handle_, symbol));
    if (*into == nullptr) Stop(std::string("there is no ") + symbol);
  }

 private:
  void* handle_;
};

struct Driver {
  Driver() : library("REGATTA_CUDA_LIBRARY", "libcuda.so.1") {
    library.Load("cuInit", &init);
    library.Load("cuDevicePrimaryCtxRetain", &retain);
    library.Load("cuCtxPushCurrent_v2", &push);
    library.Load("cuCtxPopCurrent_v2", &pop);
    library.Load("cuCtxGetCurrent", &current);
    library.Load("cuMemAlloc_v2", &allocate);
    library.Load("cuMemcpyHtoD_v2", &to_device);
    library.Load("cuMemcpyDtoH_v2", &to_host);
    library.Load("cuStreamSynchronize", &synchronize);
    library.Load("cuStreamQuery", &stream_query);
    library.Load("cuEventCreate", &event_create);
    library.Load("cuEventRecord", &record);
    library.Load("cuEventQuery", &event_query);
    library.Load("cuPointerGetAttributes", &attributes);
  }
  Library library;
  int (*init)(unsigned);
  int (*retain)(void**, int);
  int (*push)(void*);
  int (*pop)(void**);
  int (*current)(void**);
  int (*allocate)(unsigned long long*, std::size_t);
  int (*to_device)(unsigned long long, const void*, std::size_t);
  int (*to_host)(void*, unsigned long long, std::size_t);
  int (*synchronize)(void*);
  int (*stream_query)(void*);
  int (*event_create)(void**, unsigned);
  int (*record)(void*, void*);
  int (*event_query)(void*);
  int (*attributes)(unsigned, int*, void**, unsigned long long);
};

struct Nccl {
  struct Id {
    char bytes[128];
  };
  Nccl() : library("ECCL_NCCL_LIBRARY", "libnccl.so.2") {
    library.Load("ncclGetUniqueId", &get_id);
    library.Load("ncclCommInitRank", &init);
    library.Load("ncclAllReduce", &all_reduce);
  }
  Library library;
  int (*get_id)(Id*);
  int (*init)(void**, int, Id, int);
  int (*all_reduce)(const void*, void*, std::size_t, int, int, void*, void*);
};

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Microseconds a call of each, in turn, in blocks of at least 20 us so that the clock does not
// count.
std::vector<double> Measure(const std::vector<std::function<void()>>& runs, double seconds) {
  using Clock = std::chrono::steady_clock;
  std::vector<int> block(runs.size(), 1);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (int warm = 0; warm < 10; ++warm) runs[i]();
    while (true) {
      const auto start = Clock::now();
      for (int n = 0; n < block[i]; ++n) runs[i]();
      if (Clock::now() - start > std::chrono::microseconds(20)) break;
      block[i] *= 2;
    }
  }
  std::vector<std::vector<double>> times(runs.size());
  const auto until = Clock::now() + Seconds(seconds);
  for (std::size_t round = 0; round == 0 || Clock::now() < until; ++round) {
    for (std::size_t turn = 0; turn < runs.size(); ++turn) {
      const std::size_t i = (turn + round) % runs.size();
      const auto start = Clock::now();
      for (int n = 0; n < block[i]; ++n) runs[i]();
      times[i].push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() /
                         block[i]);
    }
  }
  std::vector<double> medians;
  medians.reserve(times.size());
  for (auto& one : times) medians.push_back(Median(std::move(one)));
  return medians;
}

std::vector<std::size_t> Sizes(const char* list) {
  std::vector<std::size_t> sizes;
  for (char* end = nullptr; *list != '\0'; list = *end == ',' ? end + 1 : end) {
    sizes.push_back(std::strtoull(list, &end, 10));
    if (end == list || sizes.back() < 4) Stop("--bytes wants sizes of 4 or more: 8,1024");
  }
  return sizes;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> sizes = {8, 1 << 10, 64 << 10, 1 << 20, 16 << 20};
  double seconds = 1;
  bool parts = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--parts") {
      parts = true;
    } else if (name == "--bytes" && i + 1 < argc) {
      sizes = Sizes(argv[++i]);
    } else if (name == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      Stop("usage: eccl_nccl_bench [--bytes LIST] [--seconds S] [--parts]");
    }
  }
  const Driver driver;
  const Nccl nccl;
  void* context = nullptr;
  Check(driver.init(0), "cuInit");
  Check(driver.retain(&context, 0), "cuDevicePrimaryCtxRetain");
  Check(driver.push(context), "cuCtxPushCurrent");
  void* event = nullptr;
  Check(driver.event_create(&event, 2), "cuEventCreate");

  Nccl::Id id;
  void* raw = nullptr;
  Check(nccl.get_id(&id), "ncclGetUniqueId");
  Check(nccl.init(&raw, 1, id, 0), "ncclCommInitRank");
  ecclComm_t comm = nullptr;
  ecclUniqueId ours;
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.device = "cuda:0";
  Check(ecclGetUniqueId(&ours), "ecclGetUniqueId");
  Check(ecclCommInitRankConfig(&comm, 1, ours, 0, &config), "ecclCommInitRankConfig");

  const std::size_t most = *std::max_element(sizes.begin(), sizes.end());
  unsigned long long send = 0;
  unsigned long long receive = 0;
  Check(driver.allocate(&send, most), "cuMemAlloc");
  Check(driver.allocate(&receive, most), "cuMemAlloc");
  std::vector<float> values(most / 4);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000);
  const std::vector<float> zeros(values.size());
  Check(driver.to_device(send, values.data(), values.size() * 4), "cuMemcpyHtoD");
  // NOLINTBEGIN(performance-no-int-to-ptr): the driver's addresses are numbers
  const void* from = reinterpret_cast<const void*>(send);
  void* to = reinterpret_cast<void*>(receive);
  // NOLINTEND(performance-no-int-to-ptr)

  for (const std::size_t bytes : sizes) {
    const std::size_t count = bytes / 4;
    const std::vector<std::function<void()>> runs = {
        [&] { Check(ecclAllReduce(from, to, count, ecclFloat32, ecclSum, comm), "ecclAllReduce"); },
        [&] {
          Check(nccl.all_reduce(from, to, count, 7, 0, raw, nullptr), "ncclAllReduce");
          Check(driver.synchronize(nullptr), "cuStreamSynchronize");
        },
        [&] {
          Check(nccl.all_reduce(from, to, count, 7, 0, raw, nullptr), "ncclAllReduce");
          Check(driver.record(event, nullptr), "cuEventRecord");
          while (driver.event_query(event) != 0) {
          }
        }};
    for (const auto& run : runs) {
      Check(driver.to_device(receive, zeros.data(), count * 4), "cuMemcpyHtoD");
      run();
      std::vector<float> got(count);
      Check(driver.to_host(got.data(), receive, count * 4), "cuMemcpyDtoH");
      if (std::memcmp(got.data(), values.data(), count * 4) != 0) Stop("a result is wrong");
    }
    const std::vector<double> us = Measure(runs, seconds);
    std::printf(R"({"bytes": %zu, "ours": %.3f, "raw": %.3f, "raw_event": %.3f, "ratio": %.3f})"
                "\n",
                bytes, us[0], us[1], us[2], us[0] / us[1]);
    std::fflush(stdout);
  }
  ecclOpInfo_t info;
  Check(ecclCommGetLastOp(comm, &info), "ecclCommGetLastOp");
  std::printf(R"({"how": "%s %s %s"})"
              "\n",
              info.algorithm, info.transport, info.reason);

  if (parts) {
    unsigned type = 0;
    unsigned managed = 0;
    int ordinal = 0;
    int names[] = {2, 8, 9};
    void* into[] = {&type, &managed, &ordinal};
    void* popped = nullptr;
    const std::vector<std::function<void()>> runs = {
        [&] { Check(driver.attributes(3, names, into, send), "cuPointerGetAttributes"); },
        [&] {
          driver.push(context);
          driver.pop(&popped);
        },
        [&] { driver.current(&popped); },
        [&] { driver.record(event, nullptr); },
        [&] { driver.event_query(event); },
        [&] { driver.stream_query(nullptr); },
        [&] { driver.synchronize(nullptr); }};
    const std::vector<double> us = Measure(runs, seconds);
    std::printf(R"({"attributes": %.3f, "push_pop": %.3f, "current": %.3f, "record": %.3f, )"
                R"("event_query": %.3f, "stream_query": %.3f, "synchronize": %.3f})"
                "\n",
                us[0], us[1], us[2], us[3], us[4], us[5], us[6]);
  }
  Check(ecclCommDestroy(comm), "ecclCommDestroy");
  return 0;
}
