#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace regatta::job {

// Which environment contract the replicas get (docs/design/job.md has the table of variables).
// kPlain still gets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
enum class Framework { kPlain, kPyTorch, kTensorFlow, kPaddle };

// What one replica may use. Zero means "not counted". CPUs are counted for admission; memory is
// counted, and enforced by a cgroup where one can be written (JobStatus says when it is not).
struct Resources {
  double cpus = 0;
  std::int64_t memory_bytes = 0;
};

// Whether a replica that ended by itself is started again, as Kubeflow's jobs say it. kExitCode:
// after exit codes from 128 on, and signals, which count as 128 + the signal.
enum class RestartPolicy { kNever, kOnFailure, kAlways, kExitCode };

// A folder, or a file, of this machine that replicas with an image see.
struct SharedFolder {
  std::string path;    // absolute
  std::string inside;  // where they see it; empty: at the same place
  bool read_only = false;
};

// One role of a job: `replicas` processes with the same command.
struct Role {
  std::string name = "worker";  // "master", "worker", "ps", "chief", "evaluator", ...
  int replicas = 1;
  std::vector<std::string> argv;  // executed as it is, never parsed by a shell
  // Whether $(NAME) in `argv`, and in JobSpec::env, stands for a variable of `env` or of the
  // contract (kubeflow/model.h).
  bool expand_references = false;
  std::map<std::string, std::string> env;
  Resources resources;  // of each replica
  // Container image whose files the replicas see; empty: this machine's. Where the executor starts
  // no containers, the job has a warning.
  std::string image;
  // `argv` has no command, only arguments (or nothing) for the entry point of the image.
  bool image_entry_point = false;
  // Where the replicas start, absolute; empty: in the job's. One of this machine that does not
  // exist is a warning, not a failure.
  std::string working_directory;
  // In an image, where `working_directory` is empty, the image's own comes before the job's.
  bool image_directory = false;
  // A replica is started again with the same rank and ports; its log is a new one
  // (AttemptFolder). One that was stopped, or has timed out, is not.
  RestartPolicy restart = RestartPolicy::kNever;
};

// One distributed job. The creator makes the id, so that submitting again after a crash is the same
// job.
struct JobSpec {
  std::string id;    // ULID
  std::string name;  // for people
  std::string project = "default";
  std::string created_by;
  Framework framework = Framework::kPlain;
  std::vector<Role> roles;                 // global ranks go role by role, in this order
  std::map<std::string, std::string> env;  // all replicas; a role's own entry wins
  std::string working_directory;           // absolute
  // Absolute folder of the job; the executor makes it. Holds the intent record, launch tokens, exit
  // files, log segments and metrics (docs/formats/shim.md).
  std::string directory;
  // Modules that the Python which runs the replicas must be able to import. When set, the folder of
  // the chosen interpreter is put in front of PATH.
  std::vector<std::string> python_imports;
  // What replicas with an image see of this machine; the working directory is added.
  std::vector<SharedFolder> folders;
  bool inherit_environment = true;          // the executor's own environment, without secrets
  std::chrono::milliseconds grace{10'000};  // between SIGTERM and SIGKILL
  // Of each replica from its start; zero: none.
  std::chrono::milliseconds timeout{0};
  std::optional<int> restart_limit;  // of all replicas together; absent: none
  // The job has succeeded once these ranks have, whatever the others do. Empty: all ranks.
  std::vector<int> deciding_ranks;
  // Whether the replicas that still run are stopped once it is known how the job ends.
  bool stop_rest = true;
};

enum class ReplicaState { kPending, kRunning, kSucceeded, kFailed, kTerminated };

struct ReplicaStatus {
  int rank = 0;
  std::string role;
  int index = 0;  // within the role
  ReplicaState state = ReplicaState::kPending;
  int pid = 0;  // 0 before the launch
  std::optional<int> exit_code;
  std::optional<int> signal;
  base::Micros started_at = 0;
  base::Micros finished_at = 0;
  int restarts = 0;     // how often it was started again
  std::string message;  // "killed by SIGKILL (9)", "exit code 3", "stopped because rank 1 failed"
};

// kTerminated: stopped because somebody asked. A job fails as soon as one replica fails for good;
// the others are then stopped (unless JobSpec::stop_rest is false), and `message` names the replica
// that failed first, its rank, and how.
enum class JobState { kPending, kRunning, kSucceeded, kFailed, kTerminated };

struct JobStatus {
  std::string id;
  JobState state = JobState::kPending;
  // Why: "waits for 2 CPUs (1 of 2 free)", "rank 1 (worker 1, pid 4711) was killed by SIGKILL".
  std::string message;
  // Things the user should know that are no failure: "memory is counted but not enforced: ...".
  std::vector<std::string> warnings;
  // kFailed because its processes are gone without having left exit records, as after a power loss:
  // nothing is known against trying again, as a new job with a new id.
  bool vanished = false;
  // How it will end, known before the last replica has ended: kSucceeded or kFailed.
  std::optional<JobState> decided;
  int launches = 0;  // how often the job was launched; never more than 1 for one job id
  // How many "job.metric" events it has told of. Each comes before the "job.status" event of the
  // end, but an earlier one may find the job ended: then some are still on their way.
  std::int64_t metrics = 0;
  std::string interpreter;  // the Python chosen for python_imports, and why; empty without
  base::Micros started_at = 0;
  base::Micros finished_at = 0;
  std::vector<ReplicaStatus> replicas;  // by rank
};

inline bool IsFinal(JobState state) {
  return state != JobState::kPending && state != JobState::kRunning;
}

}  // namespace regatta::job
