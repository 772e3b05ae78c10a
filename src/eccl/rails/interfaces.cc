#include "eccl/rails/interfaces.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "base/file.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// Every host that runs containers has these, often with the same subnet, and they lead nowhere.
constexpr const char* kNeverByDefault[] = {"lo", "docker*", "br-*", "virbr*", "cni*", "podman*"};

bool Matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool MatchesAny(const std::vector<std::string>& patterns, const std::string& name) {
  return std::ranges::any_of(patterns, [&](const auto& one) { return Matches(one, name); });
}

int BitsOf(const void* mask, std::size_t bytes) {
  const auto* at = static_cast<const std::uint8_t*>(mask);
  int bits = 0;
  for (std::size_t i = 0; i < bytes; ++i) bits += std::popcount(at[i]);
  return bits;
}

// The address in network order; empty when the text is none.
std::vector<std::uint8_t> Parse(const std::string& address) {
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
    return {bytes.begin(), bytes.begin() + 4};
  }
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) {
    return {bytes.begin(), bytes.end()};
  }
  return {};
}

// Of the interface's link; `socket` is any, of its network namespace.
int Megabits(int socket, const std::string& name) {
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  ifreq request{};
  name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&command);
  if (ioctl(socket, SIOCETHTOOL, &request) != 0) return 0;
  const std::uint32_t speed = ethtool_cmd_speed(&command);
  return speed > INT32_MAX ? 0 : static_cast<int>(speed);  // SPEED_UNKNOWN is -1
}

bool InOneSubnet(const Interface& one, const Interface& other) {
  const auto a = Parse(one.address), b = Parse(other.address);
  if (a.empty() || a.size() != b.size() || one.prefix_bits != other.prefix_bits) return false;
  for (int bit = 0; bit < one.prefix_bits; ++bit) {
    const auto at = static_cast<std::size_t>(bit / 8);
    if (((a[at] ^ b[at]) >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

}  // namespace

base::Result<InterfacePatterns> InterfacePatterns::Parse(const std::string& text) {
  InterfacePatterns patterns;
  patterns.text_ = text;
  patterns.given_ = !text.empty();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::string one = text.substr(at, comma - at);
    const bool exclude = one.starts_with('^');
    if (exclude) one.erase(0, 1);
    if (one.empty() || one.find_first_of("^ \t/") != std::string::npos ||
        comma + 1 == text.size()) {
      return Status(Code::kInvalidArgument,
                    "ECCL_INTERFACES=\"" + text +
                        "\": names or patterns of network interfaces are wanted, separated by "
                        "commas, as in eth0,eth1 or ib* or ^docker0 (all but that one)");
    }
    (exclude ? patterns.unwanted_ : patterns.wanted_).push_back(std::move(one));
    at = comma + 1;
  }
  if (patterns.wanted_.empty()) {
    patterns.unwanted_.insert(patterns.unwanted_.end(), std::begin(kNeverByDefault),
                              std::end(kNeverByDefault));
  }
  return patterns;
}

base::Result<std::vector<Interface>> InterfacePatterns::Choose(
    const std::vector<Interface>& all) const {
  std::vector<Interface> chosen;
  const auto choose = [&](const std::string& pattern) {
    bool matched = false;
    for (const Interface& one : all) {
      if (!Matches(pattern, one.name) || MatchesAny(unwanted_, one.name)) continue;
      matched = true;
      if (std::ranges::find(chosen, one) == chosen.end()) chosen.push_back(one);
    }
    return matched;
  };
  if (wanted_.empty()) choose("*");
  // A slow link beside a fast one (the one for administration, often) costs more than it carries.
  if (!given_ && !chosen.empty()) {
    const int fastest = std::ranges::max(chosen, {}, &Interface::megabits).megabits;
    std::erase_if(chosen, [fastest](const Interface& one) {
      return one.megabits == 0 || one.megabits < fastest;
    });
  }
  for (const std::string& pattern : wanted_) {
    if (choose(pattern)) continue;
    std::string names;
    for (const Interface& one : all) {
      names += (names.empty() ? "" : ", ") + one.name + " (" + one.address + ")";
    }
    return Status(Code::kInvalidArgument,
                  "ECCL_INTERFACES=\"" + text_ + "\": no interface that is up matches \"" +
                      pattern + "\"; this host has " + (names.empty() ? "none" : names));
  }
  return chosen;
}

std::vector<Interface> InterfacesOfThisHost() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  const base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::vector<Interface> found;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
      if (at->ifa_addr == nullptr || at->ifa_netmask == nullptr) continue;
      if (at->ifa_addr->sa_family != family || (at->ifa_flags & IFF_UP) == 0) continue;
      if (std::ranges::find(found, at->ifa_name, &Interface::name) != found.end()) continue;
      char text[INET6_ADDRSTRLEN] = {};
      Interface one{.name = at->ifa_name};
      if (family == AF_INET) {
        const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
        inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
        const auto* mask = reinterpret_cast<const sockaddr_in*>(at->ifa_netmask);
        one.prefix_bits = BitsOf(&mask->sin_addr, 4);
      } else {
        const auto* address = reinterpret_cast<const sockaddr_in6*>(at->ifa_addr);
        if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) continue;
        inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof(text));
        const auto* mask = reinterpret_cast<const sockaddr_in6*>(at->ifa_netmask);
        one.prefix_bits = BitsOf(&mask->sin6_addr, 16);
      }
      one.address = text;
      one.megabits = Megabits(socket.get(), one.name);
      found.push_back(std::move(one));
    }
  }
  return found;
}

std::string InterfaceOf(const std::vector<Interface>& all, std::string_view address) {
  const auto found = std::ranges::find(all, address, &Interface::address);
  return found == all.end() ? "" : found->name;
}

std::vector<std::pair<std::size_t, std::size_t>> PairInterfaces(std::span<const Interface> mine,
                                                                std::span<const Interface> theirs) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  std::vector<bool> used_mine(mine.size()), used_theirs(theirs.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    for (std::size_t k = 0; k < theirs.size(); ++k) {
      if (mine[i].address == theirs[k].address) used_mine[i] = used_theirs[k] = true;
    }
  }
  for (const bool same_name : {true, false}) {
    for (std::size_t i = 0; i < mine.size(); ++i) {
      for (std::size_t k = 0; k < theirs.size() && !used_mine[i]; ++k) {
        if (used_theirs[k] || (same_name && mine[i].name != theirs[k].name)) continue;
        if (!InOneSubnet(mine[i], theirs[k])) continue;
        used_mine[i] = used_theirs[k] = true;
        pairs.emplace_back(i, k);
      }
    }
  }
  return pairs;
}

}  // namespace regatta::eccl
