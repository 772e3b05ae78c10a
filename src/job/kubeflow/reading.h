#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "job/kubeflow/model.h"
#include "job/yaml/map_reader.h"

// What the parts of the parser of training jobs share. parse.cc, parse_pod.cc.
namespace regatta::job {

using Names = std::vector<std::string>;

Names Together(Names names, const Names& more);

// Where problems and warnings go while one job is read.
class Reading {
 public:
  Reading(const std::string& file, ReadContext* context, TrainingJob* job)
      : file_(file), context_(context), job_(job) {}

  ReadContext& context() const { return *context_; }
  TrainingJob& job() const { return *job_; }

  // "job.yaml:7: spec.runPolicy.managedBy is ignored on one machine".
  void Warn(int line, const std::string& path, const std::string& text) const;
  void Ignored(const MapReader& reader, const Names& names, const std::string& why = "") const;
  // nullopt when absent or, with a problem, when it is not in the range.
  std::optional<std::int64_t> Number(const MapReader& reader, const char* key, std::int64_t least,
                                     std::int64_t most) const;

 private:
  const std::string& file_;
  ReadContext* context_;
  TrainingJob* job_;
};

// The ConfigMaps and Secrets that stand beside the job in its file: their texts by "Kind/name".
using Objects = std::map<std::string, std::map<std::string, std::string>>;

// What differs between the kinds where a pod is read.
struct PodRules {
  std::string_view kind;
  std::string container;      // whose command counts; empty: the first one's
  bool own_restart = false;   // the pod's restartPolicy counts
  bool needs_command = true;  // the workers of an MPIJob are started by its launcher
};

// Reads `template.spec` of a replica.
void ReadPod(const Reading& reading, const Objects& objects, const YamlNode& node,
             const std::string& path, const PodRules& rules, ReplicaSpec* replica);

// The key "restartPolicy" of `reader`. `exit_code`: whether ExitCode is one, too.
void ReadRestart(const Reading& reading, const MapReader& reader, bool exit_code,
                 RestartPolicy* restart);

}  // namespace regatta::job
