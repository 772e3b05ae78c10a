#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "eccl/bootstrap.h"
#include "eccl/rails/interfaces.h"
#include "eccl/shm_channel.h"
#include "eccl/transport.h"
#include "eccl/wait.h"

namespace regatta::eccl {

enum class TransportChoice { kAuto, kShm, kTcp };

// Where a rank's values are.
struct DeviceInfo {
  std::string name;      // "cuda:0", as the rank itself calls it; "": in host memory
  std::string identity;  // the same for two ranks only when they use one device; "" unknown
  std::string library;   // of collectives between devices of its kind, with version; "": none
};

struct PeerOptions {
  int rank = 0;
  int size = 1;
  TransportChoice transport = TransportChoice::kAuto;
  std::string host_id;  // ranks with different ones count as being on different hosts
  std::string host;     // what peers should reach this rank at; "": found out
  std::string key;
  std::size_t ring_bytes = 0;              // as in Options
  std::vector<Interface> interfaces;       // of this host
  std::vector<Interface> rail_interfaces;  // those to use, besides the way that the routes choose
  int sockets_per_rail = 1;
  DeviceInfo device;
  std::string settings;  // "NAME=value ...": has to be the same on every rank
  Deadline deadline;
};

// Where a rank listens, as this rank reaches it.
struct MeetingPlace {
  std::string host;
  std::uint16_t port = 0;
};

struct Peers {
  std::vector<std::unique_ptr<Channel>> channels;  // by rank; null for this rank
  std::vector<std::string> names;                  // by rank: "rank 3 (host web-1, pid 4242)"
  std::vector<DeviceInfo> devices;                 // by rank
  std::vector<std::vector<int>> hosts;             // ranks by host, as the lowest rank comes
  // This rank's listener stays open, so that its peers can meet there for another communicator.
  base::UniqueFd listener;
  std::vector<MeetingPlace> places;  // by rank
  // By rank, this one too; empty unless every rank shares memory with every other one.
  std::vector<std::shared_ptr<ShmSegment>> segments;
};

// Connects this rank with every other one: through shared memory where both ends could really open
// each other's, else over TCP. Every rank calls it at the same time; an error on one is an error on
// all, and names it.
base::Result<Peers> ConnectPeers(Bootstrap* bootstrap, Waiter* waiter, const PeerOptions& options);

}  // namespace regatta::eccl
