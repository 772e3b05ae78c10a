#include "job/container/container_main.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "job/container/bundle.h"
#include "job/probe.h"

extern char** environ;

namespace regatta::job {
namespace {

constexpr int kCannotStart = 125;  // what `docker run` returns when the container was not started

// The options of a mount are one text: the kernel would split a path at these.
bool FitsMountOptions(const std::string& path) {
  return path.find_first_of(",:\\") == std::string::npos;
}

// The image's files with an empty writable folder on top. `folder` keeps what the replica writes.
absl::Status MountRoot(const ContainerPlan& plan, const std::string& folder,
                       const std::string& root) {
  const std::string upper = folder + "/upper";
  const std::string work = folder + "/work";
  for (const std::string& each : {root, upper, work}) {
    RETURN_IF_ERROR(ToAbsl(base::MakeFolders(each)));
  }
  std::vector<std::string> paths = plan.files.layers;
  paths.insert(paths.end(), {upper, work});
  for (const std::string& path : paths) {
    if (FitsMountOptions(path)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "a comma, a colon or a backslash may not be in the path of a container: ", path));
  }
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot make a mount namespace (this needs root)"));
  }
  const std::string options = absl::StrCat("lowerdir=", absl::StrJoin(plan.files.layers, ":"),
                                           ",upperdir=", upper, ",workdir=", work);
  if (mount("overlay", root.c_str(), "overlay", 0, options.c_str()) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot mount the files of ", plan.image,
                                                        " with overlayfs on ", folder)));
  }
  return absl::OkStatus();
}

// Names it for people who look with runc, and for its cgroups.
std::string ContainerName() {
  const char* const job = std::getenv("REGATTA_JOB_ID");
  return absl::StrCat(job == nullptr ? "" : job, "-", std::getenv("REGATTA_RANK"));
}

// Makes the files that the container starts from; returns the bundle's folder.
absl::StatusOr<std::string> MakeBundle(const std::string& plan_path,
                                       const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(const ContainerPlan plan, ReadPlan(plan_path));
  std::vector<std::string> command = plan.entry_point;
  const std::vector<std::string>& rest = words.empty() ? plan.arguments : words;
  command.insert(command.end(), rest.begin(), rest.end());
  const char* const rank = std::getenv("REGATTA_RANK");
  if (rank == nullptr) {
    return absl::FailedPreconditionError("is started by a shim, which sets REGATTA_RANK");
  }
  const std::string folder =
      absl::StrCat(std::filesystem::path(plan_path).parent_path().string(), "/rank-", rank);
  ContainerProcess process{.argv = std::move(command),
                           .env = {},
                           .root = folder + "/root",
                           .uid = static_cast<int>(geteuid()),
                           .gid = static_cast<int>(getegid())};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    process.env[std::string(variable.substr(0, equals))] = variable.substr(equals + 1);
  }
  RETURN_IF_ERROR(MountRoot(plan, folder, process.root));
  RETURN_IF_ERROR(ToAbsl(base::WriteFileDurably(
      folder + "/config.json", base::DumpJson(OciConfig(plan, process)) + "\n", 0600)));

  return folder;
}

absl::StatusOr<int> WaitFor(pid_t pid) {
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(-1, &status, 0);  // others are orphans that came to us
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) {
      return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot wait for process ", pid)));
    }
  }
}

// Runs the bundle in `folder`; returns how its process ended, as waitpid tells it. runc does not
// stay: it would copy every byte of output, and mix up the order of the two outputs.
absl::StatusOr<int> RunBundle(const std::string& folder, const std::string& name) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  // The shim tells every process to stop. This one ends with the container.
  struct sigaction stay{};
  stay.sa_handler = [](int) {};
  sigaction(SIGTERM, &stay, nullptr);
  std::string pid_file = folder + "/pid";
  std::string state = folder + "/runc";
  std::string bundle = folder;
  std::string container = name;
  std::string words[] = {"runc",       "--root", state,      "run",  "--detach",
                         "--pid-file", pid_file, "--bundle", bundle, container};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  setenv("PATH", kToolPath, 1);
  pid_t runc = 0;
  if (const int error = posix_spawnp(&runc, "runc", nullptr, nullptr, argv.data(), environ)) {
    return ToAbsl(base::ErrnoStatus(error, "cannot start runc (Debian's package runc)"));
  }
  ASSIGN_OR_RETURN(const int started, WaitFor(runc));
  if (started != 0) return absl::UnknownError("runc says why above");
  const base::Result<std::string> pid = base::ReadFile(pid_file);
  if (!pid.ok()) return ToAbsl(pid.status());
  return WaitFor(static_cast<pid_t>(std::strtol(pid->c_str(), nullptr, 10)));
}

// Ends this process as that one ended, so that the shim sees a signal as a signal.
int EndAs(int status) {
  if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(WTERMSIG(status), SIG_DFL);
  raise(WTERMSIG(status));
  return kCannotStart;  // not reached: what ended that one ends this one, too
}

}  // namespace

int ContainerMain(int argc, char** argv) {
  if (argc < 4 || std::strcmp(argv[3], "--") != 0) {
    std::fprintf(stderr, "usage: regatta container PLAN -- [WORD...]\n");
    return 2;
  }
  const absl::StatusOr<std::string> folder = MakeBundle(argv[2], {argv + 4, argv + argc});
  const absl::StatusOr<int> ended =
      folder.ok() ? RunBundle(*folder, ContainerName()) : folder.status();
  if (ended.ok()) return EndAs(*ended);
  std::fprintf(stderr, "regatta: the container cannot be started: %s\n",
               std::string(ended.status().message()).c_str());
  return kCannotStart;
}

}  // namespace regatta::job
