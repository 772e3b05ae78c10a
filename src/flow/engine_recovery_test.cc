#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/wait.h>

#include <iostream>

#include "base/file.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::UnorderedElementsAre;

constexpr char kChain[] = R"(
name: chain
entry_points:
  a: {command: "x", artifacts: {output: [o]}}
  b:
    deps: a
    loop_argument: [1, 2]
    command: "x {{i}}"
    artifacts: {input: {i: "{{a.o}}"}, output: [o]}
  c:
    deps: b
    artifacts: {input: {i: "{{b.o}}"}}
    entry_points:
      d: {command: "x {{i}}", artifacts: {input: {i: "{{PF_PARENT.i}}"}}}
      e: {deps: d, command: "x"}
post_process:
  report: {command: "x"}
)";

// The owner dies: the engine goes, the machine with its processes stays.
class EngineRecoveryTest : public EngineTest {
 protected:
  void Reopen() {
    Close();
    Open();
  }
};

TEST_F(EngineRecoveryTest, GoesOnFromEveryPointWithoutLaunchingTwice) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string id = Create(kChain);
  for (const char* step : {"a", "b", "b-1", "c.d", "c.e", "report"}) {
    ASSERT_TRUE(WaitForState(id, step, StepState::kRunning)) << step << ": " << States(id);
    Reopen();
    ASSERT_TRUE(WaitForState(id, step, StepState::kRunning)) << step << ": " << States(id);
    machine_.Finish(step, job::JobState::kSucceeded);
  }
  const RunDetail run = WaitForEnd(id);
  EXPECT_EQ(run.state, RunState::kSucceeded) << run.message;
  EXPECT_THAT(machine_.Launched(), UnorderedElementsAre("a", "b", "b-1", "c.d", "c.e", "report"));
  EXPECT_EQ(run.step_counts.at("succeeded"), 7);
}

TEST_F(EngineRecoveryTest, RefersToWhatEndedBeforeTheRestart) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string id = Create(R"(
name: p
entry_points:
  a: {command: "x", parameters: {p: 7}, artifacts: {output: [o]}}
  g:
    deps: a
    parameters: {q: "{{a.p}}"}
    artifacts: {input: {i: "{{a.o}}"}, output: {r: "{{b.o}}"}}
    entry_points:
      b:
        parameters: {k: "{{PF_PARENT.q}}", list: [1, 2]}
        loop_argument: "{{list}}"
        command: "x {{i}}"
        artifacts: {input: {i: "{{PF_PARENT.i}}"}, output: [o]}
      c: {deps: b, parameters: {k: "{{b.k}}"}, command: "x {{k}}"}
  z:
    deps: a,g
    parameters: {p: "{{a.p}}"}
    command: "x {{p}} {{r}}"
    artifacts: {input: {r: "{{g.r}}"}}
post_process:
  report: {command: "x"}
)");
  for (const char* step : {"a", "g.b", "g.b-1", "g.c", "z", "report"}) {
    ASSERT_TRUE(WaitForState(id, step, StepState::kRunning)) << step << ": " << States(id);
    Reopen();
    machine_.Finish(step, job::JobState::kSucceeded);
    // What is decided next is decided by an engine that never saw the end.
    ASSERT_TRUE(WaitForState(id, step, StepState::kSucceeded)) << step << ": " << States(id);
    Reopen();
  }
  const RunDetail run = WaitForEnd(id);
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
  const auto command = [&](const std::string& step) {
    return machine_.SpecOf(step).roles[0].argv.back();
  };
  const std::string folder = folder_ + "/state/runs/" + id;
  EXPECT_EQ(command("g.b"), "x " + folder + "/a/artifacts/o");
  EXPECT_EQ(command("g.c"), "x 7");
  EXPECT_EQ(command("z"), "x 7 " + folder + "/g.b/artifacts/o," + folder + "/g.b-1/artifacts/o");
  const auto list = base::ReadFile(folder + "/artifacts.json");
  ASSERT_TRUE(list.ok());
  const auto outputs = base::ParseJson(*list);
  ASSERT_TRUE(outputs.ok());
  std::vector<std::string> paths;
  for (const base::Json& item : *outputs) paths.push_back(item["path"]);
  EXPECT_THAT(paths,
              ::testing::IsSupersetOf({folder + "/a/artifacts/o", folder + "/g.b/artifacts/o",
                                       folder + "/g.b-1/artifacts/o"}));
}

