#include "train/agent_link.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace regatta::train {
namespace {

using base::ErrnoStatus;

constexpr int kLastMoment = 1000;  // milliseconds

// One word for a POSIX shell.
std::string Quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) return std::string("was killed: ") + ::strsignal(WTERMSIG(status));
  return "ended with code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

base::Result<std::unique_ptr<AgentLink>> AgentLink::Start(const std::string& host,
                                                          const RemoteShell* remote) {
  std::unique_ptr<AgentLink> link(new AgentLink());
  link->host_ = host;
  link->remote_ = remote != nullptr;
  std::vector<std::string> words = {"/proc/self/exe", "rank-agent"};
  if (remote != nullptr) {
    words = remote->command;
    words.push_back(host);
    words.push_back(Quoted(remote->program) + " rank-agent");
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int pipes[3][2];
  for (auto& one : pipes) {
    if (::pipe2(one, O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe");
  }
  link->out_.Reset(pipes[0][1]);
  link->in_.Reset(pipes[1][0]);
  link->err_.Reset(pipes[2][0]);
  const base::UniqueFd ends[3] = {base::UniqueFd(pipes[0][0]), base::UniqueFd(pipes[1][1]),
                                  base::UniqueFd(pipes[2][1])};
  link->pid_ = ::fork();
  if (link->pid_ < 0) return ErrnoStatus(errno, "cannot start a process");
  if (link->pid_ == 0) {
    // Not in the terminal's foreground group: Ctrl-C is the launcher's to pass on.
    ::setsid();
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int fd = 0; fd < 3; ++fd) ::dup2(ends[fd].get(), fd);
    ::execvp(arguments[0], arguments.data());
    const std::string text =
        std::string("cannot run ") + arguments[0] + ": " + std::strerror(errno) + "\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(127);
  }
  for (const int fd : {link->in_.get(), link->out_.get(), link->err_.get()}) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return link;
}

AgentLink::~AgentLink() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

void AgentLink::Send(FrameKind kind, std::string_view body) {
  if (!out_.valid()) return;
  waiting_ += EncodeFrame(kind, body);
  Flush();
}

void AgentLink::Flush() {
  while (out_.valid() && !waiting_.empty()) {
    const ssize_t sent = ::write(out_.get(), waiting_.data(), waiting_.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
      out_.Reset();  // its end is noticed where frames are read
      waiting_.clear();
      return;
    }
    waiting_.erase(0, static_cast<std::size_t>(sent));
  }
}

base::Result<std::vector<Frame>> AgentLink::Read(bool* ended) {
  *ended = false;
  char buffer[65536];
  const ssize_t got = ::read(in_.get(), buffer, sizeof buffer);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return std::vector<Frame>();
  if (got <= 0) {
    *ended = true;
    return std::vector<Frame>();
  }
  heard = base::MonotonicMicros();
  reader_.Feed({buffer, static_cast<std::size_t>(got)});
  std::vector<Frame> frames;
  while (true) {
    BASE_ASSIGN_OR_RETURN(auto frame, reader_.Next());
    if (!frame.has_value()) return frames;
    frames.push_back(*std::move(frame));
  }
}

std::vector<std::string> AgentLink::ReadErrors() {
  std::vector<std::string> lines;
  char buffer[8192];
  while (err_.valid()) {
    const ssize_t got = ::read(err_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      err_.Reset();
      break;
    }
    error_rest_.append(buffer, static_cast<std::size_t>(got));
  }
  for (auto end = error_rest_.find('\n'); end != std::string::npos; end = error_rest_.find('\n')) {
    std::string line = error_rest_.substr(0, end);
    error_rest_.erase(0, end + 1);
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    last_error_ = line;
    lines.push_back(std::move(line));
  }
  if (error_rest_.size() > (64u << 10)) error_rest_.clear();
  return lines;
}

std::string AgentLink::Obituary() {
  ReadErrors();
  // Its output has ended, so it ends now, or is killed for not doing so.
  const base::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  pollfd one{process.get(), POLLIN, 0};
  ::poll(&one, 1, kLastMoment);
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
  std::string text = (remote_ ? "the connection to its agent " : "its agent ") + HowItEnded(status);
  if (!last_error_.empty()) text += " (" + last_error_ + ")";
  return text;
}

}  // namespace regatta::train
