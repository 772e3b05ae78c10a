// What every executor promises, whatever it runs jobs on.
#include <gtest/gtest.h>

#include "job/test_support.h"

namespace regatta::job {
namespace {

enum class Kind { kLocal, kNoop };

class ExecutorContractTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    executor_ = GetParam() == Kind::kNoop ? NewNoopExecutor(&sink_)
                                          : *NewLocalExecutor({.cpus = 2}, &sink_);
  }
  TemporaryFolder folder_;
  TestSink sink_;
  std::unique_ptr<Executor> executor_;
};

TEST_P(ExecutorContractTest, TellsTheEndByAnEvent) {
  const JobSpec spec = MakeSpec(folder_, {"true"}, 2);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.id, spec.id);
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  EXPECT_EQ(status.launches, 1);
  ASSERT_EQ(status.replicas.size(), 2u);
  for (int rank = 0; rank < 2; ++rank) {
    const ReplicaStatus& replica = status.replicas[static_cast<std::size_t>(rank)];
    EXPECT_EQ(replica.rank, rank);
    EXPECT_EQ(replica.state, ReplicaState::kSucceeded);
    EXPECT_EQ(replica.exit_code, 0);
  }
  ASSERT_TRUE(sink_.WaitFor([&] { return !sink_.Of("job.status").empty(); }));
  EXPECT_EQ(sink_.Of("job.status").back().subject, spec.id);
}

TEST_P(ExecutorContractTest, SubmittingAgainIsTheSameJob) {
  const JobSpec spec = MakeSpec(folder_, {"true"});
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(executor_->Submit(spec).ok());
  EXPECT_EQ(WaitForEnd(*executor_, sink_, spec.id).launches, 1);
}

TEST_P(ExecutorContractTest, AFinalJobCanBeStoppedAndForgotten) {
  const JobSpec spec = MakeSpec(folder_, {"true"});
  ASSERT_TRUE(executor_->Submit(spec).ok());
  WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_TRUE(executor_->Stop(spec.id, false).ok());
  executor_->Forget(spec.id);
  EXPECT_EQ(executor_->Status(spec.id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(executor_->Stop(spec.id, true).code(), absl::StatusCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(All, ExecutorContractTest, ::testing::Values(Kind::kLocal, Kind::kNoop),
                         [](const auto& info) {
                           return info.param == Kind::kLocal ? "Local" : "Noop";
                         });

}  // namespace
}  // namespace regatta::job
