#include "store/testing/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"

namespace regatta::store::testing {
namespace {

namespace fs = std::filesystem;

// The newest version that Debian's package put under /usr/lib/postgresql.
std::string FindBinaries() {
  int newest = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (fs::exists(entry.path() / "bin/postgres") && version > newest) newest = version;
  }
  return newest == 0 ? "" : absl::StrCat("/usr/lib/postgresql/", newest, "/bin");
}

// Starts a program as the given user; output goes to `log`. It dies with this thread's process.
pid_t Spawn(const std::vector<std::string>& command, uid_t uid, gid_t gid, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) {
    _exit(126);
  }
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (getppid() != parent) _exit(126);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresServer>> PostgresServer::Create() {
  auto server = std::unique_ptr<PostgresServer>(new PostgresServer);
  server->bin_ = FindBinaries();
  if (server->bin_.empty()) {
    return absl::NotFoundError(
        "no PostgreSQL server under /usr/lib/postgresql: install Debian's package postgresql");
  }
  server->uid_ = geteuid();
  server->gid_ = getegid();
  if (server->uid_ == 0) {
    const passwd* user = getpwnam("postgres");
    if (user == nullptr) return absl::NotFoundError("there is no user postgres to run the server");
    server->uid_ = user->pw_uid;
    server->gid_ = user->pw_gid;
  }
  std::string folder = (fs::temp_directory_path() / "regatta-pg-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot make " + folder));
  }
  server->folder_ = folder;
  if (chown(folder.c_str(), server->uid_, server->gid_) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot chown " + folder));
  }
  RETURN_IF_ERROR(server->RunTool("initdb", {"-D", folder + "/data", "-A", "trust", "-N", "-E",
                                             "UTF8", "--no-locale", "-U", "regatta"}));
  RETURN_IF_ERROR(server->Start());
  return server;
}

PostgresServer::~PostgresServer() {
  Stop().IgnoreError();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

absl::StatusOr<std::string> PostgresServer::NewDatabase() {
  const std::string name = absl::StrCat("test", ++databases_);
  RETURN_IF_ERROR(RunTool("createdb", {"-h", folder_, "-U", "regatta", name}));
  return absl::StrCat("postgresql:///", name, "?user=regatta&host=", folder_);
}

absl::Status PostgresServer::Start() {
  // fsync off: these tests end processes, not machines.
  pid_ = Spawn({bin_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-c",
                "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"},
               uid_, gid_, folder_ + "/server.log");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!RunTool("pg_isready", {"-q", "-h", folder_}).ok()) {
    const bool dead = waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (dead) pid_ = -1;
    if (dead || std::chrono::steady_clock::now() > deadline) {
      const auto log = base::ReadFile(folder_ + "/server.log");
      return absl::UnavailableError(
          absl::StrCat("PostgreSQL did not start: ", log.ok() ? *log : log.status().message()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return absl::OkStatus();
}

absl::Status PostgresServer::Stop() {
  if (pid_ < 0) return absl::OkStatus();
  kill(pid_, SIGINT);  // "fast shutdown": ends all connections
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  if (status == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("PostgreSQL ended with wait status ", status));
}

absl::Status PostgresServer::RunTool(const std::string& tool, std::vector<std::string> args) {
  args.insert(args.begin(), bin_ + "/" + tool);
  const std::string log = folder_ + "/tools.log";
  const pid_t pid = Spawn(args, uid_, gid_, log);
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot run " + tool));
  }
  if (status == 0) return absl::OkStatus();
  const auto text = base::ReadFile(log);
  return absl::InternalError(absl::StrCat(tool, " failed with wait status ", status, ": ",
                                          text.ok() ? *text : std::string()));
}

}  // namespace regatta::store::testing
