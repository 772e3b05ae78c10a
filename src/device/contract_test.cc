// What every kind of device does, seen through the ABI.

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "device/device.h"
#include "device/kinds.h"
#include "device/sim.h"

namespace regatta::device {
namespace {

class Contract : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string& kind = GetParam();
    if (kind == "sim") {
      ASSERT_TRUE(ConfigureSim({.devices = 2, .memory_bytes = 64u << 20}).ok());
      api_ = SimApi();
    } else if (kind == "plugin") {
      setenv("REGATTA_SIM_DEVICES", "2", 1);
      setenv("REGATTA_SIM_MEMORY_MIB", "64", 1);
      // Where it was built, unless this program was carried to another machine.
      const char* carried = std::getenv("REGATTA_TEST_SIM_PLUGIN");
      auto api = LoadPlugin(carried != nullptr ? carried : DEVICE_SIM_PLUGIN);
      ASSERT_TRUE(api.ok()) << api.status().ToString();
      api_ = *api;
    } else {
      auto api = FindKind(kind);
      ASSERT_TRUE(api.ok()) << api.status().ToString();
      api_ = *api;
      int count = 0;
      if (api_->get_count(&count) != REGATTA_DEVICE_OK) GTEST_SKIP() << api_->last_error();
      if (count == 0) GTEST_SKIP() << "there is a driver, but it shows this process no device";
    }
    auto device = Device::Open(api_, 0);
    ASSERT_TRUE(device.ok()) << device.status().ToString();
    device_ = *device;
  }

  const regattaDeviceApi* api_ = nullptr;
  std::shared_ptr<const Device> device_;
};

template <typename T>
T Value(base::Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result.ok() ? *std::move(result) : T();
}
void Expect(const base::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

std::vector<std::byte> Pattern(std::size_t bytes, unsigned seed) {
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 31 + seed + i / 251);
  return data;
}

TEST_P(Contract, PropertiesNameTheDeviceAndItsMemory) {
  const regattaDeviceProperties& properties = device_->properties();
  EXPECT_GT(std::strlen(properties.name), 0U);
  EXPECT_GT(properties.memory_bytes, 0U);
  const auto memory = Value(device_->MemoryInfo());
  EXPECT_GT(memory.free_bytes, 0U);
  EXPECT_LE(memory.free_bytes, memory.total_bytes);
  EXPECT_EQ(device_->name(), std::string(api_->kind) + ":0");
  // A caller that knows less of the struct is not written beyond.
  regattaDeviceProperties shorter{};
  shorter.size = offsetof(regattaDeviceProperties, uuid);
  std::memset(shorter.uuid, 'x', sizeof(shorter.uuid));
  EXPECT_EQ(api_->get_properties(0, &shorter), REGATTA_DEVICE_OK);
  EXPECT_EQ(shorter.uuid[0], 'x');
}

TEST_P(Contract, ADeviceThatDoesNotExistIsAnError) {
  for (const int index : {-1, 1000}) {
    const auto opened = Device::Open(api_, index);
    EXPECT_FALSE(opened.ok());
    EXPECT_NE(opened.status().message().find("does not exist"), std::string::npos)
        << opened.status().message();
  }
  regattaDeviceContext* context = nullptr;
  EXPECT_NE(api_->open(1000, &context), REGATTA_DEVICE_OK);
  EXPECT_STRNE(api_->last_error(), "");
}

TEST_P(Contract, BytesComeBackAsTheyWent) {
  for (const std::size_t bytes : {1, 3, 4096, 100'003}) {
    const Buffer buffer = Value(device_->Allocate(bytes));
    const Buffer other = Value(device_->Allocate(bytes));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0U);
    const auto out = Pattern(bytes, 1);
    std::vector<std::byte> in(bytes);
    Expect(device_->Copy(buffer.data(), out.data(), bytes, regattaCopyHostToDevice));
    Expect(device_->Copy(other.data(), buffer.data(), bytes, regattaCopyDeviceToDevice));
    Expect(device_->Copy(in.data(), other.data(), bytes, regattaCopyDeviceToHost));
    EXPECT_EQ(in, out);
  }
}

TEST_P(Contract, PartsOfABufferCanBeCopied) {
  const Buffer buffer = Value(device_->Allocate(1000));
  auto all = Pattern(1000, 2);
  Expect(device_->Copy(buffer.data(), all.data(), 1000, regattaCopyHostToDevice));
  const auto part = Pattern(100, 3);
  Expect(device_->Copy(buffer.data() + 501, part.data(), 100, regattaCopyHostToDevice));
  std::copy(part.begin(), part.end(), all.begin() + 501);
  std::vector<std::byte> in(1000);
  Expect(device_->Copy(in.data(), buffer.data(), 1000, regattaCopyDeviceToHost));
  EXPECT_EQ(in, all);
}