TEST_F(EngineRecoveryTest, LearnsWhatEndedWhileNobodyWatched) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string id = Create(kChain);
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  Close();
  machine_.Finish("a", job::JobState::kFailed, "exit code 3");
  Open();
  const RunDetail run =
      WaitUntil([&] { return IsFinal(Step(id, "a").state); }) ? *engine_->GetRun(id) : RunDetail{};
  EXPECT_EQ(run.message, "step \"a\" failed: exit code 3");
  machine_.Finish("report", job::JobState::kSucceeded);
  EXPECT_EQ(WaitForEnd(id).state, RunState::kFailed);
}

TEST_F(EngineRecoveryTest, TriesAgainWhenTheProcessesVanishedToo) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string id = Create("name: p\nentry_points:\n  a: {command: x}\n");
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  Close();
  machine_.Finish("a", job::JobState::kFailed, "lost with the machine", /*vanished=*/true);
  Open();
  ASSERT_TRUE(WaitUntil([&] { return Step(id, "a").attempts == 2; }));
  EXPECT_EQ(Step(id, "a").reason, "attempt 2 after: lost with the machine");
  machine_.Finish("a", job::JobState::kSucceeded);
  EXPECT_EQ(WaitForEnd(id).state, RunState::kSucceeded);
  EXPECT_EQ(machine_.LaunchesOf("a"), 2);
}

TEST_F(EngineRecoveryTest, KeepsStoppingWhatWasBeingStopped) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  machine_.stop_ends_jobs = false;
  Open();
  const std::string id = Create("name: p\nentry_points:\n  a: {command: x}\n");
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  ASSERT_TRUE(engine_->StopRun(id, false).ok());
  machine_.stop_ends_jobs = true;
  Reopen();
  EXPECT_EQ(WaitForEnd(id).state, RunState::kTerminated);
  EXPECT_EQ(States(id), "a=terminated");
}

TEST_F(EngineRecoveryTest, AttachesToAnInterruptedRunOnce) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  RunRequest request = Request("name: p\nentry_points:\n  a: {command: x}\n");
  request.attach_interrupted = true;
  const auto first = engine_->CreateRun(request, nullptr);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->attached);
  ASSERT_TRUE(WaitForState(first->run.id, "a", StepState::kRunning));
  Reopen();
  RunRequest other = request;
  other.yaml += "parallelism: 2\n";
  EXPECT_FALSE(engine_->CreateRun(other, nullptr)->attached);
  const auto again = engine_->CreateRun(request, nullptr);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->attached);
  EXPECT_EQ(again->run.id, first->run.id);
  EXPECT_FALSE(engine_->CreateRun(request, nullptr)->attached);
}

TEST_F(EngineRecoveryTest, GoesOnWithEventIds) {
  Open();
  Run("name: p\nentry_points:\n  a: {command: x}\n");
  const std::int64_t last = engine_->LastEventId();
  ASSERT_GT(last, 0);
  Reopen();
  EXPECT_EQ(engine_->LastEventId(), last);
  Run("name: p\nentry_points:\n  a: {command: x}\n");
  const auto events = engine_->EventsAfter(last, "", 100);
  ASSERT_TRUE(events.ok());
  EXPECT_EQ(events->front().id, last + 1);
}

TEST_F(EngineRecoveryTest, TakesUpOnlyTheRunThatIsStopped) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string stopped = Create(kChain);
  ASSERT_TRUE(WaitForState(stopped, "a", StepState::kRunning));
  const std::string other = Create("name: other\nentry_points:\n  o: {command: x}\n");
  ASSERT_TRUE(WaitForState(other, "o", StepState::kRunning));
  Close();
  machine_.Finish("o", job::JobState::kSucceeded);
  Open(TakeUp::kWhenAsked);
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kSucceeded; };
  const auto run = engine_->StopRun(stopped, false);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->state, RunState::kTerminating);
  EXPECT_EQ(WaitForEnd(stopped).state, RunState::kTerminated) << States(stopped);
  EXPECT_THAT(machine_.Launched(), UnorderedElementsAre("a", "o", "report"));
  EXPECT_EQ(Step(other, "o").state, StepState::kRunning);
  EXPECT_TRUE(absl::IsFailedPrecondition(engine_->StopRun(stopped, false).status()));
  Close();
  Open();
  EXPECT_EQ(WaitForEnd(other).state, RunState::kSucceeded);
}

