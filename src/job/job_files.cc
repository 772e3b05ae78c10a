#include "job/job_files.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <map>
#include <sstream>
#include <string_view>

#include "base/absl_status.h"
#include "base/file.h"
#include "base/json.h"
#include "job/yaml/text.h"

namespace regatta::job {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kRecordLimit = 64 << 10;

std::string IntentPath(const JobSpec& spec) { return base::JoinPath(spec.directory, "job.json"); }
std::string LaunchPath(const JobSpec& spec) {
  return base::JoinPath(spec.directory, "launch.json");
}
std::string RankPath(const std::string& folder, int rank, const char* suffix) {
  return folder + "/shim/rank-" + std::to_string(rank) + suffix;
}

// Replaces the file in one step, without waiting for the disk. That is enough here: the token's
// sync (by the shim, before anything runs) makes earlier changes durable too, and a job without a
// token has not been launched and is simply submitted again.
absl::Status ReplaceFile(const std::string& path, const base::Json& json, int mode) {
  const std::string draft = path + ".tmp";
  const base::UniqueFd fd(open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return ToAbsl(base::ErrnoStatus(errno, "cannot create " + draft));
  RETURN_IF_ERROR(ToAbsl(base::WriteAll(fd.get(), base::DumpJson(json) + "\n", draft)));
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot replace " + path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<base::Json>> ReadJsonFile(const std::string& path) {
  const base::Result<std::string> text = base::ReadFile(path, 16u << 20);
  if (!text.ok()) {
    if (text.status().code() == base::Code::kNotFound) return std::nullopt;
    return ToAbsl(text.status());
  }
  const base::Result<base::Json> json = base::ParseJson(*text);
  if (!json.ok() || !json->is_object() || !json->contains("version")) {
    return absl::DataLossError(path + " is damaged: it should be a JSON object with a version");
  }
  const base::Json& version = (*json)["version"];
  if (!version.is_number_integer() || version < 1) {
    return absl::DataLossError(path + " is damaged: its version should be a number from 1 on");
  }
  if (version > kVersion) {
    return absl::FailedPreconditionError(path + " was made by a newer regatta (format " +
                                         version.dump() + ", this one knows " +
                                         std::to_string(kVersion) + ")");
  }
  return *json;
}

bool IsPort(const base::Json& port) {
  return port.is_number_integer() && port > 0 && port < 65'536;
}

base::Json Shape(const JobSpec& spec) {
  base::Json roles = base::Json::array();
  for (const Role& role : spec.roles) {
    roles.push_back({{"name", role.name}, {"replicas", role.replicas}});
  }
  return roles;
}

// "key value\n" lines; the value may have blanks.
std::map<std::string, std::string> ReadLines(const std::string& text) {
  std::map<std::string, std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::size_t blank = line.find(' ');
    if (in.eof()) break;  // the last line is not complete
    lines[line.substr(0, blank)] = blank == std::string::npos ? "" : line.substr(blank + 1);
  }
  return lines;
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

std::int64_t Number(const std::map<std::string, std::string>& lines, const char* key) {
  const auto at = lines.find(key);
  return at == lines.end() ? 0 : std::strtoll(at->second.c_str(), nullptr, 10);
}

ProcessName Process(const std::map<std::string, std::string>& lines, const char* key) {
  ProcessName process;
  const auto at = lines.find(key);
  if (at != lines.end()) std::istringstream(at->second) >> process.pid >> process.start_time;
  return process;
}

}  // namespace

absl::Status WriteIntent(const JobSpec& spec) {
  for (const char* folder : {"shim", "metrics"}) {
    RETURN_IF_ERROR(ToAbsl(base::MakeFolders(base::JoinPath(spec.directory, folder))));
  }
  return ReplaceFile(IntentPath(spec),
                     {{"version", kVersion},
                      {"id", spec.id},
                      {"name", spec.name},
                      {"project", spec.project},
                      {"created_by", spec.created_by},
                      {"created_at", base::NowMicros()},
                      {"roles", Shape(spec)}},
                     0644);
}

absl::StatusOr<bool> CheckIntent(const JobSpec& spec) {
  ASSIGN_OR_RETURN(const std::optional<base::Json> json, ReadJsonFile(IntentPath(spec)));
  if (!json) return false;
  const base::Json id = json->value("id", base::Json());
  if (!id.is_string()) {
    return absl::DataLossError(IntentPath(spec) + " is damaged: its id should be a text");
  }
  if (id != spec.id) {
    return absl::FailedPreconditionError(spec.directory + " is the folder of job " +
                                         Quoted(id.get<std::string>()) + ", not of " + spec.id +
                                         "; each job needs a folder of its own");
  }
  if (json->value("roles", base::Json()) != Shape(spec)) {
    return absl::FailedPreconditionError("job " + spec.id +
                                         " was submitted before with other roles or replicas");
  }
  return true;
}

absl::StatusOr<std::optional<Launch>> ReadLaunch(const JobSpec& spec) {
  ASSIGN_OR_RETURN(const std::optional<base::Json> json, ReadJsonFile(LaunchPath(spec)));
  if (!json) return std::nullopt;
  const base::Json ports = json->value("ports", base::Json());
  const base::Json token = json->value("token", base::Json());
  if (!ports.is_array() || !std::ranges::all_of(ports, IsPort) || !token.is_string()) {
    return absl::DataLossError(LaunchPath(spec) + " is damaged: no ports and token in it");
  }
  return Launch{.ports = ports.get<std::vector<int>>(), .token = token.get<std::string>()};
}

absl::Status WriteLaunch(const JobSpec& spec, const Launch& launch) {
  return ReplaceFile(LaunchPath(spec),
                     {{"version", kVersion}, {"ports", launch.ports}, {"token", launch.token}},
                     0600);
}

unsigned long long StartTimeOf(pid_t pid) {
  const base::Result<std::string> stat =
      base::ReadFile("/proc/" + std::to_string(pid) + "/stat", kRecordLimit);
  if (!stat.ok()) return 0;
  // After the command name, which ends with the last ")", come the fields from the third on.
  std::istringstream fields(stat->substr(stat->rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  unsigned long long start_time = 0;
  fields >> start_time;
  return start_time;
}

std::optional<Token> ReadToken(const std::string& job_folder, int rank) {
  const std::string path = RankPath(job_folder, rank, ".token");
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  Token token;
  token.held = flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  const base::Result<std::string> text = base::ReadFile(path, kRecordLimit);
  if (text.ok()) {
    const auto lines = ReadLines(*text);
    token.shim = Process(lines, "shim");
    token.child = Process(lines, "child");
    if (lines.contains("cgroup")) token.cgroup = lines.at("cgroup");
  }
  return token;
}

std::optional<ExitRecord> ReadExit(const std::string& job_folder, int rank) {
  const base::Result<std::string> text =
      base::ReadFile(RankPath(job_folder, rank, ".exit"), kRecordLimit);
  if (!text.ok()) return std::nullopt;
  const auto lines = ReadLines(*text);
  if (!lines.contains("regatta-exit") || !lines.contains("result") || !lines.contains("end"))
    return std::nullopt;
  ExitRecord record;
  std::istringstream(lines.at("result")) >> record.result >> record.value;
  if (lines.contains("stop")) record.stop = lines.at("stop");
  // A replica can write here as well as its shim. What it makes up must not get into messages.
  if (!IsOneOf(record.result, {"code", "signal", "chdir", "exec", "cgroup", "fork"}) ||
      !IsOneOf(record.stop, {"none", "user", "peer", "timeout", "signal"})) {
    return std::nullopt;
  }
  record.pid = static_cast<pid_t>(Number(lines, "pid"));
  record.started = Number(lines, "started");
  record.finished = Number(lines, "finished");
  record.finished_monotonic = Number(lines, "finished_monotonic");
  record.elapsed = Number(lines, "elapsed");
  record.log_lost = Number(lines, "log_lost");
  record.log_dropped = Number(lines, "log_dropped");
  record.out_of_memory = Number(lines, "out_of_memory") != 0;
  record.unkillable = Number(lines, "unkillable") != 0;
  return record;
}

std::string AttemptFolder(const std::string& job_folder, int restarts) {
  return restarts == 0 ? job_folder : job_folder + "/restart-" + std::to_string(restarts);
}

std::string MetricsPath(const std::string& job_folder, int rank) {
  return job_folder + "/metrics/rank-" + std::to_string(rank) + ".jsonl";
}

}  // namespace regatta::job
