#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "job/yaml/problem.h"

namespace regatta::flow {

// The model of a pipeline after parsing and checking: PaddleFlow's schema (docs/guide/pipelines.md)
// with our extensions. Plain data; no YAML library behind it. Every element knows where it stands
// in its file, so that an error found later (at run time) can still name the place.

using job::Place;
using job::Problem;

enum class ParameterType { kAny, kString, kInt, kFloat, kPath, kList };

struct Parameter {
  ParameterType type = ParameterType::kAny;
  base::Json value;  // string, integer, float or list; null: no default, must be given
  Place place;
};

struct OutputArtifact {
  std::string name;
  std::string from;  // a DAG's: "{{child.artifact}}"; empty for a step
  Place place;
};

struct InputArtifact {
  std::string name;
  std::string from;  // "{{step.artifact}}" or "{{PF_PARENT.artifact}}"
  Place place;
};

struct FsScope {
  std::string name;                // a mounted file system
  std::vector<std::string> paths;  // "/": all of it
  Place place;
};

// A file system that steps see: at `mount_path` in a container, as a folder on this machine
// (file_systems.h says which).
struct FileSystem {
  std::string name;
  std::string sub_path;    // what of it is seen; empty: all
  std::string mount_path;  // empty: a place of the executor's choice
  bool read_only = false;
  Place place;
};

struct CacheOptions {
  std::optional<bool> enable;
  std::optional<std::int64_t> max_expired_seconds;  // -1: never expires
  std::vector<FsScope> fs_scope;
};

// Flavour of a member of a distributed job.
struct Flavour {
  std::string name;
  double cpus = 0;
  std::int64_t memory_bytes = 0;
};

struct Member {
  std::string role;
  int replicas = 1;
  std::optional<std::string> command;  // else the step's
  std::map<std::string, std::string> env;
  Flavour flavour;
  Place place;
};

struct DistributedJob {
  std::string framework;  // "", pytorch, tensorflow, paddle
  std::vector<Member> members;
  Place place;
};

// A step's command: a string is given to `sh -c` (so parameters are shell text, as in PaddleFlow);
// a list is executed as it is and never parsed by a shell.
struct Command {
  std::string shell;
  std::vector<std::string> argv;
  Place place;
  bool empty() const { return shell.empty() && argv.empty(); }
};

// What happens when a step's command fails.
struct Retry {
  int limit = 0;  // how often it is tried again
  // Before the second attempt; each further pause is twice as long, at most an hour.
  std::chrono::milliseconds backoff{0};
  // Only these failures, a death by signal n being 128 + n; empty: every failure, also a time-out
  // and an output that was not written.
  std::vector<int> exit_codes;
};

enum class NodeKind { kStep, kDag, kPostProcess };

// A step or a DAG. Names of nodes, parameters and artifacts are unique among siblings.
struct Node {
  std::string name;
  NodeKind kind = NodeKind::kStep;
  Place place;
  std::vector<std::string> deps;
  std::map<std::string, Parameter> parameters;
  std::vector<InputArtifact> inputs;
  std::vector<OutputArtifact> outputs;
  std::string condition;                      // empty: none
  std::optional<base::Json> loop_argument;    // a list, or a string that is one template
  std::map<std::string, Place> field_places;  // of "condition", "loop_argument", "command", ...
  // Steps only:
  Command command;
  std::map<std::string, std::string> env;
  std::string docker_env;
  CacheOptions cache;
  std::vector<FileSystem> extra_fs;  // the pipeline's own come after these
  std::optional<DistributedJob> distributed_job;
  // Our extensions:
  std::vector<std::string> snapshot_paths;  // code files that enter the cache key
  std::vector<std::string> python_imports;  // the interpreter must be able to import these
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<std::chrono::milliseconds> grace;
  std::optional<Retry> retry;
  // DAGs only: children in the order of the file.
  std::vector<std::unique_ptr<Node>> children;
  bool disabled = false;
};

enum class FailureStrategy { kFailFast, kContinue };

struct Pipeline {
  std::string name;
  bool compat = false;  // PaddleFlow's language and quirks, nothing of ours
  // Digest of the whole text; only in `compat`, where a change of any line changes every key.
  std::string source_digest;
  std::string docker_env;
  int parallelism = 10;  // most steps that run at once
  FailureStrategy failure_strategy = FailureStrategy::kFailFast;
  CacheOptions cache;
  std::optional<FileSystem> main_fs;
  std::vector<FileSystem> extra_fs;  // every step sees these, too
  std::vector<std::unique_ptr<Node>> entry_points;
  std::unique_ptr<Node> post_process;  // at most one
};

}  // namespace regatta::flow
