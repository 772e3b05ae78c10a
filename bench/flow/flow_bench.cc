// flow_bench PIPELINE.yaml FOLDER: runs a pipeline with the real engine on a real SQLite file and
// an executor that starts nothing, and prints {"steps": N, "succeeded": N, "cached": N,
// "open_ms": N, "run_ms": N, "peak_mib": N}. What is left is what the engine itself costs: parsing,
// deciding, cache keys, durable commits, events. A second time on the same folder it finds the
// cache of the first, and takes up a run that was killed before its end (open_ms).

#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "flow/engine.h"
#include "job/executor.h"
#include "store/store.h"

namespace {

using regatta::flow::Engine;

// Ends the program with a message: a benchmark has no caller to hand an error to.
template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::cerr << "flow_bench: " << result.status().message() << "\n";
    std::exit(1);
  }
  return *std::move(result);
}

bool Final(regatta::flow::RunState state) {
  using regatta::flow::RunState;
  return state == RunState::kSucceeded || state == RunState::kFailed ||
         state == RunState::kTerminated;
}

int Run(const std::string& yaml_path, const std::string& folder) {
  std::ifstream file(yaml_path);
  const std::string yaml((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto store = Must(
      regatta::store::Store::Open({.url = "sqlite://" + folder + "/bench.db"}, {Engine::Schema()}));
  regatta::flow::EngineOptions options;
  options.store = store.get();
  options.folder = folder;
  options.make_executor = [](regatta::base::EventSink* sink)
      -> absl::StatusOr<std::unique_ptr<regatta::job::Executor>> {
    return regatta::job::NewNoopExecutor(sink);
  };
  const auto opening = std::chrono::steady_clock::now();
  auto engine = Must(Engine::Open(std::move(options)));
  const std::chrono::duration<double, std::milli> opened =
      std::chrono::steady_clock::now() - opening;

  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t commits = 0;
  const std::int64_t token = engine->Listen([&] {
    const std::lock_guard lock(mutex);
    ++commits;
    changed.notify_one();
  });
  regatta::flow::RunRequest request;
  request.yaml = yaml;
  request.source = yaml_path;
  request.working_directory = folder;
  request.created_by = "bench";
  std::int64_t last_event = engine->LastEventId();
  const auto begin = std::chrono::steady_clock::now();
  const std::string id = Must(engine->CreateRun(request, nullptr)).run.id;

  // The cheap question first: the run's last event is its own change of state.
  std::int64_t seen = 0;
  bool over = false;
  while (!over) {
    const auto events = Must(engine->EventsAfter(last_event, id, 1000));
    for (const auto& event : events) {
      last_event = event.id;
      if (event.type == "run") over = over || Final(Must(engine->GetRun(id)).state);
    }
    if (over || !events.empty()) continue;
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, std::chrono::seconds(60), [&] { return commits > seen; })) {
      std::cerr << "flow_bench: the engine committed nothing for 60 s\n";
      return 1;
    }
    seen = commits;
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  engine->Unlisten(token);
  std::int64_t succeeded =
      Must(engine->ListSteps(id, {.states = {regatta::flow::StepState::kSucceeded}, .limit = 1}))
          .total;
  const std::int64_t steps = Must(engine->ListSteps(id, {.limit = 1})).total;
  const int cached = Must(engine->GetRun(id)).cached_steps;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"steps\": " << steps << ", \"succeeded\": " << succeeded
            << ", \"cached\": " << cached << ", \"open_ms\": " << opened.count()
            << ", \"run_ms\": " << took.count()
            << ", \"peak_mib\": " << static_cast<double>(usage.ru_maxrss) / 1024 << "}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: flow_bench PIPELINE.yaml FOLDER\n";
    return 2;
  }
  return Run(argv[1], argv[2]);
}
