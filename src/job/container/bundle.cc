#include "job/container/bundle.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "job/probe.h"

namespace regatta::job {
namespace {

using base::Json;

constexpr int kVersion = 2;
constexpr int kWithoutEntryPoint = 1;

// What Docker leaves to root inside a container; enough to install a package, not to load a module.
constexpr const char* kCapabilities[] = {
    "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID",
    "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",   "CAP_SETFCAP",
    "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT"};

Json Bind(const std::string& path, const std::string& inside, bool read_only) {
  return {{"destination", inside},
          {"type", "bind"},
          {"source", path},
          {"options", {"rbind", read_only ? "ro" : "rw"}}};
}

}  // namespace

std::string PlanPath(const std::string& job_folder, const std::string& role) {
  return absl::StrCat(job_folder, "/container/", role, ".json");
}

absl::Status WritePlan(const std::string& path, const ContainerPlan& plan) {
  Json folders = Json::array();
  for (const SharedFolder& folder : plan.folders) {
    folders.push_back(
        {{"path", folder.path}, {"inside", folder.inside}, {"read_only", folder.read_only}});
  }
  const Json json = {{"version", kVersion},
                     {"image", plan.image},
                     {"working_directory", plan.working_directory},
                     {"entry_point", plan.entry_point},
                     {"arguments", plan.arguments},
                     {"layers", plan.files.layers},
                     {"env", plan.files.env},
                     {"folders", std::move(folders)}};
  RETURN_IF_ERROR(ToAbsl(base::MakeFolders(std::filesystem::path(path).parent_path())));
  return ToAbsl(base::WriteFileDurably(path, base::DumpJson(json) + "\n", 0600));
}

absl::StatusOr<ContainerPlan> ReadPlan(const std::string& path) {
  const base::Result<std::string> text = base::ReadFile(path, 16u << 20);
  if (!text.ok()) return ToAbsl(text.status());
  const base::Result<Json> json = base::ParseJson(*text);
  const absl::Status damaged =
      absl::DataLossError(absl::StrCat(path, " is damaged, or of another version than ", kVersion));
  if (!json.ok()) return damaged;
  try {
    const Json& version = json->at("version");
    if (!version.is_number_integer()) return damaged;
    if (version != kVersion && version != kWithoutEntryPoint) return damaged;
    ContainerPlan plan;
    if (version != kWithoutEntryPoint) {
      plan.entry_point = json->at("entry_point").get<std::vector<std::string>>();
      plan.arguments = json->at("arguments").get<std::vector<std::string>>();
    }
    plan.image = json->at("image");
    plan.working_directory = json->at("working_directory");
    plan.files.layers = json->at("layers").get<std::vector<std::string>>();
    plan.files.env = json->at("env").get<std::map<std::string, std::string>>();
    for (const Json& folder : json->at("folders")) {
      plan.folders.push_back({folder.at("path"), folder.at("inside"), folder.at("read_only")});
    }
    return plan;
  } catch (const Json::exception&) {
    return damaged;
  }
}

Json OciConfig(const ContainerPlan& plan, const ContainerProcess& process) {
  std::map<std::string, std::string> env = plan.files.env;
  for (const auto& [name, value] : process.env) env[name] = value;
  // A program that finds no PATH guesses; runc itself needs one to find the command.
  env.try_emplace("PATH", kToolPath);
  env.try_emplace("HOME", "/root");
  Json variables = Json::array();
  for (const auto& [name, value] : env) variables.push_back(absl::StrCat(name, "=", value));
  Json capabilities = Json::object();
  for (const char* set : {"bounding", "effective", "permitted"}) {
    capabilities[set] = kCapabilities;
  }
  Json mounts = {
      {{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
      {{"destination", "/dev"},
       {"type", "tmpfs"},
       {"source", "tmpfs"},
       {"options", {"nosuid", "strictatime", "mode=755", "size=65536k"}}},
      {{"destination", "/dev/pts"},
       {"type", "devpts"},
       {"source", "devpts"},
       {"options", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}}},
      {{"destination", "/sys"},
       {"type", "bind"},
       {"source", "/sys"},
       {"options", {"rbind", "nosuid", "noexec", "nodev", "ro"}}},
  };
  mounts.push_back(Bind("/dev/shm", "/dev/shm", false));
  std::error_code error;
  for (const char* file : {"/etc/hosts", "/etc/resolv.conf"}) {
    if (std::filesystem::exists(file, error)) mounts.push_back(Bind(file, file, true));
  }
  // A folder before what lies inside it; of two at one place the one that came last.
  std::map<std::string, const SharedFolder*> folders;
  for (const SharedFolder& folder : plan.folders) {
    folders[folder.inside.empty() ? folder.path : folder.inside] = &folder;
  }
  for (const auto& [inside, folder] : folders) {
    mounts.push_back(Bind(folder->path, inside, folder->read_only));
  }
  return {{"ociVersion", "1.0.2"},
          {"process",
           {{"terminal", false},
            {"user", {{"uid", process.uid}, {"gid", process.gid}}},
            {"args", process.argv},
            {"env", std::move(variables)},
            {"cwd", plan.working_directory},
            {"capabilities", std::move(capabilities)}}},
          {"root", {{"path", process.root}, {"readonly", false}}},
          {"mounts", std::move(mounts)},
          {"linux", {{"namespaces", Json::array({{{"type", "mount"}}})}}}};
}

}  // namespace regatta::job
