#include "train/descendants.h"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"

namespace regatta::train {
namespace {

// The second field after the command's name, which is in parentheses and may hold anything.
pid_t ParentOf(const std::string& stat) {
  const auto end = stat.rfind(") ");
  if (end == std::string::npos || end + 4 >= stat.size()) return 0;
  pid_t parent = 0;
  std::from_chars(stat.data() + end + 4, stat.data() + stat.size(), parent);
  return parent;
}

}  // namespace

int SignalDescendants(int signal) {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (wrong != std::errc() || end != name.data() + name.size()) continue;
    const auto stat = base::ReadFile(entry.path() / "stat", 8192);
    if (stat.ok()) children.emplace(ParentOf(*stat), pid);
  }
  int found = 0;
  std::vector<pid_t> parents = {::getpid()};
  while (!parents.empty()) {
    const pid_t parent = parents.back();
    parents.pop_back();
    const auto [begin, end] = children.equal_range(parent);
    for (auto child = begin; child != end; ++child) {
      ::kill(child->second, signal);
      // A stopped process would keep the signal waiting until somebody continues it.
      if (signal == SIGTERM) ::kill(child->second, SIGCONT);
      parents.push_back(child->second);
      ++found;
    }
  }
  return found;
}

}  // namespace regatta::train
