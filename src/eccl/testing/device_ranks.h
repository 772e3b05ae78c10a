#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "device/device.h"
#include "device/sim.h"
#include "eccl/types.h"
#include "regatta/eccl.h"

namespace regatta::eccl {

// Ranks as threads, each with the device it is given: "cpu", "sim:0", ...
class DeviceRanks {
 public:
  explicit DeviceRanks(const std::vector<std::string>& places, const char* transport = "shm",
                       std::int64_t timeout_ms = 60'000)
      : places_(places), comms_(places.size()) {
    ecclUniqueId id;
    EXPECT_EQ(ecclGetUniqueId(&id), ecclSuccess);
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < places.size(); ++rank) {
      threads.emplace_back([&, rank] {
        ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
        config.transport = transport;
        config.timeout_ms = timeout_ms;
        config.device = places[rank].c_str();
        EXPECT_EQ(ecclCommInitRankConfig(&comms_[rank], static_cast<int>(places.size()), id,
                                         static_cast<int>(rank), &config),
                  ecclSuccess)
            << ecclGetLastError(nullptr);
      });
    }
  }
  ~DeviceRanks() {
    Run([](int, ecclComm_t comm) { EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess); });
  }
  template <typename Function>
  void Run(Function function) {
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < comms_.size(); ++rank) {
      threads.emplace_back([&, rank] { function(static_cast<int>(rank), comms_[rank]); });
    }
  }
  int size() const { return static_cast<int>(comms_.size()); }
  const std::string& place(int rank) const { return places_[static_cast<std::size_t>(rank)]; }

 private:
  std::vector<std::string> places_;
  std::vector<ecclComm_t> comms_;
};

// Bytes somewhere, at an address that is no multiple of anything.
class Memory {
 public:
  Memory(const std::string& place, std::size_t bytes) : bytes_(bytes) {
    if (place == "cpu") {
      host_.resize(bytes + 1);
      return;
    }
    auto device = device::Device::Open(place);
    EXPECT_TRUE(device.ok()) << device.status().ToString();
    device_ = *device;
    auto buffer = device_->Allocate(bytes + 1);
    EXPECT_TRUE(buffer.ok()) << buffer.status().ToString();
    buffer_ = *std::move(buffer);
  }
  void* at(std::size_t byte = 0) {
    return (device_ == nullptr ? host_.data() : buffer_.data()) + 1 + byte;
  }
  void Write(const std::vector<std::byte>& data) {
    if (device_ == nullptr) {
      std::copy(data.begin(), data.end(), static_cast<std::byte*>(at()));
    } else {
      EXPECT_TRUE(device_->Copy(at(), data.data(), data.size(), regattaCopyHostToDevice).ok());
    }
  }
  std::vector<std::byte> Read() {
    std::vector<std::byte> data(bytes_);
    if (device_ == nullptr) {
      std::copy_n(static_cast<const std::byte*>(at()), bytes_, data.begin());
    } else {
      EXPECT_TRUE(device_->Copy(data.data(), at(), bytes_, regattaCopyDeviceToHost).ok());
    }
    return data;
  }

 private:
  std::size_t bytes_;
  std::vector<std::byte> host_;
  std::shared_ptr<const device::Device> device_;
  device::Buffer buffer_;
};

}  // namespace regatta::eccl
