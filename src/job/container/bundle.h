#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "job/container/containerd.h"
#include "job/job.h"

namespace regatta::job {

// What all replicas of a role have in common when they run in containers: written by the executor
// before the launch, read by `regatta container` (docs/formats/container.md).
struct ContainerPlan {
  std::string image;
  std::string working_directory;
  // In front of the replica's own words, and in place of them where it has none.
  std::vector<std::string> entry_point, arguments;
  ImageFiles files;
  std::vector<SharedFolder> folders;
};

// <job folder>/container/<role>.json
std::string PlanPath(const std::string& job_folder, const std::string& role);
absl::Status WritePlan(const std::string& path, const ContainerPlan& plan);
absl::StatusOr<ContainerPlan> ReadPlan(const std::string& path);

// One process in a container.
struct ContainerProcess {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // wins over the image's
  std::string root;  // folder in which the image's files are mounted, writable
  int uid = 0, gid = 0;
};

// config.json of an OCI bundle (https://github.com/opencontainers/runtime-spec, version 1.0). The
// container has files of its own and nothing else: network, process numbers and shared memory are
// the machine's, because the ranks of a job talk through them.
base::Json OciConfig(const ContainerPlan& plan, const ContainerProcess& process);

}  // namespace regatta::job
