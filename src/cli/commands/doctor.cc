#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/version.h"
#include "cli/commands/commands.h"
#include "cli/owner_process.h"
#include "cli/terminal.h"
#include "job/container/containerd.h"
#include "job/interpreter.h"
#include "job/memory_cgroup.h"
#include "job/probe.h"
#include "job/python_path.h"
#include "server/owner.h"

namespace regatta::cli {
namespace {

enum class Verdict { kGood, kNote, kBad };

struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string what;
  std::string text;
};

std::string CurrentFolder() {
  char path[4096];
  return ::getcwd(path, sizeof path) == nullptr ? "/" : path;
}

Finding CheckPython(const std::string& what, const std::vector<std::string>& imports,
                    Verdict when_missing) {
  const auto python = job::FindInterpreter(imports, CurrentFolder());
  if (!python.ok()) return {when_missing, what, std::string(python.status().message())};
  return {Verdict::kGood, what,
          absl::StrCat(python->path, " (", python->version, "): ", python->why)};
}

// Which libeccl the Python package loads.
Finding CheckEccl() {
  const auto python = job::FindInterpreter({"regatta"}, CurrentFolder());
  if (!python.ok()) return {Verdict::kNote, "libeccl", std::string(python.status().message())};
  std::map<std::string, std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != text.npos) env.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  job::AddRegattaPythonPath(&env);
  const auto found = job::RunProbe(
      {python->path, "-c", "import regatta._library as l; print(l.load()._name, end='')"}, env, "/",
      std::chrono::seconds(20));
  if (found.ok()) return {Verdict::kGood, "libeccl", *found};
  // The last line of Python's complaint says it.
  const std::string message(found.status().message());
  return {Verdict::kNote, "libeccl",
          message.substr(message.find_last_of('\n', message.size() - 2) + 1)};
}

// The median of a few small durable writes: what one commit costs at least.
absl::StatusOr<base::Micros> MeasureSync(const std::string& folder) {
  const std::string path = base::JoinPath(folder, "doctor." + base::RandomHex(6));
  const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot write ", path)));
  ::unlink(path.c_str());
  std::vector<base::Micros> times;
  const std::string block(4096, 'x');
  for (int i = 0; i < 15; ++i) {
    const base::Micros began = base::MonotonicMicros();
    RETURN_IF_ERROR(ToAbsl(base::WriteAll(file.get(), block, path)));
    if (::fdatasync(file.get()) != 0) return ToAbsl(base::ErrnoStatus(errno, "fdatasync"));
    times.push_back(base::MonotonicMicros() - began);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void CheckHome(const std::string& home, std::vector<Finding>* findings) {
  if (const base::Status made = base::MakeFolders(home, 0700); !made.ok()) {
    findings->push_back(
        {Verdict::kBad, "state directory", absl::StrCat(home, ": ", made.message())});
    return;
  }
  std::string text = home;
  if (const auto found = server::FindOwner(home); found.ok()) {
    if (const auto& owner = *found) {
      absl::StrAppend(&text, ", owned by pid ", owner->pid, " at ", owner->address);
    }
  }
  findings->push_back({Verdict::kGood, "state directory", text});
  struct statvfs disk = {};
  if (::statvfs(home.c_str(), &disk) == 0) {
    const double free =
        static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) / (1 << 30);
    findings->push_back(
        {free < 0.1 ? Verdict::kBad
         : free < 2 ? Verdict::kNote
                    : Verdict::kGood,
         "free disk space",
         absl::StrFormat("%.1f GiB%s", free, free < 2 ? ": artifacts will soon fill it" : "")});
  }
  const auto sync = MeasureSync(home);
  if (!sync.ok()) {
    findings->push_back({Verdict::kBad, "durable write", std::string(sync.status().message())});
  } else {
    const bool slow = *sync > 50'000;
    findings->push_back({slow ? Verdict::kNote : Verdict::kGood, "durable write",
                         absl::StrCat(*sync, " µs a write of 4 KiB",
                                      slow ? ": every state change waits for this disk" : "")});
  }
}

Finding CheckMemoryLimit() {
  const std::string name = "regatta-doctor-" + base::RandomHex(4);
  const auto folder = job::MakeMemoryCgroup(name, 64 << 20);
  if (!folder.ok()) {
    return {Verdict::kNote, "memory limits",
            absl::StrCat("counted, not enforced: ", std::string(folder.status().message()))};
  }
  job::RemoveCgroup(*folder);
  return {Verdict::kGood, "memory limits", "enforced by cgroups"};
}

Finding CheckContainers(const base::Config& settings) {
  const std::string& socket = settings.Text("containerd");
  if (socket.empty()) {
    return {Verdict::kGood, "containers",
            "off: steps run on this machine's files; the setting `containerd` changes that"};
  }
  const auto version = job::Containerd(socket, settings.Text("containerd_namespace")).Version();
  if (!version.ok()) return {Verdict::kBad, "containers", std::string(version.status().message())};
  const auto runc = job::RunProbe({"/usr/bin/env", "runc", "--version"}, job::ToolEnvironment(),
                                  "/", std::chrono::seconds(10));
  if (!runc.ok()) return {Verdict::kBad, "containers", "there is no runc; install Debian's runc"};
  if (::geteuid() != 0) {
    return {Verdict::kBad, "containers", "only root can start them, and this is another user"};
  }
  const std::string first = runc->substr(0, runc->find('\n'));
  return {Verdict::kGood, "containers",
          absl::StrCat("containerd ", *version, " at ", socket, ", ", first)};
}

Finding CheckPort(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  const int port = std::atoi(listen.substr(colon + 1).c_str());
  const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    return {Verdict::kNote, "port for serve",
            absl::StrCat(listen, " is taken: ", std::strerror(errno),
                         "; `regatta serve --port` takes another")};
  }
  return {Verdict::kGood, "port for serve", absl::StrCat(listen, " is free")};
}