TEST_P(Contract, AStreamKeepsItsOrder) {
  const std::size_t bytes = 1u << 16;
  const Stream stream = Value(device_->MakeStream());
  const Buffer pinned = Value(device_->AllocateOnHost(2 * bytes));
  const Buffer buffer = Value(device_->Allocate(bytes));
  const auto out = Pattern(bytes, 4);
  std::memcpy(pinned.data(), out.data(), bytes);
  for (int i = 0; i < 20; ++i) {
    Expect(
        device_->Copy(buffer.data(), pinned.data(), bytes, regattaCopyHostToDevice, stream.get()));
    Expect(device_->Copy(pinned.data() + bytes, buffer.data(), bytes, regattaCopyDeviceToHost,
                         stream.get()));
  }
  Expect(device_->Synchronize(stream.get()));
  EXPECT_EQ(api_->stream_query(device_->context(), stream.get()), REGATTA_DEVICE_OK);
  EXPECT_EQ(std::memcmp(pinned.data() + bytes, out.data(), bytes), 0);
}

TEST_P(Contract, AnEventOrdersTwoStreamsAndTheHost) {
  const std::size_t bytes = 1u << 20;
  const Stream first = Value(device_->MakeStream());
  const Stream second = Value(device_->MakeStream());
  const Event event = Value(device_->MakeEvent());
  const Event done = Value(device_->MakeEvent());
  EXPECT_TRUE(Value(device_->IsOver(event))) << "never recorded";
  const Buffer pinned = Value(device_->AllocateOnHost(2 * bytes));
  const Buffer buffer = Value(device_->Allocate(bytes));
  for (unsigned round = 0; round < 10; ++round) {
    const auto out = Pattern(bytes, round);
    std::memcpy(pinned.data(), out.data(), bytes);
    Expect(
        device_->Copy(buffer.data(), pinned.data(), bytes, regattaCopyHostToDevice, first.get()));
    Expect(device_->Record(event, first.get()));
    Expect(device_->Wait(second.get(), event));
    Expect(device_->Copy(pinned.data() + bytes, buffer.data(), bytes, regattaCopyDeviceToHost,
                         second.get()));
    Expect(device_->Record(done, second.get()));
    while (!Value(device_->IsOver(done))) std::this_thread::yield();
    EXPECT_EQ(api_->event_synchronize(device_->context(), done.get()), REGATTA_DEVICE_OK);
    EXPECT_TRUE(Value(device_->IsOver(event)));
    EXPECT_EQ(std::memcmp(pinned.data() + bytes, out.data(), bytes), 0);
  }
}

TEST_P(Contract, AnAddressIsKnownToBeItsOrTheHosts) {
  const Buffer buffer = Value(device_->Allocate(1000));
  const Buffer pinned = Value(device_->AllocateOnHost(1000));
  const int on_stack = 0;
  EXPECT_EQ(Value(device_->DeviceOf(buffer.data())), 0);
  EXPECT_EQ(Value(device_->DeviceOf(buffer.data() + 999)), 0);
  EXPECT_EQ(Value(device_->DeviceOf(pinned.data())), -1);
  EXPECT_EQ(Value(device_->DeviceOf(&on_stack)), -1);
  EXPECT_EQ(Value(device_->DeviceOf(nullptr)), -1);
}

TEST_P(Contract, RegisteredHostMemoryCanBeCopied) {
  std::vector<std::byte> out = Pattern(1u << 16, 5);
  ASSERT_EQ(api_->host_register(device_->context(), out.data(), out.size()), REGATTA_DEVICE_OK)
      << api_->last_error();
  const Buffer buffer = Value(device_->Allocate(out.size()));
  Expect(device_->Copy(buffer.data(), out.data(), out.size(), regattaCopyHostToDevice));
  std::vector<std::byte> in(out.size());
  Expect(device_->Copy(in.data(), buffer.data(), in.size(), regattaCopyDeviceToHost));
  EXPECT_EQ(in, out);
  EXPECT_EQ(api_->host_unregister(device_->context(), out.data()), REGATTA_DEVICE_OK);
}

TEST_P(Contract, TooMuchMemoryIsRefusedAndNothingIsLost) {
  const auto before = Value(device_->MemoryInfo());
  const auto refused = device_->Allocate(before.total_bytes * 2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), base::Code::kResourceExhausted) << refused.status().ToString();
  EXPECT_NE(refused.status().message().find(device_->name()), std::string::npos)
      << refused.status().message();
  const Buffer buffer = Value(device_->Allocate(1u << 12));
  EXPECT_NE(buffer.data(), nullptr);
}

TEST_P(Contract, ThreadsUseOneDeviceAtTheSameTime) {
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      const Stream stream = Value(device_->MakeStream());
      for (unsigned round = 0; round < 10; ++round) {
        const auto out = Pattern(10'007, number * 100 + round);
        std::vector<std::byte> in(out.size());
        const Buffer buffer = Value(device_->Allocate(out.size()));
        Expect(device_->Copy(buffer.data(), out.data(), out.size(), regattaCopyHostToDevice,
                             stream.get()));
        Expect(device_->Copy(in.data(), buffer.data(), in.size(), regattaCopyDeviceToHost,
                             stream.get()));
        Expect(device_->Synchronize(stream.get()));
        EXPECT_EQ(in, out);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Kinds, Contract, testing::Values("sim", "plugin", "cuda"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace regatta::device
