// NCCL through its table, over stand-ins for it and for CUDA's driver, which the environment of
// eccl.fake_nccl names.

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "eccl/islands/library.h"
#include "eccl/testing/device_ranks.h"
#include "eccl/testing/ranks.h"

namespace regatta::eccl {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

TEST(Nccl, WhatIsNoNcclIsRefusedWithTheReason) {
  EXPECT_THAT(LoadNccl("/nowhere/libnccl.so.2").status().message(), HasSubstr("cannot load"));
  EXPECT_THAT(LoadNccl("libm.so.6").status().message(), HasSubstr("has no ncclGetVersion"));
}

class NcclFake : public testing::Test {
 protected:
  void SetUp() override {
    const char* nccl = std::getenv("ECCL_NCCL_LIBRARY");
    const char* cuda = std::getenv("REGATTA_CUDA_LIBRARY");
    if (nccl == nullptr || cuda == nullptr) {
      GTEST_SKIP() << "ECCL_NCCL_LIBRARY and REGATTA_CUDA_LIBRARY do not name the stand-ins";
    }
    nccl_ = dlopen(nccl, RTLD_NOW);
    cuda_ = dlopen(cuda, RTLD_NOW);
    ASSERT_NE(nccl_, nullptr);
    ASSERT_NE(cuda_, nullptr);
  }
  int Nccl(const char* symbol) const { return Function<int (*)()>(nccl_, symbol)(); }
  int Cuda(const char* symbol) const { return Function<int (*)()>(cuda_, symbol)(); }
  void Break(int error) const { Function<int (*)(int)>(nccl_, "fakeNcclBreak")(error); }

 private:
  template <typename Type>
  static Type Function(void* library, const char* symbol) {
    void* found = dlsym(library, symbol);
    EXPECT_NE(found, nullptr) << symbol;
    return reinterpret_cast<Type>(found);
  }
  void* nccl_ = nullptr;
  void* cuda_ = nullptr;
};

Bytes Numbered(std::size_t bytes) {
  Bytes data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i % 251);
  return data;
}

TEST_F(NcclFake, MakesTheCallsItHas) {
  DeviceRanks ranks({"cuda:0"});
  ranks.Run([&](int, ecclComm_t comm) {
    const std::size_t count = 1000;
    const Bytes values = Numbered(count * 4);
    const auto run = [&](const char* place_in, const char* place_out, auto call) {
      Memory in(place_in, count * 4);
      Memory out(place_out, count * 4);
      in.Write(values);
      const int before = Nccl("fakeNcclCalls");
      Expect(call(in.at(), out.at()));
      EXPECT_EQ(Nccl("fakeNcclCalls"), before + 1);
      EXPECT_EQ(out.Read(), values);
      ecclOpInfo_t info;
      Expect(ecclCommGetLastOp(comm, &info));
      EXPECT_STREQ(info.algorithm, "nccl");
      const bool staged = std::string(place_in) == "cpu" || std::string(place_out) == "cpu";
      EXPECT_STREQ(info.transport, staged ? "nccl+staging" : "nccl");
    };
    for (const char* in : {"cuda:0", "cpu"}) {
      for (const char* out : {"cuda:0", "cpu"}) {
        run(in, out, [&](const void* send, void* receive) {
          return ecclAllReduce(send, receive, count, ecclFloat32, ecclSum, comm);
        });
        run(in, out, [&](const void* send, void* receive) {
          return ecclReduce(send, receive, count, ecclInt32, ecclMax, 0, comm);
        });
        run(in, out, [&](const void* send, void* receive) {
          return ecclBroadcast(send, receive, count, ecclUint32, 0, comm);
        });
        run(in, out, [&](const void* send, void* receive) {
          return ecclAllGather(send, receive, count * 4, ecclInt8, comm);
        });
        run(in, out, [&](const void* send, void* receive) {
          return ecclReduceScatter(send, receive, count * 2, ecclFloat16, ecclAvg, comm);
        });
      }
    }
  });
  EXPECT_EQ(Cuda("fakeDepth"), 0);
}

// What drivers are asked is most of what a small call costs.
TEST_F(NcclFake, AsksTheDriverForLittle) {
  DeviceRanks ranks({"cuda:0"});
  ranks.Run([&](int, ecclComm_t comm) {
    // As threads have it that use CUDA themselves.
    const auto device = *device::Device::Open("cuda:0");
    const device::Device::Current current(*device);
    Memory in("cuda:0", 64);
    Memory out("cuda:0", 64);
    Expect(ecclAllReduce(in.at(), out.at(), 16, ecclFloat32, ecclSum, comm));
    Cuda("fakeCalls");
    Cuda("fakePointerQueries");
    Expect(ecclAllReduce(in.at(), out.at(), 16, ecclFloat32, ecclSum, comm));
    EXPECT_EQ(Cuda("fakePointerQueries"), 2);
    // Besides: into the context, is it the right one, is the stream done, out again.
    EXPECT_EQ(Cuda("fakeCalls"), 2 + 4);
    Expect(ecclAllReduce(in.at(), in.at(), 16, ecclFloat32, ecclSum, comm));
    EXPECT_EQ(Cuda("fakePointerQueries"), 1);
  });
}

TEST_F(NcclFake, SubmittedCallsDoNotWaitForWhatComesToTheStreamLater) {
  DeviceRanks ranks({"cuda:0"});
  ranks.Run([&](int, ecclComm_t comm) {
    Memory data("cuda:0", 64);
    data.Write(Numbered(64));
    ecclRequest_t request = nullptr;
    Expect(ecclAllReduceAsync(data.at(), data.at(), 16, ecclFloat32, ecclSum, comm, &request));
    Expect(ecclRequestWait(request, -1));
    EXPECT_EQ(data.Read(), Numbered(64));
  });
}

TEST_F(NcclFake, AnErrorIsToldInItsWordsAndEndsTheCommunicator) {
  DeviceRanks ranks({"cuda:0"});
  ranks.Run([&](int, ecclComm_t comm) {
    Memory data("cuda:0", 64);
    const int aborted = Nccl("fakeNcclAborted");
    Break(2);
    EXPECT_EQ(ecclAllReduce(data.at(), data.at(), 16, ecclFloat32, ecclSum, comm),
              ecclInternalError);
    Break(0);
    EXPECT_THAT(ecclGetLastError(nullptr), HasSubstr("allreduce #1"));
    EXPECT_THAT(ecclGetLastError(nullptr),
                HasSubstr("cuda:0: nccl 2.28.9, AllReduce: a fake error (the stand-in says so)"));
    EXPECT_EQ(Nccl("fakeNcclAborted"), aborted + 1);
    EXPECT_NE(ecclAllReduce(data.at(), data.at(), 16, ecclFloat32, ecclSum, comm), ecclSuccess)
        << "a failed communicator stays failed";
  });
}

}  // namespace
}  // namespace regatta::eccl
