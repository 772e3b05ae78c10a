#include "train/launcher.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "train/hosts.h"

namespace regatta::train {
namespace {

using base::Code;
using base::Micros;
using base::Status;

constexpr Micros kSecond = 1'000'000;
constexpr Micros kPingEvery = 10 * kSecond;
// Other hosts only: here the end of a pipe says all, and a launcher may be stopped with Ctrl-Z.
constexpr Micros kSilence = 60 * kSecond;
constexpr Micros kAgentsLeave = 3 * kSecond;

int ToInt(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

base::UniqueFd BlockedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    struct sigaction action = {};
    // nohup's wish stays in force.
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    sigaddset(&set, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return base::UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

int End::code() const {
  switch (how) {
    case How::kExit:
      return number;
    case How::kSignal:
      return 128 + number;
    case How::kNotStarted:
      return number;
    case How::kLost:
      break;
  }
  return 1;
}

std::string End::Describe() const {
  switch (how) {
    case How::kExit:
      return "ended with code " + std::to_string(number);
    case How::kSignal:
      return "was killed by signal " + std::to_string(number) + " (" + text + ")";
    case How::kNotStarted:
      return "could not be started: " + text;
    case How::kLost:
      break;
  }
  return "is lost: " + text;
}

// Signals are blocked before any thread is made.
Launcher::Launcher(LauncherOptions options, OutputOptions output)
    : options_(std::move(options)),
      signals_(BlockedSignals()),
      drained_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      output_(std::move(output), [this] { ::eventfd_write(drained_.get(), 1); }) {}

int Launcher::Run(Job* job) {
  job_ = job;
  job_->Begin();
  while (true) {
    if (phase_ == Phase::kStoppingRanks && workers_.empty()) StopAgents();
    if (phase_ == Phase::kStoppingAgents && hosts_.empty()) break;
    Wait();
    CheckTimes();
  }
  return code_;
}

void Launcher::AddHost(const std::string& host) {
  if (hosts_.contains(host)) return;
  auto link = AgentLink::Start(host, IsHere(host) ? nullptr : &options_.remote);
  if (!link.ok()) {
    job_->HostLost(host, link.status().message());
    return;
  }
  const Micros now = base::MonotonicMicros();
  hosts_[host] = {.link = *std::move(link), .ready = false, .started = now, .pinged = now};
}

void Launcher::Ask(const std::string& host, const std::string& peer) {
  hosts_.at(host).link->Send(FrameKind::kAsk, JoinFields({peer, options_.interface}));
}

void Launcher::Start(const std::string& worker, const std::string& label, const std::string& host,
                     const std::vector<std::string>& command,
                     const std::vector<std::string>& variables) {
  std::vector<std::string> fields = {worker, options_.directory, std::to_string(command.size())};
  fields.insert(fields.end(), command.begin(), command.end());
  fields.insert(fields.end(), variables.begin(), variables.end());
  workers_[worker] = {label, host};
  hosts_.at(host).link->Send(FrameKind::kStart, JoinFields(fields));
}

void Launcher::Send(const std::string& worker, const std::string& line) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  const auto host = hosts_.find(found->second.host);
  if (host != hosts_.end()) host->second.link->Send(FrameKind::kSend, JoinFields({worker, line}));
}

void Launcher::Finish(int code, Micros notice) {
  if (phase_ != Phase::kRunning) return;
  phase_ = Phase::kStoppingRanks;
  code_ = code;
  ask_at_ = base::MonotonicMicros() + notice;
  kill_at_ = ask_at_ + options_.grace;
  if (notice == 0) AskToStop();
}

void Launcher::AskToStop() {
  asked_ = true;
  SignalAll(SIGTERM);
}

void Launcher::SignalAll(int number) {
  for (auto& [name, host] : hosts_) {
    host.link->Send(FrameKind::kSignal, JoinFields({"", std::to_string(number)}));
  }
}

void Launcher::StopAgents() {
  phase_ = Phase::kStoppingAgents;
  kill_at_ = base::MonotonicMicros() + kAgentsLeave;
  for (auto& [name, host] : hosts_) host.link->Send(FrameKind::kStop, "");
}

void Launcher::ReportEnd(const std::string& who, const std::string& label, const std::string& host,
                         const End& end, const std::string& consequence) {
  output_.Say(who + " on " + host + " " + end.Describe() + consequence);
  const std::vector<std::string> lines = output_.LastLines(label);
  if (lines.empty()) return;
  output_.Say("the last it wrote:");
  for (const std::string& line : lines) output_.Say("  | " + line);
}

void Launcher::ReadSignals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGUSR1 || number == SIGUSR2) {
      SignalAll(number);
    } else if (phase_ == Phase::kRunning) {
      output_.Say(std::string("stopping the ranks: ") + ::strsignal(number) +
                  " (once more: without waiting for them)");
      Finish(128 + number);
      if (number != SIGTERM) SignalAll(number);
    } else {
      if (!asked_) AskToStop();
      kill_at_ = base::MonotonicMicros();
    }
  }
}

