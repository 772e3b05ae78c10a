#include "device/sim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "device/device.h"

namespace regatta::device {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Device> OpenSim(const SimOptions& options, int index = 0) {
  const base::Status configured = ConfigureSim(options);
  EXPECT_TRUE(configured.ok()) << configured.ToString();
  auto device = Device::Open(SimApi(), index);
  EXPECT_TRUE(device.ok()) << device.status().ToString();
  return device.ok() ? *device : nullptr;
}

TEST(SimDeathTest, TouchingDeviceMemoryFromTheHostCrashes) {
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20});
  const auto buffer = device->Allocate(64);
  ASSERT_TRUE(buffer.ok());
  volatile std::byte* address = buffer->data();
  EXPECT_DEATH(*address = std::byte{1}, "");
  EXPECT_DEATH(static_cast<void>(*address), "");
}

TEST(Sim, DevicesHaveMemoryOfTheirOwn) {
  const SimOptions options{.devices = 2, .memory_bytes = 1u << 20};
  const auto first = OpenSim(options);
  const auto second = *Device::Open(SimApi(), 1);
  const auto here = first->Allocate(100);
  const auto there = second->Allocate(100);
  EXPECT_EQ(*first->DeviceOf(here->data()), 0);
  EXPECT_EQ(*first->DeviceOf(there->data()), 1);
  char byte = 0;
  EXPECT_FALSE(first->Copy(&byte, there->data(), 1, regattaCopyDeviceToHost).ok());
}

TEST(Sim, CopiesBeyondAnAllocationOrOfFreedMemoryAreRefused) {
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20});
  char bytes[64] = {};
  void* gone = nullptr;
  {
    const auto buffer = device->Allocate(32);
    gone = buffer->data();
    EXPECT_EQ(device->Copy(buffer->data(), bytes, 33, regattaCopyHostToDevice).code(),
              base::Code::kInvalidArgument);
    EXPECT_TRUE(device->Copy(buffer->data() + 31, bytes, 1, regattaCopyHostToDevice).ok());
    EXPECT_EQ(device->Copy(bytes, bytes + 32, 32, regattaCopyHostToDevice).code(),
              base::Code::kInvalidArgument);
    EXPECT_EQ(device->Copy(buffer->data(), buffer->data(), 32, regattaCopyDeviceToHost).code(),
              base::Code::kInvalidArgument);
  }
  EXPECT_EQ(device->Copy(gone, bytes, 1, regattaCopyHostToDevice).code(),
            base::Code::kInvalidArgument);
  EXPECT_EQ(SimApi()->free(device->context(), gone), REGATTA_DEVICE_INVALID_ARGUMENT);
}

TEST(Sim, FreedMemoryComesTogetherAgain) {
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20});
  for (int round = 0; round < 3; ++round) {
    std::vector<Buffer> pieces;
    for (int i = 0; i < 4; ++i) pieces.push_back(*device->Allocate(1u << 18));
    EXPECT_FALSE(device->Allocate(1).ok());
    std::swap(pieces[0], pieces[2]);
    pieces.clear();
    EXPECT_TRUE(device->Allocate(1u << 20).ok());
  }
}

TEST(Sim, LatencyAndBandwidthAreThoseAskedFor) {
  const auto device = OpenSim({.devices = 1,
                               .memory_bytes = 8u << 20,
                               .copy_latency = std::chrono::milliseconds(5),
                               .copy_gigabytes_per_second = 0.1});
  const auto buffer = device->Allocate(4u << 20);
  std::vector<char> bytes(4u << 20);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(
      device->Copy(buffer->data(), bytes.data(), bytes.size(), regattaCopyHostToDevice).ok());
  // 5 ms and 4 MiB at 0.1 GB/s, 41.9 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(46));
}

TEST(Sim, AnInjectedFailureIsToldByWhoeverWaitsForTheStream) {
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20, .fault = "copy:2"});
  const auto buffer = device->Allocate(64);
  const auto stream = device->MakeStream();
  const auto event = device->MakeEvent();
  char bytes[64] = {};
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(
        device->Copy(buffer->data(), bytes, 64, regattaCopyHostToDevice, stream->get()).ok());
  }
  EXPECT_TRUE(device->Record(*event, stream->get()).ok());
  EXPECT_THAT(device->Synchronize(stream->get()).message(), HasSubstr("injected"));
  EXPECT_THAT(device->IsOver(*event).status().message(), HasSubstr("sim:0"));
  // Other streams go on.
  EXPECT_TRUE(device->Copy(bytes, buffer->data(), 64, regattaCopyDeviceToHost).ok());
}

TEST(Sim, ADeviceThatFellOffDoesNothingAnyMore) {
  const auto device = OpenSim({.devices = 2, .memory_bytes = 1u << 20, .fault = "lost:2:0"});
  const auto buffer = device->Allocate(64);
  char bytes[64] = {};
  EXPECT_TRUE(device->Copy(buffer->data(), bytes, 64, regattaCopyHostToDevice).ok());
  const base::Status lost = device->Copy(buffer->data(), bytes, 64, regattaCopyHostToDevice);
  EXPECT_EQ(lost.code(), base::Code::kDataLoss) << lost.ToString();
  EXPECT_EQ(device->Allocate(1).status().code(), base::Code::kDataLoss);
  EXPECT_EQ(device->MakeStream().status().code(), base::Code::kDataLoss);
  EXPECT_TRUE((*Device::Open(SimApi(), 1))->Allocate(1).ok()) << "the other one is as it was";
}

TEST(Sim, ACopyThatStallsHoldsItsStreamAndNothingElse) {
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20, .fault = "stall:1"});
  const auto buffer = device->Allocate(64);
  const auto event = device->MakeEvent();
  char bytes[64] = {};
  {
    const auto stream = device->MakeStream();
    EXPECT_TRUE(
        device->Copy(buffer->data(), bytes, 64, regattaCopyHostToDevice, stream->get()).ok());
    EXPECT_TRUE(device->Record(*event, stream->get()).ok());
    EXPECT_TRUE(device->Copy(bytes, buffer->data(), 64, regattaCopyDeviceToHost).ok());
    EXPECT_FALSE(*device->IsOver(*event));
  }
  EXPECT_FALSE(device->IsOver(*event).ok()) << "its stream ended without it";
}

TEST(Sim, AllocationsCanBeToldToFail) {
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20, .fault = "allocate:2"});
  EXPECT_TRUE(device->Allocate(1).ok());
  EXPECT_EQ(device->Allocate(1).status().code(), base::Code::kResourceExhausted);
  EXPECT_TRUE(device->Allocate(1).ok());
}

TEST(Sim, OptionsThatAreNoneAreNamed) {
  EXPECT_THAT(ConfigureSim({.devices = 1, .fault = "explode:1"}).message(),
              HasSubstr("\"explode:1\" is no fault"));
  EXPECT_THAT(ConfigureSim({.devices = 1, .fault = "copy:0"}).message(), HasSubstr("no fault"));
  setenv("REGATTA_SIM_DEVICES", "many", 1);
  EXPECT_THAT(SimOptionsFromEnvironment().status().message(),
              HasSubstr("REGATTA_SIM_DEVICES=\"many\" is no number from 0 to 64"));
  unsetenv("REGATTA_SIM_DEVICES");
  const auto device = OpenSim({.devices = 1, .memory_bytes = 1u << 20});
  EXPECT_THAT(ConfigureSim({}).message(), HasSubstr("is open"));
}

}  // namespace
}  // namespace regatta::device
