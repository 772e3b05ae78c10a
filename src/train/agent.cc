#include "train/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "base/clock.h"
#include "train/descendants.h"
#include "train/frames.h"
#include "train/own_address.h"
#include "train/rank_process.h"
#include "train/relay.h"

namespace regatta::train {
namespace {

using base::Micros;

constexpr Micros kSecond = 1'000'000;
constexpr std::size_t kMostWaiting = 1u << 20;  // bytes for the launcher before ranks must wait
constexpr Micros kLastWords = kSecond;          // for what is sent when all is over

int ToInt(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Rank {
  std::string worker;
  RankProcess process;
};

class Agent {
 public:
  int Run();

 private:
  void Wait();
  void ReadLauncher();
  void Handle(const Frame& frame);
  void Setup(const std::vector<std::string>& fields);
  void Answer(const std::vector<std::string>& fields);
  void Start(const std::vector<std::string>& fields);
  void Signal(const std::vector<std::string>& fields);
  void Forward(Rank* rank, const pollfd& polled, base::UniqueFd* fd, const char* stream);
  void Collect();
  void Drain(Rank* rank);
  void Ended(const std::string& worker, const char* how, int number, const std::string& text);
  void Stop(const std::string& why);
  void Send(FrameKind kind, std::string_view body);
  void Flush();
  bool Congested() const { return out_.size() > kMostWaiting; }

  FrameReader reader_;
  std::string out_;
  bool deaf_ = false;  // the launcher does not read any more
  base::UniqueFd children_;
  std::map<pid_t, Rank> ranks_;
  std::optional<Relay> relay_;
  Micros heard_ = base::MonotonicMicros();
  Micros patience_ = 0;  // without a word from the launcher; 0: only its end counts
  Micros grace_ = 5 * kSecond;
  // Set when everything is to end: SIGKILL comes then.
  std::optional<Micros> kill_at_;
};

void Agent::Send(FrameKind kind, std::string_view body) {
  if (deaf_) return;
  out_ += EncodeFrame(kind, body);
  Flush();
}

void Agent::Flush() {
  while (!out_.empty()) {
    const ssize_t sent = ::write(STDOUT_FILENO, out_.data(), out_.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
      deaf_ = true;
      out_.clear();
      return Stop("the launcher is gone");
    }
    out_.erase(0, static_cast<std::size_t>(sent));
  }
}

// Everybody gets SIGTERM now, and SIGKILL after the grace period.
void Agent::Stop(const std::string& why) {
  if (kill_at_) return;
  kill_at_ = base::MonotonicMicros() + grace_;
  if (!why.empty() && !ranks_.empty()) {
    std::fprintf(stderr, "regatta rank-agent: %s; its ranks are stopped\n", why.c_str());
  }
  for (const auto& [pid, rank] : ranks_) {
    ::kill(-pid, SIGTERM);
    ::kill(-pid, SIGCONT);
  }
}

void Agent::ReadLauncher() {
  char buffer[65536];
  const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    deaf_ = true;
    return Stop("the launcher is gone");
  }
  heard_ = base::MonotonicMicros();
  reader_.Feed({buffer, static_cast<std::size_t>(got)});
  while (true) {
    auto frame = reader_.Next();
    if (!frame.ok()) return Stop(frame.status().message());
    const std::optional<Frame>& whole = *frame;
    if (!whole) return;
    Handle(*whole);
  }
}

void Agent::Handle(const Frame& frame) {
  const auto fields = SplitFields(frame.body);
  if (!fields.ok()) return Stop(fields.status().message());
  const auto has = [&](std::size_t count) {
    if (fields->size() >= count) return true;
    Stop("a message of the launcher is too short");
    return false;
  };
  switch (frame.kind) {
    case FrameKind::kSetup:
      if (has(4)) Setup(*fields);
      break;
    case FrameKind::kAsk:
      if (has(2)) Answer(*fields);
      break;
    case FrameKind::kStart:
      if (has(4)) Start(*fields);
      break;
    case FrameKind::kSignal:
      if (has(2)) Signal(*fields);
      break;
    case FrameKind::kSend:
      if (has(2) && relay_) relay_->Send((*fields)[0], (*fields)[1]);
      break;
    case FrameKind::kStop:
      Stop("");
      break;
    case FrameKind::kPing:
      Send(FrameKind::kPong, "");
      break;
    default:
      Stop("the launcher sent what this release does not know");
  }
}

// Token (empty: no relay), patience and grace in milliseconds, folder.
void Agent::Setup(const std::vector<std::string>& fields) {
  patience_ = ToInt(fields[1]) * Micros{1000};
  grace_ = ToInt(fields[2]) * Micros{1000};
  if (fields[0].empty()) return;
  auto relay = Relay::Open(fields[0], [this](const std::string& worker, const std::string& line) {
    Send(FrameKind::kReceived, JoinFields({worker, line}));
  });
  if (!relay.ok()) return Stop(relay.status().message());
  relay_ = *std::move(relay);
}

void Agent::Answer(const std::vector<std::string>& fields) {
  const auto address = OwnAddress(fields[0], fields[1]);
  const auto ports = FreePorts(2);
  if (!address.ok() || !ports.ok()) {
    const std::string why = (address.ok() ? ports.status().message() : address.status().message());
    return Send(FrameKind::kAddress, JoinFields({"", "", "", why}));
  }
  Send(FrameKind::kAddress,
       JoinFields({*address, std::to_string((*ports)[0]), std::to_string((*ports)[1]), ""}));
}

// Worker, folder, number of arguments, arguments, variables.
void Agent::Start(const std::vector<std::string>& fields) {
  const std::string& worker = fields[0];
  const auto count = static_cast<std::size_t>(std::max(ToInt(fields[2]), 1));
  if (fields.size() < 3 + count) return Stop("a message of the launcher is too short");
  RankSpec spec;
  spec.directory = fields[1];
  const auto arguments = fields.begin() + 3;
  spec.command.assign(arguments, arguments + static_cast<std::ptrdiff_t>(count));
  spec.environment.assign(arguments + static_cast<std::ptrdiff_t>(count), fields.end());
  if (relay_) spec.environment.push_back("REGATTA_HVD_STORE=" + relay_->address());
  if (kill_at_) return Ended(worker, "error", 1, "the host's ranks are being stopped");
  auto process = StartRank(spec);
  if (!process.ok()) return Ended(worker, "error", 127, process.status().message());
  const pid_t pid = process->pid;
  ranks_.emplace(pid, Rank{worker, *std::move(process)});
}

// Worker ("": all), number.
void Agent::Signal(const std::vector<std::string>& fields) {
  const int number = ToInt(fields[1]);
  for (const auto& [pid, rank] : ranks_) {
    if (!fields[0].empty() && fields[0] != rank.worker) continue;
    ::kill(-pid, number);
    if (number == SIGTERM) ::kill(-pid, SIGCONT);
  }
}

void Agent::Forward(Rank* rank, const pollfd& polled, base::UniqueFd* fd, const char* stream) {
  if (polled.fd < 0 || polled.revents == 0) return;
  if ((polled.revents & POLLIN) == 0) return fd->Reset();  // closed by all who had it
  char buffer[65536];
  const ssize_t got = ::read(fd->get(), buffer, sizeof buffer);
  if (got <= 0) return;
  Send(FrameKind::kOutput,
       JoinFields({rank->worker, stream}) + std::string(buffer, static_cast<std::size_t>(got)));
}

// What a rank wrote before it ended is in its pipes now; it does not wait for descendants that
// still hold them.
void Agent::Drain(Rank* rank) {
  for (const auto& [fd, stream] : {std::pair<base::UniqueFd*, const char*>(&rank->process.out, "1"),
                                   {&rank->process.err, "2"}}) {
    char buffer[65536];
    for (int part = 0; part < 64; ++part) {
      const ssize_t got = ::read(fd->get(), buffer, sizeof buffer);
      if (got <= 0) break;
      Send(FrameKind::kOutput,
           JoinFields({rank->worker, stream}) + std::string(buffer, static_cast<std::size_t>(got)));
    }
  }
}

void Agent::Ended(const std::string& worker, const char* how, int number, const std::string& text) {
  Send(FrameKind::kEnded, JoinFields({worker, how, std::to_string(number), text}));
}

void Agent::Collect() {
  signalfd_siginfo ignored[8];
  while (::read(children_.get(), ignored, sizeof ignored) > 0) continue;
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
       pid = ::waitpid(-1, &status, WNOHANG)) {
    const auto found = ranks_.find(pid);
    if (found == ranks_.end()) continue;  // an orphan of a rank, or a program that did not start
    Rank rank = std::move(found->second);
    ranks_.erase(found);
    ::kill(-pid, SIGKILL);  // what it leaves behind in its session ends with it
    Drain(&rank);
    if (WIFSIGNALED(status)) {
      Ended(rank.worker, "signal", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
    } else {
      Ended(rank.worker, "exit", WEXITSTATUS(status), "");
    }
  }
}

void Agent::Wait() {
  std::vector<pollfd> polled;
  polled.push_back({children_.get(), POLLIN, 0});
  polled.push_back({deaf_ ? -1 : STDIN_FILENO, POLLIN, 0});
  polled.push_back({out_.empty() ? -1 : STDOUT_FILENO, POLLOUT, 0});
  if (relay_) relay_->AddTo(&polled);
  const std::size_t outputs = polled.size();
  std::vector<pid_t> of_ranks;
  for (const auto& [pid, rank] : ranks_) {
    of_ranks.push_back(pid);
    polled.push_back({Congested() ? -1 : rank.process.out.get(), POLLIN, 0});
    polled.push_back({Congested() ? -1 : rank.process.err.get(), POLLIN, 0});
  }
  Micros until = base::MonotonicMicros() + 3600 * kSecond;
  if (patience_ > 0) until = std::min(until, heard_ + patience_);
  if (kill_at_) until = std::min(until, *kill_at_);
  const Micros left = std::max<Micros>(until - base::MonotonicMicros(), 0);
  if (::poll(polled.data(), polled.size(), static_cast<int>(left / 1000) + 1) < 0) return;
  if (polled[1].revents != 0) ReadLauncher();
  if (polled[2].revents != 0) Flush();
  if (relay_) relay_->Handle(polled);
  for (std::size_t i = 0; i < of_ranks.size(); ++i) {
    const auto rank = ranks_.find(of_ranks[i]);
    if (rank == ranks_.end()) continue;
    Forward(&rank->second, polled[outputs + 2 * i], &rank->second.process.out, "1");
    Forward(&rank->second, polled[outputs + 2 * i + 1], &rank->second.process.err, "2");
  }
  if (polled[0].revents != 0) Collect();
}

int Agent::Run() {
  ::setsid();  // a terminal's signals are the launcher's to pass on
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  children_.Reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  out_ = kAgentGreeting;
  Send(FrameKind::kHello,
       JoinFields({std::to_string(kAgentVersion), name, std::to_string(::getpid())}));
  while (true) {
    const Micros now = base::MonotonicMicros();
    if (patience_ > 0 && now >= heard_ + patience_) Stop("the launcher has said nothing for long");
    if (kill_at_ && (ranks_.empty() || now >= *kill_at_)) break;
    Wait();
  }
  // Also those that left their session: as their subreaper this process is their parent by now.
  while (SignalDescendants(SIGKILL) > 0) {
    pollfd one{children_.get(), POLLIN, 0};
    ::poll(&one, 1, 100);
    Collect();
  }
  Collect();
  const Micros until = base::MonotonicMicros() + kLastWords;
  while (!deaf_ && !out_.empty() && base::MonotonicMicros() < until) {
    pollfd one{STDOUT_FILENO, POLLOUT, 0};
    ::poll(&one, 1, 100);
    Flush();
  }
  return 0;
}

}  // namespace

int AgentMain() { return Agent().Run(); }

}  // namespace regatta::train