void Launcher::Wait() {
  congested_ = output_.Congested();
  std::vector<pollfd> polled = {{signals_.get(), POLLIN, 0}, {drained_.get(), POLLIN, 0}};
  std::vector<std::string> names;
  Micros until = job_->WakeAt();
  if (phase_ != Phase::kRunning && !killed_) until = std::min(until, asked_ ? kill_at_ : ask_at_);
  for (const auto& [name, host] : hosts_) {
    names.push_back(name);
    polled.push_back({congested_ ? -1 : host.link->in(), POLLIN, 0});
    polled.push_back({host.link->err(), POLLIN, 0});
    polled.push_back({host.link->has_to_write() ? host.link->out() : -1, POLLOUT, 0});
    if (!host.ready) until = std::min(until, host.started + options_.start_timeout);
    if (host.link->is_remote()) until = std::min(until, host.pinged + kPingEvery);
  }
  if (phase_ == Phase::kRunning) job_->AddTo(&polled);
  const Micros left = std::clamp<Micros>(until - base::MonotonicMicros(), 0, 3600 * kSecond);
  if (::poll(polled.data(), polled.size(), static_cast<int>((left + 999) / 1000)) < 0) return;
  if (polled[0].revents != 0) ReadSignals();
  if (polled[1].revents != 0) {
    eventfd_t count = 0;
    ::eventfd_read(drained_.get(), &count);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const pollfd* const three = &polled[2 + 3 * i];
    const auto host = hosts_.find(names[i]);
    if (host == hosts_.end()) continue;
    if (three[2].revents != 0) host->second.link->Flush();
    if (three[1].revents != 0) {
      for (const std::string& line : host->second.link->ReadErrors()) {
        if (options_.verbose) output_.Say(names[i] + ": " + line);
      }
    }
    if (three[0].revents != 0) ReadHost(names[i]);
  }
}

void Launcher::CheckTimes() {
  const Micros now = base::MonotonicMicros();
  if (phase_ == Phase::kRunning) job_->Wake();
  if (phase_ == Phase::kStoppingRanks && !asked_ && now >= ask_at_) AskToStop();
  if (phase_ == Phase::kStoppingRanks && now >= kill_at_ && !killed_) {
    killed_ = true;
    SignalAll(SIGKILL);
    kill_at_ = now + kAgentsLeave;
  } else if (phase_ == Phase::kStoppingRanks && now >= kill_at_) {
    StopAgents();  // ranks that not even SIGKILL ends
  } else if (phase_ == Phase::kStoppingAgents && now >= kill_at_) {
    for (auto& [name, host] : hosts_) {
      output_.Say("the agent on " + name + " did not end in time; its connection is cut");
    }
    hosts_.clear();
  }
  std::vector<std::pair<std::string, std::string>> lost;
  for (auto& [name, host] : hosts_) {
    if (!host.ready && now >= host.started + options_.start_timeout) {
      lost.emplace_back(name, "no agent answered within " +
                                  base::FormatDuration(options_.start_timeout) +
                                  " (--start-timeout)");
    }
    if (!host.link->is_remote()) continue;
    if (now >= host.pinged + kPingEvery) {
      host.pinged = now;
      if (host.ready) host.link->Send(FrameKind::kPing, "");
    }
    // While nothing is read, nothing can be heard.
    if (congested_) host.link->heard = now;
    if (host.ready && now >= host.link->heard + kSilence) {
      lost.emplace_back(name, "it has said nothing for " + base::FormatDuration(kSilence));
    }
  }
  for (const auto& [name, why] : lost) Lose(name, why);
}

