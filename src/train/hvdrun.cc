#include "train/hvdrun.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "train/environment.h"
#include "train/fixed_job.h"
#include "train/hosts.h"
#include "train/launcher.h"

namespace regatta::train {
namespace {

using base::Code;
using base::Status;
using Kind = HvdrunSetting::Kind;

base::Micros FromSeconds(double seconds) { return static_cast<base::Micros>(seconds * 1e6); }

Status Wrong(std::string text) { return {Code::kInvalidArgument, std::move(text)}; }

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string OwnPath() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error);
}

base::Result<LauncherOptions> ForLauncher(const HvdrunOptions& options) {
  LauncherOptions launcher;
  if (!options.ssh_command.empty()) launcher.remote.command = Words(options.ssh_command);
  if (launcher.remote.command.empty()) return Wrong("--ssh-command is blank");
  const auto add = [&](std::initializer_list<std::string> words) {
    launcher.remote.command.insert(launcher.remote.command.end(), words);
  };
  if (options.ssh_port) add({"-p", std::to_string(*options.ssh_port)});
  if (!options.ssh_identity.empty()) add({"-i", options.ssh_identity});
  launcher.remote.program = options.remote_program.empty() ? OwnPath() : options.remote_program;
  launcher.start_timeout = FromSeconds(options.start_timeout);
  launcher.grace = FromSeconds(options.grace);
  launcher.verbose = options.verbose;
  launcher.interface = options.interface;
  std::error_code error;
  launcher.directory = std::filesystem::current_path(error);
  if (error) return Wrong("the current folder is gone");
  return launcher;
}

int SlotsOf(const std::vector<Host>& hosts) {
  int slots = 0;
  for (const Host& host : hosts) slots += host.slots;
  return slots;
}

}  // namespace

const std::vector<HvdrunSetting> kHvdrunSettings = {
    {"--fusion-threshold-mb", "HOROVOD_FUSION_THRESHOLD", Kind::kMebibytes,
     "MiB of tensors that travel together"},
    {"--cycle-time-ms", "HOROVOD_CYCLE_TIME", Kind::kNumber, "Time to wait for company"},
    {"--cache-capacity", "HOROVOD_CACHE_CAPACITY", Kind::kWhole, "Tensors to remember; 0: none"},
    {"--hierarchical-allreduce", "HOROVOD_HIERARCHICAL_ALLREDUCE", Kind::kSwitch,
     "Reduce inside hosts first"},
    {"--autotune", "HOROVOD_AUTOTUNE", Kind::kSwitch, "Find a good threshold and cycle time"},
    {"--autotune-log-file", "HOROVOD_AUTOTUNE_LOG", Kind::kText, "What the search measured (CSV)"},
    {"--autotune-warmup-samples", "HOROVOD_AUTOTUNE_WARMUP_SAMPLES", Kind::kWhole,
     "Samples that do not count"},
    {"--autotune-steps-per-sample", "HOROVOD_AUTOTUNE_STEPS_PER_SAMPLE", Kind::kWhole,
     "Steps of a sample"},
    {"--autotune-bayes-opt-max-samples", "HOROVOD_AUTOTUNE_BAYES_OPT_MAX_SAMPLES", Kind::kWhole,
     "How long to search"},
    {"--autotune-gaussian-process-noise", "HOROVOD_AUTOTUNE_GAUSSIAN_PROCESS_NOISE", Kind::kNumber,
     "Noise of a measurement"},
    {"--timeline-filename", "HOROVOD_TIMELINE", Kind::kText, "Write a Chrome trace"},
    {"--timeline-mark-cycles", "HOROVOD_TIMELINE_MARK_CYCLES", Kind::kSwitch,
     "With the cycles in it"},
    {"--no-stall-check", "HOROVOD_STALL_CHECK_DISABLE", Kind::kSwitch,
     "Do not warn of missing tensors"},
    {"--stall-check-warning-time-seconds", "HOROVOD_STALL_CHECK_TIME_SECONDS", Kind::kNumber,
     "When to warn"},
    {"--stall-check-shutdown-time-seconds", "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS", Kind::kNumber,
     "When to give up"},
    {"--thread-affinity", "HOROVOD_THREAD_AFFINITY", Kind::kText,
     "Cores of the background threads"},
};

base::Result<int> RunHvdrun(const HvdrunOptions& options) {
  if (options.command.empty()) return Wrong("a command is missing: what do the ranks run?");
  if (options.elastic()) return Wrong("RunHvdrun has no elastic jobs");
  const int sources = static_cast<int>(!options.hosts.empty()) +
                      static_cast<int>(!options.host_file.empty()) +
                      static_cast<int>(!options.discovery_script.empty());
  if (sources > 1) return Wrong("give one of -H, --hostfile and --host-discovery-script");
  std::vector<Host> hosts;
  if (!options.hosts.empty()) {
    BASE_ASSIGN_OR_RETURN(hosts, ParseHosts(options.hosts));
  } else if (!options.host_file.empty()) {
    BASE_ASSIGN_OR_RETURN(hosts, ReadHostFile(options.host_file));
  }
  const int slots = SlotsOf(hosts);
  const int size = options.size > 0 ? options.size : slots;
  if (size < 1) return Wrong("-np is missing: how many ranks?");
  if (hosts.empty()) hosts = {{"localhost", size}};
  if (SlotsOf(hosts) < size) {
    return Wrong("the hosts have " + std::to_string(slots) + " slots for " + std::to_string(size) +
                 " ranks");
  }
  std::vector<std::string> variables = options.settings;
  for (const std::string& text : options.variables) {
    BASE_RETURN_IF_ERROR(AddVariables(text, &variables));
  }
  BASE_ASSIGN_OR_RETURN(LauncherOptions launcher_options, ForLauncher(options));
  const OutputOptions output{
      .folder = options.output_folder, .prefix = options.prefix, .timestamp = options.timestamp};
  Launcher launcher(std::move(launcher_options), output);
  FixedJob job({.hosts = std::move(hosts),
                .size = size,
                .command = options.command,
                .variables = std::move(variables),
                .remote_variables = EnvironmentForOtherHosts(),
                .master_address = options.master_address},
               &launcher);
  return launcher.Run(&job);
}

}  // namespace regatta::train
