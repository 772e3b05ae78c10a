#include "job/memory_cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

#include "base/absl_status.h"
#include "base/file.h"

namespace regatta::job {
namespace {

base::Status WriteControl(const std::string& path, const std::string& value) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot write " + path);
  return base::WriteAll(fd.get(), value, path);
}

struct Place {
  std::string folder;  // this process's own cgroup
  bool unified = false;
};

// This process's path in the hierarchy with the memory controller: "4:memory:/a/b" (v1) or
// "0::/a/b" (v2).
std::string OwnPath(bool unified) {
  const base::Result<std::string> text = base::ReadFile("/proc/self/cgroup");
  std::istringstream in(text.ok() ? *text : "");
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool match =
        unified ? controllers == ",," : controllers.find(",memory,") != std::string::npos;
    if (match) return line.substr(second + 1);
  }
  return "/";
}

absl::StatusOr<Place> FindPlace() {
  const base::Result<std::string> mounts = base::ReadFile("/proc/self/mounts");
  std::istringstream in(mounts.ok() ? *mounts : "");
  Place unified;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, folder, type, options;
    fields >> device >> folder >> type >> options;
    const bool has_memory = ("," + options + ",").find(",memory,") != std::string::npos;
    if (type == "cgroup" && has_memory) return Place{folder + OwnPath(false), false};
    if (type == "cgroup2" && unified.folder.empty()) unified = {folder + OwnPath(true), true};
  }
  if (unified.folder.empty()) return absl::UnavailableError("no memory cgroup is mounted");
  return unified;
}

}  // namespace

absl::StatusOr<std::string> MakeMemoryCgroup(const std::string& name, std::int64_t limit_bytes) {
  ASSIGN_OR_RETURN(const Place place, FindPlace());
  const std::string folder = base::JoinPath(place.folder, "regatta-" + name);
  if (place.unified) {
    // Works where this process was given a subtree of its own; elsewhere the kernel refuses.
    (void)WriteControl(base::JoinPath(place.folder, "cgroup.subtree_control"), "+memory").ok();
  }
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot make the cgroup " + folder));
  }
  const std::string limit =
      base::JoinPath(folder, place.unified ? "memory.max" : "memory.limit_in_bytes");
  const base::Status status = WriteControl(limit, std::to_string(limit_bytes));
  if (!status.ok()) {
    rmdir(folder.c_str());
    return ToAbsl(status);
  }
  return folder;
}

void RemoveCgroup(const std::string& folder) {
  if (folder.empty()) return;
  // A container's runtime makes one of its own below.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_directory(error)) RemoveCgroup(entry.path());
  }
  // A process may fork while the list is read: again until the folder can be removed, but not for
  // ever (a process may hang in the kernel).
  for (int round = 0; round < 100 && rmdir(folder.c_str()) != 0 && errno == EBUSY; ++round) {
    const base::Result<std::string> list = base::ReadFile(base::JoinPath(folder, "cgroup.procs"));
    std::istringstream in(list.ok() ? *list : "");
    for (pid_t pid = 0; in >> pid;) kill(pid, SIGKILL);
    usleep(2000);
  }
}

}  // namespace regatta::job
