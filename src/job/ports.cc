#include "job/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "base/random.h"

namespace regatta::job {
namespace {

bool IsFree(int port) {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return fd.valid() &&
         bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Ports::Ports() {
  const auto range = base::ReadFile("/proc/sys/net/ipv4/ip_local_port_range");
  const int outgoing = range.ok() ? std::atoi(range->c_str()) : 0;
  // A machine that gives nearly all ports to outgoing connections leaves us the usual part of them.
  if (outgoing >= low_ + 1000) high_ = outgoing - 1;
  // Another engine on this machine begins elsewhere.
  std::uint32_t start = 0;
  base::FillRandom(&start, sizeof start);
  next_ = low_ + static_cast<int>(start % static_cast<std::uint32_t>(high_ - low_ + 1));
}

absl::StatusOr<std::vector<int>> Ports::Take(int count) {
  std::vector<int> ports;
  for (int tried = 0; tried <= high_ - low_; ++tried) {
    if (static_cast<int>(ports.size()) == count) break;
    const int port = next_;
    next_ = next_ == high_ ? low_ : next_ + 1;
    if (!taken_.contains(port) && IsFree(port)) ports.push_back(port);
  }
  if (static_cast<int>(ports.size()) < count) {
    return absl::ResourceExhaustedError("no free TCP ports between " + std::to_string(low_) +
                                        " and " + std::to_string(high_) + " (" +
                                        std::to_string(count) + " are needed)");
  }
  Reserve(ports);
  return ports;
}

void Ports::Reserve(const std::vector<int>& ports) { taken_.insert(ports.begin(), ports.end()); }

void Ports::Return(const std::vector<int>& ports) {
  for (const int port : ports) taken_.erase(port);
}

}  // namespace regatta::job
