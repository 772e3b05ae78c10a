#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "eccl/rails/interfaces.h"
#include "eccl/transport.h"
#include "eccl/wire.h"

namespace regatta::eccl {

// Where a rank takes connections over one of its interfaces.
struct RailPlace {
  Interface interface;
  std::uint16_t port = 0;
};

// A connection, and this host's interface that it uses ("" unknown).
struct RailSocket {
  base::UniqueFd fd;
  std::string interface;
};

// Listens on every interface, where there is more than one; what cannot be listened on is left out.
struct RailListeners {
  std::vector<base::UniqueFd> fds;
  std::vector<RailPlace> places;

  static RailListeners Open(const std::vector<Interface>& interfaces);
};

// Makes the further connections of a channel whose first one exists.
class RailDialer {
 public:
  // `all`: the interfaces of this host; `wanted`: those for rails. `peers`: how many channels may
  // get connections, so that descriptors suffice.
  RailDialer(std::vector<Interface> all, std::vector<Interface> wanted, int sockets_per_rail,
             int peers);

  // To a peer's further `places`, and to the one that `first` leads to, as often as there are to be
  // sockets. Only what can be reached at once; no error when nothing can.
  std::vector<RailSocket> Dial(const base::UniqueFd& first, const std::string& host,
                               std::uint16_t port, const std::vector<RailPlace>& places,
                               Deadline deadline);
  std::string InterfaceOfSocket(int fd) const { return InterfaceOf(all_, LocalAddress(fd)); }

 private:
  std::vector<Interface> all_, wanted_;
  int sockets_per_rail_;
  std::size_t most_;  // connections of one channel
  // Interfaces, this host's and a peer's, between which there is no way.
  std::set<std::pair<std::string, std::string>> no_way_;
};

// Over one connection or several. `peers`: how many ranks this one may have such channels with.
std::unique_ptr<Channel> MakeChannel(std::vector<RailSocket> sockets, int peers);

}  // namespace regatta::eccl
