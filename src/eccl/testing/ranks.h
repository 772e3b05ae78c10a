#pragma once

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "regatta/eccl.h"

namespace regatta::eccl {

// Ranks as threads over one transport; each Run calls the function once a rank.
class Ranks {
 public:
  Ranks(int size, const char* transport, const char* algorithm = nullptr) : comms_(size) {
    ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
    config.transport = transport;
    config.algorithm = algorithm;
    config.timeout_ms = 60'000;
    const ecclResult_t result = ecclCommInitAll(comms_.data(), size, &config);
    EXPECT_EQ(result, ecclSuccess) << ecclGetLastError(nullptr);
  }
  ~Ranks() {
    Run([](int, ecclComm_t comm) { EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess); });
  }
  template <typename Function>
  void Run(Function function) {
    std::vector<std::jthread> threads;
    threads.reserve(comms_.size());
    for (std::size_t rank = 0; rank < comms_.size(); ++rank) {
      threads.emplace_back([&, rank] { function(static_cast<int>(rank), comms_[rank]); });
    }
  }
  int size() const { return static_cast<int>(comms_.size()); }

 private:
  std::vector<ecclComm_t> comms_;
};

inline void Expect(ecclResult_t result) {
  EXPECT_EQ(result, ecclSuccess) << ecclGetLastError(nullptr);
}

}  // namespace regatta::eccl
