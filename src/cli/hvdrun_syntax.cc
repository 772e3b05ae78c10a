#include "cli/hvdrun_syntax.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace regatta::cli {
namespace {

using train::HvdrunSetting;
using Kind = HvdrunSetting::Kind;

constexpr char kOfRanks[] = "Settings of the ranks";
constexpr char kOfElastic[] = "Elastic jobs";
constexpr char kOfHosts[] = "Other hosts";

void AddSettings(CLI::App* command, train::HvdrunOptions* options) {
  for (const HvdrunSetting& setting : train::kHvdrunSettings) {
    const std::string variable = setting.variable;
    const auto set = [options, variable](const std::string& value) {
      options->settings.push_back(absl::StrCat(variable, "=", value));
    };
    CLI::Option* flag = nullptr;
    switch (setting.kind) {
      case Kind::kSwitch:
        flag = command->add_flag_callback(setting.flag, [set] { set("1"); }, setting.help);
        break;
      case Kind::kNumber:
        flag = command->add_option_function<std::string>(setting.flag, set, setting.help)
                   ->check(CLI::NonNegativeNumber);
        break;
      case Kind::kWhole:
        flag = command->add_option_function<std::string>(setting.flag, set, setting.help)
                   ->check(CLI::Range(0, 1 << 30));
        break;
      case Kind::kMebibytes:
        flag = command
                   ->add_option_function<double>(
                       setting.flag,
                       [set](double mebibytes) {
                         set(std::to_string(std::llround(mebibytes * (1 << 20))));
                       },
                       setting.help)
                   ->check(CLI::Range(0.0, 1048576.0));
        break;
      case Kind::kText:
        flag = command->add_option_function<std::string>(setting.flag, set, setting.help);
        break;
    }
    flag->group(kOfRanks);
  }
}

// Switches of horovodrun's that turn off what another one turns on, or choose what is so anyway.
void AddOpposites(CLI::App* command, train::HvdrunOptions* options) {
  const auto sets = [&](const char* flags, const char* setting, const char* help) {
    command
        ->add_flag_callback(
            flags, [options, setting] { options->settings.emplace_back(setting); }, help)
        ->group(kOfRanks);
  };
  sets("--disable-cache", "HOROVOD_CACHE_CAPACITY=0", "As --cache-capacity 0");
  sets("--no-autotune", "HOROVOD_AUTOTUNE=0", "Also where the environment asks for it");
  sets("--no-hierarchical-allreduce", "HOROVOD_HIERARCHICAL_ALLREDUCE=0", "Likewise");
  sets("--no-hierarchical-allgather", "HOROVOD_HIERARCHICAL_ALLGATHER=0", "Likewise");
  sets("--no-torus-allreduce", "HOROVOD_TORUS_ALLREDUCE=0", "Likewise");
  sets("--no-timeline-mark-cycles", "HOROVOD_TIMELINE_MARK_CYCLES=0", "Likewise");
  sets("--stall-check", "HOROVOD_STALL_CHECK_DISABLE=0", "Likewise");
}

struct Refused {
  const char* flag;
  bool has_value;
  const char* reason;
};
constexpr Refused kRefused[] = {
    {"--mpi", false, "ranks meet without MPI here; leave it out"},
    {"--jsrun", false, "ranks are started by ssh here; give the hosts by -H or --hostfile"},
    {"--mpi-args", true, "there is no MPI here to give them to"},
    {"--mpi-threads-disable", false, "there is no MPI here; leave it out"},
    {"--no-mpi-threads-disable", false, "there is no MPI here; leave it out"},
    {"--tcp", false, "it is of MPI; -x ECCL_TRANSPORT=tcp makes all ranks talk over TCP"},
    {"--binding-args", true, "it is of MPI; see --thread-affinity"},
    {"--num-nccl-streams", true, "tensors are in host memory here"},
    {"--config-file", true, "there is no such file here; give its settings as options"},
    {"--hierarchical-allgather", false, "libeccl chooses how an all-gather travels"},
    {"--torus-allreduce", false, "libeccl has no torus; see --hierarchical-allreduce"},
    {"--gloo-timeout-seconds", true, "-x ECCL_TIMEOUT_MS=N is the ranks' time-out here"},
    {"--log-level", true, "--verbose is what there is"},
    {"--log-with-timestamp", false, "see --prefix-timestamp"},
    {"--log-without-timestamp", false, "see --prefix-timestamp; without it there is none"},
    {"--log-hide-timestamp", false, "see --prefix-timestamp; without it there is none"},
    {"--no-log-hide-timestamp", false, "see --prefix-timestamp"},
};

// They are known, so that the message can be about them, and not in the help.
void AddRefused(CLI::App* command) {
  for (const Refused& refused : kRefused) {
    const auto refuse = [&refused] { throw CLI::ValidationError(refused.flag, refused.reason); };
    CLI::Option* option =
        refused.has_value ? command->add_option_function<std::string>(
                                refused.flag, [refuse](const std::string& /*value*/) { refuse(); })
                          : command->add_flag_callback(refused.flag, refuse);
    option->group("");
  }
}

// Horovod's words of several letters behind one dash.
std::string TwoDashes(const std::string& flag) {
  if (flag == "-np") return "--num-proc";
  if (flag == "-cb") return "--check-build";
  if (flag == "-hostfile") return "--hostfile";
  if (flag == "-prefix-timestamp") return "--prefix-timestamp";
  return flag;
}

}  // namespace