TEST_F(EngineRecoveryTest, StopThatWasInterruptedGoesOnWhenItIsAskedForAgain) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  machine_.stop_ends_jobs = false;
  Open();
  const std::string id = Create(kChain);
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  ASSERT_TRUE(engine_->StopRun(id, false).ok());
  ASSERT_TRUE(WaitForState(id, "a", StepState::kTerminating));
  Close();
  Open(TakeUp::kWhenAsked);
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kSucceeded; };
  ASSERT_TRUE(engine_->StopRun(id, false).ok());
  machine_.Finish("a", job::JobState::kTerminated);
  EXPECT_EQ(WaitForEnd(id).state, RunState::kTerminated) << States(id);
}

TEST_F(EngineRecoveryTest, TakesUpTheRunThatIsAttachedTo) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string id = Create(kChain);
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  Close();
  Open(TakeUp::kWhenAsked);
  RunRequest request = Request(kChain);
  request.attach_interrupted = true;
  const auto created = engine_->CreateRun(request, nullptr);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->attached);
  EXPECT_EQ(created->run.id, id);
  machine_.Finish("a", job::JobState::kSucceeded);
  EXPECT_TRUE(WaitForState(id, "b", StepState::kRunning)) << States(id);
  EXPECT_EQ(machine_.LaunchesOf("a"), 1);
}

TEST_F(EngineRecoveryTest, WhoOnlyLooksChangesNothing) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  Open();
  const std::string id = Create(kChain);
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  Close();
  machine_.Finish("a", job::JobState::kSucceeded);
  auto looker = Engine::OpenToLook(store_.get());
  ASSERT_TRUE(looker.ok()) << looker.status();
  EXPECT_EQ((*looker)->ListRuns({})->total, 1);
  const auto steps = (*looker)->ListSteps(id, {.limit = 10});
  ASSERT_TRUE(steps.ok()) << steps.status();
  EXPECT_EQ((*looker)->GetStep(id, steps->items[0].id)->state, StepState::kRunning);
  EXPECT_TRUE(absl::IsFailedPrecondition((*looker)->StopRun(id, true).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition((*looker)->CreateRun(Request(kChain), nullptr).status()));
  EXPECT_EQ(machine_.Launched().size(), 1u);
}

TEST_F(EngineRecoveryTest, RunThatEndsBeforeItIsAskedForIsAnsweredOnce) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  constexpr char kOne[] = "name: one\nentry_points:\n  o: {command: x}\n";
  Open();
  const std::string id = Create(kOne);
  ASSERT_TRUE(WaitForState(id, "o", StepState::kRunning));
  Close();
  machine_.Finish("o", job::JobState::kSucceeded);
  Open();
  ASSERT_EQ(WaitForEnd(id).state, RunState::kSucceeded);
  RunRequest request = Request(kOne);
  request.attach_interrupted = true;
  const auto first = engine_->CreateRun(request, nullptr);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->attached);
  EXPECT_EQ(first->run.id, id);
  EXPECT_EQ(first->run.state, RunState::kSucceeded);
  const auto second = engine_->CreateRun(request, nullptr);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->attached);
  EXPECT_NE(second->run.id, id);
}

#ifdef REGATTA_FAULTS

// Real processes from here on. The test executes itself as the owner (Owner below), with fault
// points armed in its environment.
constexpr char kEffects[] = R"(
name: effects
entry_points:
  a: {command: "echo a >> effects; echo 1 > {{o}}", artifacts: {output: [o]}}
  b:
    deps: a
    loop_argument: [1, 2]
    command: "echo b{{PF_LOOP_ARGUMENT}} >> effects; cat {{i}} > {{o}}"
    artifacts: {input: {i: "{{a.o}}"}, output: [o]}
  c: {deps: b, command: "echo c >> effects"}
post_process:
  report: {command: "echo report >> effects"}
)";

constexpr int kRefused = 7;  // exit code of an owner whose CreateRun was refused for a full disk