Finding CheckMachine() {
  struct sysinfo info = {};
  ::sysinfo(&info);
  const double total = static_cast<double>(info.totalram) * info.mem_unit / (1 << 30);
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cpus = ::sched_getaffinity(0, sizeof set, &set) == 0
                       ? CPU_COUNT(&set)
                       : static_cast<int>(std::thread::hardware_concurrency());
  return {Verdict::kGood, "machine", absl::StrFormat("%d CPUs, %.1f GiB of memory", cpus, total)};
}

}  // namespace

int Doctor(const Invocation& call, const base::Config& settings) {
  std::vector<Finding> findings;
  findings.push_back({Verdict::kGood, "regatta", base::Version()});
  findings.push_back(CheckMachine());
  CheckHome(HomeOf(settings), &findings);
  findings.push_back(CheckMemoryLimit());
  findings.push_back(CheckContainers(settings));
  findings.push_back(CheckPort(settings.Text("listen")));
  findings.push_back(CheckPython("python", {}, Verdict::kBad));
  findings.push_back(CheckPython("python for training", {"torch", "regatta"}, Verdict::kNote));
  findings.push_back(CheckEccl());
  const bool good = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.verdict == Verdict::kBad;
  });
  if (call.json) {
    base::Json list = base::Json::array();
    for (const Finding& finding : findings) {
      list.push_back({{"what", finding.what},
                      {"verdict", finding.verdict == Verdict::kGood   ? "good"
                                  : finding.verdict == Verdict::kNote ? "note"
                                                                      : "bad"},
                      {"text", finding.text}});
    }
    std::printf("%s\n", base::DumpJson({{"good", good}, {"findings", std::move(list)}}).c_str());
    return good ? 0 : 1;
  }
  const Terminal terminal = LookAtTerminal();
  for (const Finding& finding : findings) {
    const char* word = finding.verdict == Verdict::kGood   ? "good"
                       : finding.verdict == Verdict::kNote ? "note"
                                                           : "BAD ";
    const Colour colour = finding.verdict == Verdict::kGood   ? Colour::kGreen
                          : finding.verdict == Verdict::kNote ? Colour::kYellow
                                                              : Colour::kRed;
    std::printf("%s  %-20s %s\n", Paint(terminal, colour, word).c_str(), finding.what.c_str(),
                finding.text.c_str());
  }
  return good ? 0 : 1;
}

}  // namespace regatta::cli
