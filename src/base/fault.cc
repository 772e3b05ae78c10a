#include "base/fault.h"

#ifdef REGATTA_FAULTS

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

namespace regatta::base {
namespace {

struct Armed {
  std::string name;
  std::string action = "kill";
  long countdown = 1;
};

std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::vector<Armed> ReadEnvironment() {
  std::vector<Armed> armed;
  const char* value = std::getenv("REGATTA_FAULT");
  if (value == nullptr || *value == '\0') return armed;
  for (const std::string& item : Split(value, ',')) {
    const std::vector<std::string> parts = Split(item, ':');
    Armed one{.name = parts[0]};
    if (parts.size() > 1) one.action = parts[1];
    if (parts.size() > 2) one.countdown = std::strtol(parts[2].c_str(), nullptr, 10);
    armed.push_back(one);
  }
  return armed;
}

}  // namespace

bool ReachFaultPoint(const char* name) {
  static std::mutex mutex;
  static std::vector<Armed> armed = ReadEnvironment();
  if (armed.empty()) return false;
  std::string action;
  {
    const std::lock_guard lock(mutex);
    for (Armed& one : armed) {
      if (one.name == name && --one.countdown == 0) action = one.action;
    }
  }
  if (action.empty()) return false;
  if (action == "error") return true;
  kill(getpid(), action == "stop" ? SIGSTOP : SIGKILL);
  return false;
}

}  // namespace regatta::base

#endif