void Launcher::ReadHost(const std::string& host) {
  bool ended = false;
  auto frames = hosts_.at(host).link->Read(&ended);
  if (!frames.ok()) return Lose(host, frames.status().message());
  for (const Frame& frame : *frames) {
    if (!hosts_.contains(host)) return;
    Handle(host, frame);
  }
  if (ended) Lose(host, hosts_.at(host).link->Obituary());
}

void Launcher::Handle(const std::string& host, const Frame& frame) {
  HostState& state = hosts_.at(host);
  // Output: worker, stream and then bytes that are no fields.
  if (frame.kind == FrameKind::kOutput) {
    const auto first = frame.body.find('\0');
    if (first == std::string::npos || first + 2 >= frame.body.size()) return;
    const auto worker = workers_.find(frame.body.substr(0, first));
    if (worker == workers_.end()) return;
    output_.Add(worker->second.label, frame.body[first + 1] == '2' ? Stream::kErr : Stream::kOut,
                std::string_view(frame.body).substr(first + 3));
    return;
  }
  const auto fields = SplitFields(frame.body);
  if (!fields.ok()) return Lose(host, fields.status().message());
  const auto field = [&](std::size_t number) {
    return number < fields->size() ? (*fields)[number] : std::string();
  };
  switch (frame.kind) {
    case FrameKind::kHello: {
      if (ToInt(field(0)) != kAgentVersion) {
        return Lose(host, "its agent speaks version " + field(0) + ", this launcher " +
                              std::to_string(kAgentVersion) + "; install the same release");
      }
      state.ready = true;
      const Micros patience = state.link->is_remote() ? kSilence : 0;
      state.link->Send(FrameKind::kSetup,
                       JoinFields({options_.token, std::to_string(patience / 1000),
                                   std::to_string(options_.grace / 1000), ""}));
      if (phase_ == Phase::kStoppingAgents) state.link->Send(FrameKind::kStop, "");
      if (phase_ == Phase::kRunning) job_->HostReady(host);
      break;
    }
    case FrameKind::kAddress:
      if (phase_ != Phase::kRunning) break;
      if (field(0).empty()) {
        job_->Addressed(host, Status(Code::kNotFound, field(3)));
      } else {
        job_->Addressed(host, HostAddress{field(0), {field(1), field(2)}});
      }
      break;
    case FrameKind::kEnded: {
      End end{.how = End::How::kExit, .number = ToInt(field(2)), .text = field(3)};
      if (field(1) == "signal") end.how = End::How::kSignal;
      if (field(1) == "error") end.how = End::How::kNotStarted;
      EndWorker(field(0), end);
      break;
    }
    case FrameKind::kReceived:
      if (phase_ == Phase::kRunning) job_->Received(field(0), field(1));
      break;
    default:
      break;  // a pong has been heard, which is all it is for
  }
}

void Launcher::EndWorker(const std::string& worker, const End& end) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  output_.End(found->second.label);
  if (phase_ == Phase::kRunning) job_->Ended(worker, end);
  workers_.erase(worker);
}

void Launcher::Lose(const std::string& host, const std::string& why) {
  hosts_.erase(host);
  std::vector<std::string> here;
  for (const auto& [worker, state] : workers_) {
    if (state.host == host) here.push_back(worker);
  }
  for (const std::string& worker : here) {
    EndWorker(worker, {.how = End::How::kLost, .number = 0, .text = why});
  }
  if (phase_ == Phase::kRunning) job_->HostLost(host, why);
}

}  // namespace regatta::train
