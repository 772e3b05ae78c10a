#include "train/rank_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <map>

namespace regatta::train {
namespace {

using base::ErrnoStatus;

struct Pipe {
  base::UniqueFd read;
  base::UniqueFd write;
};

base::Result<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe");
  return Pipe{base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

enum class Stage : int { kDirectory, kProgram };

struct Failure {
  Stage stage;
  int error;
};

std::vector<std::string> Merged(const std::vector<std::string>& over) {
  std::map<std::string, std::string> merged;
  const auto add = [&](const std::string& variable) {
    merged[variable.substr(0, variable.find('='))] = variable;
  };
  for (char** variable = environ; *variable != nullptr; ++variable) add(*variable);
  for (const std::string& variable : over) add(variable);
  std::vector<std::string> all;
  for (auto& [name, variable] : merged) all.push_back(std::move(variable));
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void Fail(int fd, Stage stage) {
  const Failure failure{stage, errno};
  [[maybe_unused]] const ssize_t written = ::write(fd, &failure, sizeof failure);
  ::_exit(127);
}

// In the child: what must be as in a program that a shell has started.
void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

base::Result<RankProcess> StartRank(const RankSpec& spec) {
  BASE_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  BASE_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  BASE_ASSIGN_OR_RETURN(Pipe news, MakePipe());
  std::vector<std::string> command = spec.command;
  std::vector<std::string> environment = Merged(spec.environment);
  const std::vector<char*> arguments = Pointers(command);
  std::vector<char*> variables = Pointers(environment);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "cannot start a process");
  if (pid == 0) {
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ResetSignals();
    const int null = ::open("/dev/null", O_RDONLY);
    if (null >= 0) ::dup2(null, STDIN_FILENO);
    ::dup2(out.write.get(), STDOUT_FILENO);
    ::dup2(err.write.get(), STDERR_FILENO);
    if (::chdir(spec.directory.c_str()) != 0) Fail(news.write.get(), Stage::kDirectory);
    environ = variables.data();
    ::execvp(arguments[0], arguments.data());
    Fail(news.write.get(), Stage::kProgram);
  }
  news.write.Reset();
  Failure failure{};
  ssize_t got = 0;
  do {
    got = ::read(news.read.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof failure)) {
    // It ends by itself; whoever collects children has no use for it.
    return ErrnoStatus(failure.error, failure.stage == Stage::kDirectory
                                          ? "cannot start in " + spec.directory
                                          : "cannot run " + spec.command.front());
  }
  for (const int fd : {out.read.get(), err.read.get()}) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return RankProcess{pid, std::move(out.read), std::move(err.read)};
}

}  // namespace regatta::train