void AddHvdrunFlags(CLI::App* command, train::HvdrunOptions* options, bool* check_build) {
  // Horovod's -np is written as two letters behind one dash.
  command->add_option("-n,--num-proc", options->size, "Number of ranks (also: -np N)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("-H,--hosts", options->hosts, "Hosts and how many ranks each takes")
      ->type_name("HOST:SLOTS,...");
  command->add_option("--hostfile", options->host_file, "The same from a file, a host a line")
      ->type_name("FILE");
  command->add_option("-x", options->variables, "Set a variable for the ranks; may be repeated")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  command
      ->add_option("--output-filename", options->output_folder,
                   "Also write to DIR/rank.N/stdout and stderr")
      ->type_name("DIR");
  command->add_flag("!--disable-prefix", options->prefix,
                    "Print lines without \"[rank]<stdout>:\"");
  command->add_flag("--prefix-timestamp,--prefix-output-with-timestamp", options->timestamp,
                    "Put the time before that");
  command
      ->add_option("--start-timeout", options->start_timeout,
                   "How long hosts may take to answer, in seconds (default: 30)")
      ->type_name("S")
      ->check(CLI::Range(0.1, 86400.0));
  command
      ->add_option("--grace-period", options->grace,
                   "Time between SIGTERM and SIGKILL, in seconds (default: 10)")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86400.0));
  command->add_flag("--verbose", options->verbose, "Show what agents and ssh say; ranks log more");
  command->add_flag("--check-build", *check_build, "Say which frameworks are served here, and end");
  command->add_flag_callback("--gloo", [] {}, "Accepted: ranks always meet without MPI");

  command
      ->add_option("--ssh-command", options->ssh_command,
                   "What comes before HOST COMMAND (default: ssh, asking nothing)")
      ->type_name("WORDS")
      ->group(kOfHosts);
  command->add_option("-p,--ssh-port", options->ssh_port, "Port of ssh")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65535))
      ->group(kOfHosts);
  command->add_option("-i,--ssh-identity-file", options->ssh_identity, "Key for ssh")
      ->type_name("FILE")
      ->group(kOfHosts);
  command
      ->add_option("--remote-program", options->remote_program,
                   "Where `regatta` is there (default: where it is here)")
      ->type_name("PATH")
      ->group(kOfHosts);
  command
      ->add_option("--network-interface,--network-interfaces,--nics", options->interface,
                   "Let ranks talk over this interface (default: the one that leads to the others)")
      ->type_name("NAME")
      ->group(kOfHosts);
  command
      ->add_option("--master-address", options->master_address,
                   "Where others reach rank 0's host (default: found out)")
      ->type_name("ADDRESS")
      ->group(kOfHosts);

  command->add_option("--min-np,--min-num-proc", options->min_size, "Fewest ranks")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20))
      ->group(kOfElastic);
  command->add_option("--max-np,--max-num-proc", options->max_size, "Most ranks")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20))
      ->group(kOfElastic);
  command
      ->add_option("--host-discovery-script", options->discovery_script,
                   "Program that prints HOST:SLOTS, one a line, whenever it is asked")
      ->type_name("PATH")
      ->group(kOfElastic);
  command
      ->add_option("--slots-per-host,--slots", options->slots_per_host,
                   "Slots of hosts for which it prints none (default: 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 65536))
      ->group(kOfElastic);
  command
      ->add_option("--blacklist-cooldown-range", options->cooldown,
                   "Seconds after which a slot whose rank failed is used again: they double from "
                   "MIN to MAX (default: never)")
      ->type_name("MIN MAX")
      ->expected(2)
      ->check(CLI::NonNegativeNumber)
      ->group(kOfElastic);
  command
      ->add_option("--elastic-timeout", options->patience,
                   "How long to wait for the fewest ranks, in seconds (default: 600)")
      ->type_name("S")
      ->check(CLI::Range(0.1, 1e9))
      ->group(kOfElastic);
  command
      ->add_option("--reset-limit", options->reset_limit,
                   "How often the ranks may come together anew (default: any number)")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30))
      ->group(kOfElastic);
  AddSettings(command, options);
  AddOpposites(command, options);
  AddRefused(command);
}

HvdrunWords SplitHvdrun(const CLI::App* command, const std::vector<std::string>& words) {
  HvdrunWords split;
  std::size_t at = 0;
  while (at < words.size() && words[at].starts_with('-')) {
    if (words[at] == "--") {
      ++at;
      break;
    }
    const std::string flag = TwoDashes(words[at++]);
    split.flags.push_back(flag);
    if (flag.find('=') != std::string::npos) continue;
    const bool glued = !flag.starts_with("--") && flag.size() > 2;  // -xNAME
    const CLI::Option* option = command->get_option_no_throw(flag);
    int values = option == nullptr || glued ? 0 : option->get_items_expected_min();
    for (; values > 0 && at < words.size(); --values) split.flags.push_back(words[at++]);
  }
  split.command.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  return split;
}

}  // namespace regatta::cli
