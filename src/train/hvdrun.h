#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace regatta::train {

// What `regatta hvdrun` was asked for. Flags that only set a variable of the ranks are in
// `settings` already.
struct HvdrunOptions {
  std::vector<std::string> command;
  int size = 0;                        // -np; 0: not given
  std::string hosts;                   // -H
  std::string host_file;               // --hostfile
  std::vector<std::string> variables;  // -x, as given
  std::vector<std::string> settings;   // "NAME=value"
  std::string output_folder;
  bool prefix = true;
  bool timestamp = false;
  bool verbose = false;
  double start_timeout = 30;  // seconds
  double grace = 10;          // seconds
  std::string ssh_command;    // "": ssh
  std::optional<int> ssh_port;
  std::string ssh_identity;
  std::string remote_program;  // "": where this program is here
  std::string master_address;
  std::string interface;

  // Of elastic jobs.
  std::optional<int> min_size;
  std::optional<int> max_size;
  std::string discovery_script;
  int slots_per_host = 1;
  std::vector<double> cooldown;  // seconds, least and most; empty: for ever
  double patience = 600;         // seconds
  std::optional<int> reset_limit;

  bool elastic() const { return min_size || max_size || !discovery_script.empty(); }
};

// Variables that Horovod's flags stand for.
struct HvdrunSetting {
  const char* flag;
  const char* variable;
  enum class Kind { kSwitch, kNumber, kMebibytes, kWhole, kText } kind;
  const char* help;
};
extern const std::vector<HvdrunSetting> kHvdrunSettings;

// Runs the job to its end; returns its exit code, or kInvalidArgument for what contradicts itself.
base::Result<int> RunHvdrun(const HvdrunOptions& options);

}  // namespace regatta::train
