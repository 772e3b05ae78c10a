// A small engine for tests and measurements: a process of its own, so that it can be killed.
//   job_driver run <folder> <job id> <replicas> <script>   submits one job, prints how it ended
//   job_driver many <folder> <jobs> <at a time>            runs `true` that often, prints times
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "job/test_support.h"

namespace regatta::job {
namespace {

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

JobSpec SpecIn(const std::string& folder, const std::string& id, int replicas,
               std::vector<std::string> argv) {
  JobSpec spec;
  spec.id = id;
  spec.working_directory = folder;
  spec.directory = folder + "/" + id;
  spec.roles.push_back({.replicas = replicas, .argv = std::move(argv)});
  return spec;
}

int RunOne(char** argv) {
  TestSink sink;
  auto executor = NewLocalExecutor({.cpus = 2}, &sink);
  if (!executor.ok()) return 1;
  const JobSpec spec = SpecIn(argv[2], argv[3], std::atoi(argv[4]), {"/bin/sh", "-c", argv[5]});
  if (const absl::Status status = (*executor)->Submit(spec); !status.ok()) {
    std::printf("%s\n", status.ToString().c_str());
    return 1;
  }
  const JobStatus status = WaitForEnd(**executor, sink, spec.id);
  std::printf("state=%d launches=%d message=%s\n", static_cast<int>(status.state), status.launches,
              status.message.c_str());
  return 0;
}

int RunMany(char** argv) {
  const int jobs = std::atoi(argv[3]);
  const std::size_t at_a_time = static_cast<std::size_t>(std::atoi(argv[4]));
  TestSink sink;
  auto executor = NewLocalExecutor({}, &sink);
  if (!executor.ok()) return 1;
  const base::Micros begin = base::MonotonicMicros();
  std::vector<std::string> running;
  int submitted = 0;
  int succeeded = 0;
  while (submitted < jobs || !running.empty()) {
    while (submitted < jobs && running.size() < at_a_time) {
      const JobSpec spec = SpecIn(argv[2], base::NewUlid(), 1, {"true"});
      if (!(*executor)->Submit(spec).ok()) return 1;
      running.push_back(spec.id);
      ++submitted;
    }
    sink.WaitFor([&] {
      return std::erase_if(running, [&](const std::string& id) {
               const JobState state = (*executor)->Status(id)->state;
               if (!IsFinal(state)) return false;
               succeeded += state == JobState::kSucceeded;
               (*executor)->Forget(id);
               return true;
             }) > 0;
    });
  }
  const double wall = static_cast<double>(base::MonotonicMicros() - begin) / 1e6;
  std::printf("jobs=%d succeeded=%d wall=%.2fs engine_cpu=%.2fs shims_cpu=%.2fs\n", jobs, succeeded,
              wall, CpuSeconds(RUSAGE_SELF), CpuSeconds(RUSAGE_CHILDREN));
  return succeeded == jobs ? 0 : 1;
}

}  // namespace
}  // namespace regatta::job

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "run" && argc == 6) return regatta::job::RunOne(argv);
  if (mode == "many" && argc == 5) return regatta::job::RunMany(argv);
  std::fprintf(stderr, "usage: job_driver run|many ...\n");
  return 2;
}
