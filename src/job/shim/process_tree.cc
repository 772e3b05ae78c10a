#include "job/shim/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace regatta::job::shim {
namespace {

struct Process {
  pid_t pid;
  pid_t parent;
  bool below;
};

// The text after the command name, which is in parentheses and may hold anything.
const char* StatFields(pid_t pid, char* buffer, std::size_t size) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  const ssize_t got = read(fd, buffer, size - 1);
  close(fd);
  if (got <= 0) return nullptr;
  buffer[got] = '\0';
  const char* const end = std::strrchr(buffer, ')');
  return end == nullptr ? nullptr : end + 1;
}

}  // namespace

unsigned long long StartTime(pid_t pid) {
  char buffer[1024];
  const char* at = StatFields(pid, buffer, sizeof buffer);
  // After the name come field 3 (state) and so on, one blank before each.
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at, ' ');
    if (at != nullptr) ++at;
  }
  return at == nullptr ? 0 : std::strtoull(at, nullptr, 10);
}

int SignalDescendants(pid_t root, int signal) {
  DIR* const folder = opendir("/proc");
  if (folder == nullptr) return 0;
  Process* all = nullptr;
  std::size_t count = 0;
  std::size_t capacity = 0;
  while (const dirent* entry = readdir(folder)) {
    const pid_t pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid <= 0) continue;
    char buffer[1024];
    const char* const fields = StatFields(pid, buffer, sizeof buffer);
    char state = 0;
    int parent = 0;
    if (fields == nullptr || std::sscanf(fields, " %c %d", &state, &parent) != 2) continue;
    if (count == capacity) {
      capacity = capacity == 0 ? 256 : capacity * 2;
      Process* const grown = static_cast<Process*>(std::realloc(all, capacity * sizeof(Process)));
      if (grown == nullptr) break;
      all = grown;
    }
    all[count++] = {pid, parent, false};
  }
  closedir(folder);

  int found = 0;
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (all[i].below) continue;
      bool below = all[i].parent == root;
      for (std::size_t j = 0; j < count && !below; ++j) {
        below = all[j].below && all[j].pid == all[i].parent;
      }
      if (!below) continue;
      all[i].below = again = true;
      ++found;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!all[i].below) continue;
    kill(all[i].pid, signal);
    // A stopped process would keep the signal waiting until somebody continues it.
    if (signal == SIGTERM) kill(all[i].pid, SIGCONT);
  }
  std::free(all);
  return found;
}

}  // namespace regatta::job::shim
