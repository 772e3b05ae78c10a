#include "eccl/rails/dial.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"
#include "eccl/rails/rail_channel.h"

namespace regatta::eccl {
namespace {

// A peer's listener in the same subnet answers in far less; who does not is not there.
constexpr auto kReachTime = std::chrono::seconds(1);
// All of them together: the peer drops the first connection when it says nothing for 5 s.
constexpr auto kDialTime = std::chrono::seconds(3);
constexpr std::size_t kMostConnections = 64;

// Half of the descriptors of this process are the program's.
std::size_t MostConnections(int peers) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMostConnections;
  const auto each = limit.rlim_cur / 2 / static_cast<std::size_t>(std::max(peers, 1));
  return std::clamp<std::size_t>(each, 1, kMostConnections);
}

}  // namespace

RailListeners RailListeners::Open(const std::vector<Interface>& interfaces) {
  RailListeners listeners;
  if (interfaces.size() < 2) return listeners;
  for (const Interface& interface : interfaces) {
    auto fd = Listen(interface.address, 0);
    if (!fd.ok()) {
      base::Log(base::LogLevel::kInfo, "eccl", "an interface is not used",
                {{"interface", interface.name}, {"why", fd.status().message()}});
      continue;
    }
    UseInterface(fd->get(), interface.name);
    listeners.places.push_back({interface, LocalPort(fd->get())});
    listeners.fds.push_back(*std::move(fd));
  }
  return listeners;
}

RailDialer::RailDialer(std::vector<Interface> all, std::vector<Interface> wanted,
                       int sockets_per_rail, int peers)
    : all_(std::move(all)),
      wanted_(std::move(wanted)),
      sockets_per_rail_(sockets_per_rail),
      most_(MostConnections(peers)) {}

std::vector<RailSocket> RailDialer::Dial(const base::UniqueFd& first, const std::string& host,
                                         std::uint16_t port, const std::vector<RailPlace>& places,
                                         Deadline deadline) {
  std::vector<RailSocket> sockets;
  deadline = std::min(deadline, Clock::now() + kDialTime);
  const std::string own = InterfaceOfSocket(first.get()), there = PeerAddress(first.get());
  for (int i = 1; i < sockets_per_rail_ && sockets.size() + 1 < most_; ++i) {
    if (auto fd = Connect(host, port, deadline); fd.ok()) sockets.push_back({*std::move(fd), own});
  }
  // What the first connection does not use.
  std::vector<Interface> mine, theirs;
  std::vector<std::uint16_t> ports;
  for (const Interface& one : wanted_) {
    if (one.name != own) mine.push_back(one);
  }
  for (const RailPlace& place : places) {
    if (place.interface.address == there) continue;
    theirs.push_back(place.interface);
    ports.push_back(place.port);
  }
  for (const auto& [i, k] : PairInterfaces(mine, theirs)) {
    if (no_way_.contains({mine[i].name, theirs[k].name})) continue;
    if (Clock::now() >= deadline) break;
    for (int socket = 0; socket < sockets_per_rail_ && sockets.size() + 1 < most_; ++socket) {
      auto fd = ConnectFrom(mine[i].address, mine[i].name, theirs[k].address, ports[k],
                            std::min(deadline, Clock::now() + kReachTime));
      if (fd.ok()) {
        sockets.push_back({*std::move(fd), mine[i].name});
        continue;
      }
      base::Log(base::LogLevel::kInfo, "eccl", "no rail between two interfaces of one subnet",
                {{"interface", mine[i].name},
                 {"address", theirs[k].address},
                 {"why", fd.status().message()}});
      no_way_.emplace(mine[i].name, theirs[k].name);
      break;
    }
  }
  return sockets;
}

std::unique_ptr<Channel> MakeChannel(std::vector<RailSocket> sockets, int peers) {
  if (sockets.size() == 1) {
    return MakeTcpChannel(std::move(sockets[0].fd), sockets[0].interface);
  }
  std::vector<std::unique_ptr<Rail>> rails;
  for (RailSocket& socket : sockets) {
    rails.push_back(std::make_unique<Rail>(std::move(socket.fd), std::move(socket.interface)));
  }
  return RailChannel::Make(std::move(rails), {.window_bytes = RailWindowBytes(peers)});
}

}  // namespace regatta::eccl
