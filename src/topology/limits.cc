#include "topology/limits.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/file.h"

namespace regatta::topology {
namespace {

// cgroup v1 says "no limit" with the largest multiple of the page size.
constexpr std::int64_t kNoMemoryLimit = std::int64_t{1} << 60;

// One line without its end; "" when the file cannot be read.
std::string ReadLine(const std::string& path) {
  const auto text = base::ReadFile(path, 1u << 20);
  return text.ok() ? text->substr(0, text->find('\n')) : "";
}

double PositiveNumber(const std::string& text) {
  const double value = std::strtod(text.c_str(), nullptr);
  return value > 0 ? value : 0;
}

template <typename Number>
void Tighten(Number value, Number* limit) {
  if (value > 0 && (*limit == 0 || value < *limit)) *limit = value;
}

struct Group {
  std::string mount;  // where the controller's tree is
  std::string path;   // of this process, "/a/b"
};

// The folders from this process's group up to the mount. A container may see the host's path in
// /proc/self/cgroup and only its own group, at the mount.
std::vector<std::string> FoldersUp(const Group& group) {
  std::vector<std::string> folders;
  std::string path = group.path;
  while (path.size() > 1) {
    if (std::filesystem::is_directory(group.mount + path)) folders.push_back(group.mount + path);
    path.resize(path.rfind('/'));
  }
  folders.push_back(group.mount);
  return folders;
}

void ReadV2(const Group& group, Limits* limits) {
  for (const std::string& folder : FoldersUp(group)) {
    std::istringstream words(ReadLine(folder + "/cpu.max"));
    std::string quota;
    std::string period;
    if (words >> quota >> period && quota != "max" && PositiveNumber(period) > 0) {
      Tighten(PositiveNumber(quota) / PositiveNumber(period), &limits->cpus);
    }
    Tighten(static_cast<std::int64_t>(PositiveNumber(ReadLine(folder + "/memory.max"))),
            &limits->memory_bytes);
    if (limits->cpu_list.empty()) limits->cpu_list = ReadLine(folder + "/cpuset.cpus.effective");
  }
}

void ReadV1(const std::string& controller, const Group& group, Limits* limits) {
  for (const std::string& folder : FoldersUp(group)) {
    if (controller == "cpu") {
      const double quota = PositiveNumber(ReadLine(folder + "/cpu.cfs_quota_us"));
      const double period = PositiveNumber(ReadLine(folder + "/cpu.cfs_period_us"));
      if (period > 0) Tighten(quota / period, &limits->cpus);
    } else if (controller == "memory") {
      const double bytes = PositiveNumber(ReadLine(folder + "/memory.limit_in_bytes"));
      if (bytes < static_cast<double>(kNoMemoryLimit)) {
        Tighten(static_cast<std::int64_t>(bytes), &limits->memory_bytes);
      }
    } else if (controller == "cpuset" && limits->cpu_list.empty()) {
      limits->cpu_list = ReadLine(folder + "/cpuset.cpus");
    }
  }
}

}  // namespace

Limits DetectLimits(const std::string& root) {
  Limits limits;
  const std::string mount = root + "/sys/fs/cgroup";
  const bool unified = std::filesystem::exists(mount + "/cgroup.controllers");
  const auto groups = base::ReadFile(root + "/proc/self/cgroup", 1u << 20);
  std::istringstream lines(groups.ok() ? *groups : "");
  for (std::string line; std::getline(lines, line);) {
    // "4:memory:/path", "5:cpu,cpuacct:/path"; cgroup v2 is "0::/path".
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string path = line.substr(second + 1);
    std::istringstream controllers(line.substr(first + 1, second - first - 1));
    if (first + 1 == second && unified) {
      limits.cgroup_version = 2;
      ReadV2({mount, path}, &limits);
    }
    if (unified) continue;
    for (std::string controller; std::getline(controllers, controller, ',');) {
      if (!std::filesystem::is_directory(mount + "/" + controller)) continue;
      limits.cgroup_version = 1;
      ReadV1(controller, {mount + "/" + controller, path}, &limits);
    }
  }
  if (limits.cpu_list == ReadLine(root + "/sys/devices/system/cpu/online")) limits.cpu_list.clear();
  return limits;
}

}  // namespace regatta::topology
