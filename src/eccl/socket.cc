#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "eccl/wire.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

base::Result<AddressList> Resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) {
    return Status(Code::kNotFound, "cannot resolve host \"" + host + "\": " + gai_strerror(rc));
  }
  return AddressList(found, &freeaddrinfo);
}

int MillisecondsUntil(Deadline deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if (left < 0) return 0;
  return left > 3'600'000 ? 3'600'000 : static_cast<int>(left) + 1;
}

std::string AddressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    }
  }
  return text;
}

base::Result<base::UniqueFd> ListenAt(const addrinfo& address, bool* foreign) {
  base::UniqueFd fd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot make a socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 ||
      listen(fd.get(), SOMAXCONN) != 0) {
    const int error = errno;
    *foreign = *foreign || error == EADDRNOTAVAIL;
    return base::ErrnoStatus(error, "cannot listen");
  }
  return fd;
}

// One attempt at one address.
base::Result<base::UniqueFd> ConnectTo(const addrinfo& address, Deadline deadline,
                                       const addrinfo* from = nullptr,
                                       const std::string& interface = "") {
  base::UniqueFd fd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot make a socket");
  UseInterface(fd.get(), interface);
  if (from != nullptr && bind(fd.get(), from->ai_addr, from->ai_addrlen) != 0) {
    return base::ErrnoStatus(errno, "cannot use the interface's address");
  }
  if (connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return base::ErrnoStatus(errno, "cannot connect");
    BASE_RETURN_IF_ERROR(WaitFor(fd.get(), POLLOUT, deadline));
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return base::ErrnoStatus(error, "cannot connect");
  }
  // Connecting to a free port of one's own machine can, by chance, connect the socket to itself.
  sockaddr_storage local{}, remote{};
  socklen_t local_size = sizeof(local), remote_size = sizeof(remote);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &local_size);
  getpeername(fd.get(), reinterpret_cast<sockaddr*>(&remote), &remote_size);
  if (local_size == remote_size && std::memcmp(&local, &remote, local_size) == 0) {
    return Status(Code::kUnavailable, "nobody listens there yet");
  }
  TuneSocket(fd.get());
  return fd;
}

}  // namespace

Status WaitFor(int fd, short events, Deadline deadline) {
  for (;;) {
    pollfd item{fd, events, 0};
    const int rc = poll(&item, 1, MillisecondsUntil(deadline));
    if (rc > 0) return Status();
    if (rc < 0 && errno != EINTR) return base::ErrnoStatus(errno, "poll failed");
    if (Clock::now() >= deadline) return Status(Code::kDeadlineExceeded, "no answer in time");
  }
}

Status SendAll(int fd, std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      BASE_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return base::ErrnoStatus(errno, "cannot send");
    }
  }
  return Status();
}

base::Result<std::string> ReceiveExactly(int fd, std::size_t size, Deadline deadline) {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = recv(fd, bytes.data() + have, size - have, MSG_DONTWAIT);
    if (got > 0) {
      have += static_cast<std::size_t>(got);
    } else if (got == 0) {
      return Status(Code::kUnavailable, "the peer closed the connection");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      BASE_RETURN_IF_ERROR(WaitFor(fd, POLLIN, deadline));
    } else if (errno != EINTR) {
      return base::ErrnoStatus(errno, "cannot receive");
    }
  }
  return bytes;
}

base::Result<Frame> ReceiveFrame(int fd, Deadline deadline, std::size_t limit) {
  BASE_ASSIGN_OR_RETURN(const std::string head, ReceiveExactly(fd, kHeaderBytes, deadline));
  Frame frame;
  if (!DecodeHeader(head, &frame.header)) {
    return Status(Code::kDataLoss, "the peer does not speak the ECCL protocol");
  }
  if (frame.header.length > limit) {
    return Status(Code::kOutOfRange, "the peer announced a frame of " +
                                         std::to_string(frame.header.length) + " bytes; at most " +
                                         std::to_string(limit) + " are allowed here");
  }
  BASE_ASSIGN_OR_RETURN(frame.body, ReceiveExactly(fd, frame.header.length, deadline));
  return frame;
}

base::Result<base::UniqueFd> Listen(const std::string& host, std::uint16_t port) {
  BASE_ASSIGN_OR_RETURN(const AddressList addresses, Resolve(host, port));
  Status why(Code::kNotFound, "no address");
  bool foreign = false;
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    auto fd = ListenAt(*a, &foreign);
    if (fd.ok()) return fd;
    why = fd.status();
  }
  if (foreign) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    addrinfo address{};
    address.ai_family = AF_INET;
    address.ai_addr = reinterpret_cast<sockaddr*>(&any);
    address.ai_addrlen = sizeof(any);
    auto fd = ListenAt(address, &foreign);
    if (fd.ok()) return fd;
    why = fd.status();
  }
  return Status(why.code(), host + ":" + std::to_string(port) + ": " + why.message());
}

base::Result<base::UniqueFd> Connect(const std::string& host, std::uint16_t port,
                                     Deadline deadline) {
  using namespace std::chrono_literals;
  Clock::duration pause = 5ms;
  for (;;) {
    Status why;
    auto addresses = Resolve(host, port);
    if (!addresses.ok()) {
      why = addresses.status();  // A service's name may appear later, too.
    } else {
      for (const addrinfo* a = addresses->get(); a != nullptr; a = a->ai_next) {
        auto fd = ConnectTo(*a, deadline);
        if (fd.ok()) return fd;
        why = fd.status();
      }
    }
    if (Clock::now() + pause >= deadline) {
      return Status(Code::kDeadlineExceeded,
                    host + ":" + std::to_string(port) + ": " + why.message());
    }
    // Nothing signals that a remote listener has started: poll with a growing interval.
    poll(nullptr, 0, static_cast<int>(pause / 1ms));
    pause = std::min<Clock::duration>(pause * 2, 200ms);
  }
}

base::Result<base::UniqueFd> ConnectFrom(const std::string& from, const std::string& interface,
                                         const std::string& to, std::uint16_t port,
                                         Deadline deadline) {
  BASE_ASSIGN_OR_RETURN(const AddressList source, Resolve(from, 0));
  BASE_ASSIGN_OR_RETURN(const AddressList target, Resolve(to, port));
  return ConnectTo(*target, deadline, source.get(), interface);
}

void UseInterface(int fd, const std::string& interface) {
  if (interface.empty()) return;
  const auto size = static_cast<socklen_t>(interface.size());
  setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.data(), size);
}

void TuneSocket(int fd) {
  const int on = 1, idle = 5, interval = 1, probes = 5, unacked_ms = 10'000;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
}

std::uint16_t LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string LocalAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  return AddressText(address);
}

std::string PeerAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  return AddressText(address);
}

}  // namespace regatta::eccl
