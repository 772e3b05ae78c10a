#include "train/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/json.h"
#include "base/random.h"

namespace regatta::train {
namespace {

using base::ErrnoStatus;

constexpr std::size_t kLongestLine = 64u << 10;
constexpr std::size_t kMostWaiting = 16u << 20;  // bytes that a worker does not take
constexpr std::size_t kMostPeers = 4096;

}  // namespace

base::Result<Relay> Relay::Open(std::string token, Receive receive) {
  Relay relay;
  relay.token_ = std::move(token);
  relay.receive_ = std::move(receive);
  relay.listener_.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof place;
  if (!relay.listener_.valid() ||
      ::bind(relay.listener_.get(), reinterpret_cast<sockaddr*>(&place), length) != 0 ||
      ::listen(relay.listener_.get(), SOMAXCONN) != 0 ||
      ::getsockname(relay.listener_.get(), reinterpret_cast<sockaddr*>(&place), &length) != 0) {
    return ErrnoStatus(errno, "cannot listen on loopback");
  }
  relay.address_ = "127.0.0.1:" + std::to_string(ntohs(place.sin_port));
  return relay;
}

void Relay::AddTo(std::vector<pollfd>* polled) const {
  polled->push_back({listener_.get(), POLLIN, 0});
  for (const auto& [fd, peer] : peers_) {
    polled->push_back({fd, static_cast<short>(peer.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
  }
}

void Relay::Handle(const std::vector<pollfd>& polled) {
  for (const pollfd& one : polled) {
    if (one.revents == 0) continue;
    if (one.fd == listener_.get()) Accept();
    const auto found = peers_.find(one.fd);
    if (found == peers_.end()) continue;
    if ((one.revents & POLLOUT) != 0) Flush(&found->second);
    if ((one.revents & (POLLIN | POLLHUP | POLLERR)) != 0) Read(&found->second);
  }
  std::erase_if(peers_, [](const auto& entry) { return entry.second.closed; });
}

void Relay::Accept() {
  while (true) {
    base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    if (peers_.size() >= kMostPeers) continue;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int number = fd.get();
    peers_[number].fd = std::move(fd);
  }
}

void Relay::Read(Peer* peer) {
  char buffer[16384];
  while (!peer->closed) {
    const ssize_t got = ::recv(peer->fd.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      peer->closed = true;
      return;
    }
    peer->in.append(buffer, static_cast<std::size_t>(got));
    for (auto end = peer->in.find('\n'); end != std::string::npos; end = peer->in.find('\n')) {
      const std::string line = peer->in.substr(0, end);
      peer->in.erase(0, end + 1);
      Line(peer, line);
      if (peer->closed) return;
    }
    if (peer->in.size() > kLongestLine) peer->closed = true;
  }
}

void Relay::Line(Peer* peer, const std::string& line) {
  if (!peer->worker.empty()) {
    receive_(peer->worker, line);
    return;
  }
  const auto hello = base::ParseJson(line, {.bytes = kLongestLine, .depth = 4});
  const auto text = [&](const char* name) {
    const auto found = hello->find(name);
    return found != hello->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!hello.ok() || !hello->is_object() || text("type") != "hello" || text("worker").empty() ||
      !base::ConstantTimeEquals(text("token"), token_)) {
    peer->closed = true;
    return;
  }
  peer->worker = text("worker");
}

void Relay::Flush(Peer* peer) {
  while (!peer->out.empty()) {
    const ssize_t sent =
        ::send(peer->fd.get(), peer->out.data(), peer->out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
      peer->closed = true;
      return;
    }
    peer->out.erase(0, static_cast<std::size_t>(sent));
  }
}

void Relay::Send(const std::string& worker, const std::string& line) {
  for (auto& [fd, peer] : peers_) {
    if (peer.worker != worker || peer.closed) continue;
    peer.out += line + "\n";
    Flush(&peer);
    if (peer.out.size() > kMostWaiting) peer.closed = true;
  }
}

}  // namespace regatta::train
