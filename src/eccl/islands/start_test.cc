#include "eccl/islands/start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "device/sim.h"

namespace regatta::eccl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A library whose ranks come together when the test says so; one test at a time.
struct Gate {
  std::promise<int> open;
  std::promise<void> destroyed;
};
std::unique_ptr<Gate> gate;

class Start : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(device::ConfigureSim({.devices = 1, .memory_bytes = 1u << 20}).ok());
    gate = std::make_unique<Gate>();
    auto library = std::make_shared<IslandLibrary>();
    library->version = "slow 1.0";
    library->init_rank = [](IslandLibrary::Comm* comm, int, IslandLibrary::Id, int) {
      EXPECT_NE(device::SimCurrent(), nullptr) << "the device has to be the thread's";
      *comm = gate.get();
      return gate->open.get_future().get();
    };
    library->abort = [](IslandLibrary::Comm) {
      gate->destroyed.set_value();
      return IslandLibrary::kSuccess;
    };
    library->error_text = [](int) { return "no such network"; };
    options_ = {.library = std::move(library),
                .device = *device::Device::Open("sim:0"),
                .size = 2,
                .deadline = Clock::now() + 60s};
  }
  void TearDown() override {
    // A thread that was left behind keeps the device until it has ended.
    while (StartsLeftBehind() > 0) std::this_thread::yield();
  }

  StartOptions options_;
};

TEST_F(Start, GivesWhatTheLibraryMakes) {
  gate->open.set_value(IslandLibrary::kSuccess);
  const auto comm = StartIsland(options_);
  ASSERT_TRUE(comm.ok()) << comm.status().ToString();
  EXPECT_EQ(*comm, gate.get());
}

TEST_F(Start, TellsTheLibrarysError) {
  gate->open.set_value(2);
  EXPECT_EQ(StartIsland(options_).status().message(), "sim:0: slow 1.0, InitRank: no such network");
}

TEST_F(Start, EndsAtTheDeadlineAndDestroysWhatComesLater) {
  options_.deadline = Clock::now() + 50ms;
  const auto comm = StartIsland(options_);
  EXPECT_EQ(comm.status().code(), base::Code::kDeadlineExceeded);
  EXPECT_THAT(comm.status().message(), HasSubstr("sim:0: slow 1.0, InitRank has not ended for"));
  gate->open.set_value(IslandLibrary::kSuccess);
  EXPECT_EQ(gate->destroyed.get_future().wait_for(60s), std::future_status::ready);
}

TEST_F(Start, EndsWhenARankIsFoundToBeGone) {
  int looks = 0;
  options_.check = [&looks] {
    return ++looks < 3 ? base::Status() : base::Status(base::Code::kUnavailable, "rank 1 is gone");
  };
  EXPECT_EQ(StartIsland(options_).status().message(), "rank 1 is gone");
  gate->open.set_value(IslandLibrary::kSuccess);
  EXPECT_EQ(gate->destroyed.get_future().wait_for(60s), std::future_status::ready);
}

}  // namespace
}  // namespace regatta::eccl
