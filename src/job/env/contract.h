#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "job/job.h"
#include "job/job_files.h"

// The environment contracts: which variables a replica finds. docs/design/job.md has the table.
// One file for each framework; contract.cc has the table of them.
namespace regatta::job {

using Env = std::map<std::string, std::string>;

struct Member {
  int rank = 0;
  const Role* role = nullptr;
  int index = 0;  // within the role
};

// All replicas of a job by rank. `spec` must outlive the result.
std::vector<Member> Members(const JobSpec& spec);

// All replicas run on this machine.
inline constexpr char kLoopback[] = "127.0.0.1";

struct World {
  const JobSpec& spec;
  const std::vector<Member>& members;
  const Launch& launch;

  int MasterPort() const { return launch.ports.at(0); }
  int EcclPort() const { return launch.ports.at(1); }
  int PortOf(int rank) const { return launch.ports.at(static_cast<std::size_t>(rank) + 2); }
  std::string EndpointOf(int rank) const;  // "127.0.0.1:20001"
};

void AddCommon(const World& world, const Member& member, Env* env);
void AddPyTorch(const World& world, const Member& member, Env* env);
void AddTensorFlow(const World& world, const Member& member, Env* env);
void AddPaddle(const World& world, const Member& member, Env* env);

// What the contract of the job's framework gives to one replica; nothing else.
Env ContractEnv(const World& world, const Member& member);

// The whole environment of one replica: `inherited` without secrets and without what another job
// around this process was given, then the defaults of the framework, the job's entries, the role's,
// and at last the contract, which nobody can override.
Env ReplicaEnv(const Env& inherited, const World& world, const Member& member);

// The command of one replica, with its references replaced.
std::vector<std::string> ReplicaArgv(const World& world, const Member& member);

// This process's environment, without what ReplicaEnv must not hand on.
Env InheritedEnv();

}  // namespace regatta::job
