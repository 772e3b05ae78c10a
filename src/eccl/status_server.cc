#include "eccl/status_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sstream>

#include "base/log.h"
#include "eccl/communicator.h"
#include "eccl/wire.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

constexpr const char* kPrefix = "regatta-eccl-";
constexpr std::size_t kCallsShown = 32;
// More than any answer has; what is longer comes from something else.
constexpr std::size_t kMostAnswer = 64u << 20;
constexpr auto kPatience = 1s;

struct Address {
  explicit Address(const std::string& name) {
    value.sun_family = AF_UNIX;
    // The first byte stays 0: no file.
    std::memcpy(value.sun_path + 1, name.data(), std::min(name.size(), sizeof(value.sun_path) - 1));
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }
  sockaddr_un value{};
  socklen_t size = 0;
};

base::Result<base::UniqueFd> ListenAs(const std::string& name) {
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Address address(name);
  if (!fd.valid() || bind(fd.get(), address.get(), address.size) != 0 || listen(fd.get(), 8) != 0) {
    return base::ErrnoStatus(errno, "cannot listen as @" + name);
  }
  return fd;
}

bool IsReady(int fd, short events, Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  pollfd item{fd, events, 0};
  return left.count() > 0 && poll(&item, 1, static_cast<int>(left.count())) > 0;
}

// May see what a process of `user` does.
bool Trusts(int client) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == geteuid());
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  auto table = base::ReadFile("/proc/net/unix", 64u << 20);
  if (!table.ok()) return names;
  std::istringstream lines(*table);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.rfind(std::string("@") + kPrefix);
    // A connection that is being served has the listener's name; only a listener has this flag.
    const bool listens = line.find(" 00010000 ") != std::string::npos;
    if (at != std::string::npos && listens) names.push_back(line.substr(at + 1));
  }
  return names;
}

base::Result<std::string> Ask(const std::string& name) {
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Address address(name);
  if (!fd.valid() || connect(fd.get(), address.get(), address.size) != 0) {
    return base::ErrnoStatus(errno, "cannot connect");
  }
  const Deadline deadline = Clock::now() + kPatience;
  std::string answer;
  char buffer[16384];
  while (answer.size() < kMostAnswer) {
    if (!IsReady(fd.get(), POLLIN, deadline)) {
      return Status(Code::kDeadlineExceeded,
                    "it did not answer within a second; it may be stopped");
    }
    const ssize_t got = recv(fd.get(), buffer, sizeof(buffer), 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return base::ErrnoStatus(errno, "cannot read its answer");
    if (got == 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  if (answer.empty()) return Status(Code::kPermissionDenied, "it belongs to another user");
  return answer;
}

}  // namespace

std::shared_ptr<StatusServer> StatusServer::OfThisProcess() {
  static std::mutex& mutex = *new std::mutex;  // Never destroyed: communicators may outlive main().
  static std::weak_ptr<StatusServer>& current = *new std::weak_ptr<StatusServer>;
  const std::lock_guard lock(mutex);
  std::shared_ptr<StatusServer> server = current.lock();
  // A forked child has a copy of its parent's, but not the thread.
  if (server != nullptr && server->pid_ == getpid()) return server;
  // A process may have loaded the library twice.
  const std::string name = kPrefix + std::to_string(getpid()) + "-";
  base::Result<base::UniqueFd> listener = ListenAs(name + "0");
  for (int copy = 1; copy < 4 && !listener.ok(); ++copy) {
    listener = ListenAs(name + std::to_string(copy));
  }
  base::UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener.ok() || !wake.valid()) {
    base::Log(base::LogLevel::kWarning, "eccl", "`regatta eccl status` will not see this process",
              {{"why", listener.ok() ? "no descriptor is left" : listener.status().message()}});
    return nullptr;
  }
  server.reset(new StatusServer(*std::move(listener), std::move(wake)));
  current = server;
  return server;
}

StatusServer::StatusServer(base::UniqueFd listener, base::UniqueFd wake)
    : pid_(getpid()), listener_(std::move(listener)), wake_(std::move(wake)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

StatusServer::~StatusServer() {
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_.get(), &one, sizeof(one));
  thread_.join();
}

void StatusServer::Add(const Communicator* communicator) {
  const std::lock_guard lock(mutex_);
  communicators_.insert(communicator);
}

void StatusServer::Remove(const Communicator* communicator) {
  const std::lock_guard lock(mutex_);
  communicators_.erase(communicator);
}

void StatusServer::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd items[] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(items, 2, -1) <= 0 || (items[0].revents & POLLIN) == 0) continue;
    const base::UniqueFd client(
        accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client.valid() && Trusts(client.get())) Answer(client);
  }
}

void StatusServer::Answer(const base::UniqueFd& client) {
  std::string text = "{\"version\":1,\"pid\":" + std::to_string(pid_) + ",\"communicators\":[";
  {
    const std::lock_guard lock(mutex_);
    const char* comma = "";
    for (const Communicator* communicator : communicators_) {
      text += comma + communicator->Describe(kCallsShown);
      comma = ",";
    }
  }
  text += "]}\n";
  const Deadline deadline = Clock::now() + kPatience;
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t sent = send(client.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (sent >= 0) {
      at += static_cast<std::size_t>(sent);
    } else if ((errno != EAGAIN && errno != EINTR) || !IsReady(client.get(), POLLOUT, deadline)) {
      return;
    }
  }
}

base::Result<std::vector<std::string>> AskStatus(int pid, std::vector<std::string>* problems) {
  std::vector<std::string> answers;
  const std::string wanted = kPrefix + std::to_string(pid) + "-";
  bool found = false;
  for (const std::string& name : Names()) {
    if (pid != 0 && !name.starts_with(wanted)) continue;
    found = true;
    auto answer = Ask(name);
    if (answer.ok()) {
      answers.push_back(*std::move(answer));
    } else {
      const std::string number = name.substr(std::strlen(kPrefix));
      problems->push_back("process " + number.substr(0, number.find('-')) + ": " +
                          answer.status().message());
    }
  }
  if (pid != 0 && !found) {
    return Status(Code::kNotFound, "process " + std::to_string(pid) +
                                       " has no communicator, or is not on this host");
  }
  return answers;
}

}  // namespace regatta::eccl
