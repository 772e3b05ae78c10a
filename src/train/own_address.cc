#include "train/own_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/file.h"

namespace regatta::train {
namespace {

using base::Code;
using base::ErrnoStatus;
using base::Status;

std::string Text(const sockaddr_in& place) {
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &place.sin_addr, text, sizeof text);
  return text;
}

base::Result<std::string> AddressOfInterface(const std::string& interface) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return ErrnoStatus(errno, "cannot list network interfaces");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  std::string known;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if (interface == one->ifa_name) {
      return Text(*reinterpret_cast<const sockaddr_in*>(one->ifa_addr));
    }
    known += std::string(known.empty() ? "" : ", ") + one->ifa_name;
  }
  return Status(Code::kNotFound, "there is no network interface \"" + interface +
                                     "\" with an IPv4 address; those with one are " + known);
}

}  // namespace

base::Result<std::string> OwnAddress(const std::string& peer, const std::string& interface) {
  if (!interface.empty()) return AddressOfInterface(interface);
  if (peer.empty()) return std::string("127.0.0.1");
  const std::string host = peer.substr(peer.rfind('@') + 1);  // npos + 1 is 0
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), "9", &hints, &found); error != 0) {
    return Status(Code::kNotFound, "\"" + host + "\": " + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  const base::UniqueFd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in place{};
  socklen_t length = sizeof place;
  if (!probe.valid() || ::connect(probe.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&place), &length) != 0) {
    return ErrnoStatus(errno, "no way leads to " + host);
  }
  return Text(place);
}

base::Result<std::vector<std::uint16_t>> FreePorts(int count) {
  std::vector<std::uint16_t> ports;
  std::vector<base::UniqueFd> held;  // all at once, so that they differ
  for (int i = 0; i < count; ++i) {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in place{};
    place.sin_family = AF_INET;
    socklen_t length = sizeof place;
    if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&place), length) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&place), &length) != 0) {
      return ErrnoStatus(errno, "no port is free");
    }
    ports.push_back(ntohs(place.sin_port));
    held.push_back(std::move(fd));
  }
  return ports;
}

}  // namespace regatta::train