class EngineFaultTest : public EngineTest, public ::testing::WithParamInterface<std::string> {
 protected:
  // Exit code of an owner with that fault, or -signal.
  int RunOwner(const std::string& fault) {
    std::vector<std::string> env = {"OWNER_FOLDER=" + folder_, "PATH=/usr/local/bin:/usr/bin:/bin"};
    if (!fault.empty()) env.push_back("REGATTA_FAULT=" + fault);
    std::vector<char*> envp;
    for (std::string& text : env) envp.push_back(text.data());
    envp.push_back(nullptr);
    std::string name = "owner";
    char* argv[] = {name.data(), nullptr};
    pid_t pid = 0;
    EXPECT_EQ(posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv, envp.data()), 0);
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  std::vector<std::string> Effects() {
    std::ifstream file(folder_ + "/pipeline/effects");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
};

TEST_P(EngineFaultTest, EndsInAWholeRunWithNoStepDoneTwice) {
  const int first = RunOwner(GetParam());
  EXPECT_TRUE(first == -SIGKILL || first == 0) << first;
  if (first != 0) {
    EXPECT_EQ(RunOwner(""), 0);
  }
  EXPECT_THAT(Effects(), UnorderedElementsAre("a", "b1", "b2", "c", "report"));
}

INSTANTIATE_TEST_SUITE_P(
    Points, EngineFaultTest,
    ::testing::Values("flow.turn.before_commit:kill:1", "flow.turn.after_commit:kill:1",
                      "flow.turn.before_commit:kill:2", "flow.turn.after_commit:kill:2",
                      "flow.turn.before_commit:kill:3", "flow.turn.after_commit:kill:3",
                      "flow.turn.before_commit:kill:5", "flow.turn.after_commit:kill:5",
                      "flow.step.before_submit:kill:1", "flow.step.after_submit:kill:1",
                      "flow.step.before_submit:kill:3", "flow.step.after_submit:kill:3",
                      "flow.step.before_success:kill:1", "flow.step.before_success:kill:3",
                      "flow.turn.disk_full:error:2", "flow.turn.disk_full:error:4"),
    [](const auto& info) {
      std::string name = info.param;
      for (char& c : name) {
        if (c == '.' || c == ':') c = '_';
      }
      return name;
    });

TEST_F(EngineFaultTest, KeepsNothingOfARunThatCouldNotBeStored) {
  EXPECT_EQ(RunOwner("flow.turn.disk_full:error:1"), kRefused);
  EXPECT_TRUE(Effects().empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/state/runs"));
  EXPECT_EQ(RunOwner(""), 0);
  EXPECT_EQ(Effects().size(), 5u);
}

// What RunOwner starts: instead of the tests, a process that owns the folder until its run is over.
class Owner : public ::testing::Environment {
 public:
  void SetUp() override {
    if (const char* folder = getenv("OWNER_FOLDER"); folder != nullptr) _exit(Own(folder));
  }

 private:
  static int Own(const std::string& folder) {
    auto store =
        store::Store::Open({.url = "sqlite://" + folder + "/regatta.db"}, {Engine::Schema()});
    if (!store.ok()) return Fail(store.status());
    auto engine = Engine::Open({.store = store->get(), .folder = folder + "/state"});
    if (!engine.ok()) return Fail(engine.status());
    std::mutex mutex;
    std::condition_variable changed;
    int commits = 0;
    (*engine)->Listen([&] {
      const std::lock_guard lock(mutex);
      ++commits;
      changed.notify_all();
    });
    RunRequest request;
    request.yaml = kEffects;
    request.working_directory = folder + "/pipeline";
    request.attach_interrupted = true;
    const auto run = (*engine)->CreateRun(request, nullptr);
    if (run.status().code() == absl::StatusCode::kResourceExhausted) return kRefused;
    if (!run.ok()) return Fail(run.status());
    std::unique_lock lock(mutex);
    while (true) {
      const int seen = commits;
      lock.unlock();
      const RunState state = (*engine)->GetRun(run->run.id)->state;
      lock.lock();
      if (IsFinal(state)) return state == RunState::kSucceeded ? 0 : 1;
      if (!changed.wait_for(lock, std::chrono::seconds(60), [&] { return commits != seen; })) {
        return Fail(absl::DeadlineExceededError("nothing was committed for 60 s"));
      }
    }
  }
  static int Fail(const absl::Status& status) {
    std::cerr << "owner: " << status << "\n";
    return 1;
  }
};
[[maybe_unused]] const auto* const owner = ::testing::AddGlobalTestEnvironment(new Owner);

#endif  // REGATTA_FAULTS

}  // namespace
}  // namespace regatta::flow
