#include "eccl/wait.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>

namespace regatta::eccl {
namespace {

// How often one wait looks again before it sleeps.
int Looks(Waiter* waiter) {
  int looks = 0;
  waiter->Start();
  while (waiter->Pause()) ++looks;
  waiter->Stop();
  return looks;
}

TEST(Waiter, SpinsOnlyWhileRanksHaveAProcessorEach) {
  Waiter waiter;
  waiter.SetLocalRanks(1);
  EXPECT_GT(Looks(&waiter), 100);
  Waiter crowded;
  crowded.SetLocalRanks(100'000);
  const int looks = Looks(&crowded);
  EXPECT_GT(looks, 0);
  EXPECT_LE(looks, 64);
}

TEST(Waiter, StopsYieldingToAStrangerWhoComputes) {
  std::atomic<bool> done{false};
  std::jthread here([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    const int processor = sched_getcpu();
    ASSERT_GE(processor, 0);
    CPU_SET(static_cast<std::size_t>(processor), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    // On the same processor, which is inherited.
    const std::jthread stranger([&] {
      while (!done) {
      }
    });
    Waiter waiter;
    waiter.SetLocalRanks(2);  // with one processor: no spinning
    // The stranger takes a whole slice in one of the first yields; then no wait yields for a while.
    int waits = 0;
    while (Looks(&waiter) == 64) ASSERT_LT(++waits, 100);
    for (int wait = 0; wait < 30; ++wait) EXPECT_EQ(Looks(&waiter), 0);
    // It tries again some time.
    bool yielded = false;
    for (int wait = 0; wait < 10'000 && !yielded; ++wait) yielded = Looks(&waiter) > 0;
    EXPECT_TRUE(yielded);
    done = true;
  });
}

}  // namespace
}  // namespace regatta::eccl
