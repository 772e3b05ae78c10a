#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace regatta::eccl {

// A network interface of this host that is up.
struct Interface {
  std::string name;     // "eth0"
  std::string address;  // numeric; IPv4 where it has one
  int prefix_bits = 0;  // of its subnet
  int megabits = 0;     // of its link, a second; 0: its driver does not say
  bool operator==(const Interface&) const = default;
};

// The value of ECCL_INTERFACES: names or patterns (* and ?) separated by commas, in the order in
// which they are wanted; those after a ^ are left out. Only exclusions: all others.
class InterfacePatterns {
 public:
  // Empty text: the fastest of those that know their speed, without loopback and the bridges of
  // container engines. kInvalidArgument says what is wrong with the text.
  static base::Result<InterfacePatterns> Parse(const std::string& text);

  bool given() const { return !wanted_.empty() || given_; }
  // Those of `all` that are wanted. kInvalidArgument when a pattern that includes matches none.
  base::Result<std::vector<Interface>> Choose(const std::vector<Interface>& all) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool given_ = false;
  std::vector<std::string> wanted_;
  std::vector<std::string> unwanted_;
};

// All that are up and have an address that other hosts could reach, or loopback; one address each.
std::vector<Interface> InterfacesOfThisHost();

// The one with this address; "" when there is none.
std::string InterfaceOf(const std::vector<Interface>& all, std::string_view address);

// Which interface of this host to connect with which one of a peer's, by index: those in one
// subnet, of the same name before others, each once. An address that both have is nobody's.
std::vector<std::pair<std::size_t, std::size_t>> PairInterfaces(std::span<const Interface> mine,
                                                                std::span<const Interface> theirs);

}  // namespace regatta::eccl
