#include "device/cuda.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "device/device.h"

namespace regatta::device {
namespace {

using testing::HasSubstr;

TEST(CudaDriver, WhatIsWrongWithADriverIsSaid) {
  EXPECT_THAT(LoadCudaDriver("/nowhere/libcuda.so.1").status().message(),
              HasSubstr("no NVIDIA driver is in use here"));
  EXPECT_THAT(LoadCudaDriver(DEVICE_FAKE_LACKS_SYMBOL).status().message(),
              HasSubstr("has no cuPointerGetAttributes"));
  EXPECT_THAT(LoadCudaDriver(DEVICE_FAKE_INIT_FAILS).status().message(),
              HasSubstr("cuInit: no CUDA-capable device is detected"));
  EXPECT_TRUE(LoadCudaDriver(DEVICE_FAKE_CUDA).ok());
}

// Only with the stand-in, which device.fake_cuda has the environment name.
TEST(CudaFake, IsUsedInItsContextAndLeavesTheCallersOwn) {
  const char* path = std::getenv("REGATTA_CUDA_LIBRARY");
  if (path == nullptr) GTEST_SKIP() << "REGATTA_CUDA_LIBRARY does not name the stand-in";
  void* library = dlopen(path, RTLD_NOW);
  ASSERT_NE(library, nullptr);
  const auto depth = reinterpret_cast<int (*)()>(dlsym(library, "fakeDepth"));
  ASSERT_NE(depth, nullptr);
  auto device = Device::Open("cuda:0");
  ASSERT_TRUE(device.ok()) << device.status().ToString();
  EXPECT_STREQ((*device)->properties().name, "Fake GPU");
  EXPECT_STREQ((*device)->properties().pci_address, "0000:ab:00.0");
  EXPECT_STREQ((*device)->properties().uuid, "GPU-5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a");
  auto buffer = (*device)->Allocate(64);
  ASSERT_TRUE(buffer.ok());
  char bytes[64] = {};
  EXPECT_TRUE((*device)->Copy(buffer->data(), bytes, 64, regattaCopyHostToDevice).ok());
  const base::Status refused = (*device)->Copy(bytes, bytes, 64, regattaCopyHostToDevice);
  EXPECT_EQ(refused.code(), base::Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("cuda:0: cannot copy 64 bytes to the device: cuMemcpy: "
                                           "a fake error (CUDA_ERROR_FAKE)"));
  EXPECT_EQ(depth(), 0);
}

}  // namespace
}  // namespace regatta::device
