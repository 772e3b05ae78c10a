#include "cli/settings.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/log.h"

namespace regatta::cli {
namespace {

using base::ConfigType;

std::optional<std::string> FromEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::string UserFolder(const char* variable, const char* below_home) {
  const std::optional<std::string> folder = FromEnvironment(variable);
  if (folder && folder->starts_with('/')) return *folder;
  return base::JoinPath(FromEnvironment("HOME").value_or("/"), below_home);
}

std::vector<base::ConfigKey> Keys() {
  return {
      {.name = "home",
       .environment = "REGATTA_HOME",
       .fallback = base::JoinPath(UserFolder("XDG_DATA_HOME", ".local/share"), "regatta"),
       .help = "state directory: database, runs, artifacts, logs"},
      {.name = "listen",
       .environment = "REGATTA_LISTEN",
       .fallback = "127.0.0.1:8470",
       .help = "address on which `regatta serve` listens"},
      {.name = "store",
       .environment = "REGATTA_STORE",
       .type = ConfigType::kUrl,
       .help = "database URL; empty: SQLite in the state directory"},
      {.name = "log_level",
       .environment = "REGATTA_LOG",
       .type = ConfigType::kChoice,
       .fallback = "info",
       .help = "least important log lines that are written",
       .choices = {"debug", "info", "warning", "error"}},
      {.name = "log_format",
       .environment = "REGATTA_LOG_FORMAT",
       .type = ConfigType::kChoice,
       .fallback = "text",
       .help = "how log lines look",
       .choices = {"text", "json"}},
      {.name = "python",
       .environment = "REGATTA_PYTHON",
       .help = "Python for steps; empty: the first that can import what a step needs"},
      {.name = "cpus",
       .environment = "REGATTA_CPUS",
       .type = ConfigType::kNumber,
       .fallback = "0",
       .help = "CPUs that steps may use together; 0: those of this machine",
       .maximum = 1e6},
      {.name = "memory_mib",
       .environment = "REGATTA_MEMORY_MIB",
       .type = ConfigType::kInteger,
       .fallback = "0",
       .help = "memory in MiB that steps may use together; 0: that of this machine",
       .maximum = 1e12},
      {.name = "max_processes",
       .environment = "REGATTA_MAX_PROCESSES",
       .type = ConfigType::kInteger,
       .fallback = "0",
       .help = "most processes of steps at once; 0: four a CPU",
       .maximum = 1e6},
      {.name = "file_systems",
       .environment = "REGATTA_FILE_SYSTEMS",
       .help = "folders of the file systems that pipelines name, as data=/mnt/data,out=/srv/out; "
               "others: the folder of the pipeline"},
      {.name = "containerd",
       .environment = "REGATTA_CONTAINERD",
       .help =
           "containerd's socket, to run steps in the image they name; empty: images are not used"},
      {.name = "containerd_namespace",
       .environment = "REGATTA_CONTAINERD_NAMESPACE",
       .fallback = "regatta",
       .help = "containerd's namespace for images"},
  };
}

// A file that is not there is no error. `skip_home`: the key cannot be set from inside the home.
absl::Status ReadFileInto(const std::string& path, bool skip_home, base::Config* config) {
  const auto text = base::ReadFile(path, 1u << 20);
  if (!text.ok()) {
    if (text.status().code() == base::Code::kNotFound) return absl::OkStatus();
    return ToAbsl(text.status());
  }
  try {
    const YAML::Node root = YAML::Load(*text);
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":1: must hold settings, one \"name: value\" a line"));
    }
    for (const auto& entry : root) {
      const std::string origin = absl::StrCat(path, ":", entry.first.Mark().line + 1);
      const auto name = entry.first.as<std::string>();
      if (!entry.second.IsScalar()) {
        return absl::InvalidArgumentError(
            absl::StrCat(origin, ": \"", name, "\" must be one value"));
      }
      if (skip_home && name == "home") {
        return absl::InvalidArgumentError(absl::StrCat(
            origin, ": \"home\" cannot be set inside the state directory; use REGATTA_HOME, ",
            "--home, or ", UserFolder("XDG_CONFIG_HOME", ".config"), "/regatta/config.yaml"));
      }
      RETURN_IF_ERROR(ToAbsl(config->SetFromFile(name, entry.second.as<std::string>(), origin)));
    }
  } catch (const YAML::Exception& exception) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", exception.mark.line + 1, ":",
                                                   exception.mark.column + 1, ": ", exception.msg));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<base::Config> LoadSettings(const std::map<std::string, std::string>& flags) {
  base::Config config(Keys());
  const auto store = flags.find("store");
  if (store != flags.end() && !base::UrlPassword(store->second).empty()) {
    return absl::InvalidArgumentError(
        "--store must not have a password in it, because everybody on this machine can read a "
        "command line; set REGATTA_STORE or `store` in config.yaml, or use ~/.pgpass");
  }
  for (const auto& [name, value] : flags) RETURN_IF_ERROR(ToAbsl(config.SetFromFlag(name, value)));
  RETURN_IF_ERROR(ToAbsl(config.SetFromEnvironment(FromEnvironment)));
  RETURN_IF_ERROR(
      ReadFileInto(base::JoinPath(UserFolder("XDG_CONFIG_HOME", ".config"), "regatta/config.yaml"),
                   /*skip_home=*/false, &config));
  std::error_code error;
  const std::string home = std::filesystem::absolute(config.Text("home"), error).lexically_normal();
  RETURN_IF_ERROR(ReadFileInto(base::JoinPath(home, "config.yaml"), /*skip_home=*/true, &config));
  base::HideInLogs(base::UrlPassword(config.Text("store")));
  return config;
}

void ApplySettings(const base::Config& settings) {
  const std::string& level = settings.Text("log_level");
  base::SetLogLevel(level == "debug"     ? base::LogLevel::kDebug
                    : level == "warning" ? base::LogLevel::kWarning
                    : level == "error"   ? base::LogLevel::kError
                                         : base::LogLevel::kInfo);
  base::SetLogFormat(settings.Text("log_format") == "json" ? base::LogFormat::kJson
                                                           : base::LogFormat::kText);
  if (!settings.Text("python").empty()) {
    ::setenv("REGATTA_PYTHON", settings.Text("python").c_str(), 1);
  }
}

void LogLess(const base::Config& settings) {
  if (settings.From("log_level") == base::Config::Layer::kDefault) {
    base::SetLogLevel(base::LogLevel::kWarning);
  }
}

}  // namespace regatta::cli
