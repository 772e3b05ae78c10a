#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "job/env/contract.h"
#include "job/fuzz/fuzz_support.h"
#include "job/kubeflow/model.h"

namespace regatta::job {
namespace {

constexpr std::size_t kMostBytes = 32u << 20;  // of what a small file may grow to

void CheckSpec(const TrainingJob& job) {
  JobSpec spec = ToJobSpec(job, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "/jobs/one");
  Require(!spec.roles.empty(), "a job has something to run");
  int ranks = 0;
  for (const Role& role : spec.roles) {
    Require(role.replicas >= 1 && role.replicas <= 10'000, "the number of replicas is in bounds");
    ranks += role.replicas;
    Require(role.resources.memory_bytes >= 0, "memory is not negative");
    Require(std::isfinite(role.resources.cpus) && role.resources.cpus >= 0, "CPUs are a number");
    std::size_t bytes = 0;
    for (const auto& [name, value] : role.env) bytes += name.size() + value.size();
    Require(bytes < kMostBytes, "variables do not grow without end");
  }
  for (const int rank : spec.deciding_ranks) {
    Require(rank >= 0 && rank < ranks, "the ranks that decide exist");
  }
  for (const MpiFile& file : MpiFiles(job)) Require(!file.content.empty(), "a file says something");
  // What a replica is started with. The addresses of ten thousand are not what is looked at here.
  if (ranks > 64) return;
  Launch launch;
  for (int i = 0; i < ranks + 2; ++i) launch.ports.push_back(20'000 + i);
  const std::vector<Member> members = Members(spec);
  const World world{spec, members, launch};
  for (const Member& member : members) {
    std::size_t bytes = 0;
    for (const std::string& word : ReplicaArgv(world, member)) bytes += word.size();
    for (const auto& [name, value] : ReplicaEnv({}, world, member)) {
      bytes += name.size() + value.size();
    }
    Require(bytes < kMostBytes, "a command line does not grow without end");
  }
}

}  // namespace
}  // namespace regatta::job

// Any bytes are a job that an executor can be asked for, or problems with a place.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace regatta::job;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Problem> problems;
  const auto job = ParseTrainingJob(text, "job.yaml", &problems);
  Require(job.ok() == problems.empty(), "a file is good or has problems");
  for (const Problem& problem : problems) {
    Require(problem.place.line >= 1 && problem.place.column >= 1, "a problem has a place");
    Require(IsOneLine(problem.ToString()), "a problem is one line");
  }
  if (!job.ok()) {
    Require(IsOneLine(job.status().message()), "a message is one line");
    return 0;
  }
  for (const std::string& warning : job->warnings) {
    Require(IsOneLine(warning), "a warning is one line");
  }
  Require(!job->name.empty() && job->name.size() <= 63, "a job has a name");
  CheckSpec(*job);
  return 0;
}
