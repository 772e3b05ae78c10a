#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace regatta::topology {

// What one vertex of the graph is. (Not "node": in Regatta a node is a machine.)
enum class PartKind : std::uint8_t {
  kHost,
  kSocket,
  kNuma,
  kCache,       // shared by several cores; what each core has of its own is told by its kCores
  kCores,       // all cores below one cache, NUMA node or socket
  kHostBridge,  // where a PCIe tree meets the processor
  kBridge,      // a PCIe switch, or a bridge with several devices behind it
  kNic,
  kAccelerator,
  kSwitch,  // outside the tree: an NVSwitch, or a switch of the network (one for each rail)
};
// "host", "socket", "numa", "cache", "cores", "host_bridge", "bridge", "nic", "accelerator",
// "switch".
const char* Name(PartKind kind);

struct Part {
  PartKind kind = PartKind::kHost;
  std::string name;         // for people: "socket 0", "mlx5_0", the host's name
  int parent = -1;          // index into Topology::parts; -1 for hosts and switches
  int index = -1;           // the system's number: of a socket, NUMA node, accelerator; -1: none
  std::string bus_id;       // PCI address "0000:3b:00.0", lower case; "" for what is not on PCI
  std::string cpus;         // processors as "0-15,32"; "" for devices
  std::int64_t bytes = 0;   // memory of a NUMA node or accelerator, size of a cache; 0: unknown
  int level = 0;            // of a cache
  int cores = 0;            // of kCores: how many,
  int threads = 0;          // and their hardware threads
  std::string vendor;       // "NVIDIA", "GenuineIntel"
  std::string model;        // "A100-SXM4-80GB"
  int compute_version = 0;  // NVIDIA's compute capability times ten: 80, 90; 0: unknown
  int rail = -1;            // of a NIC or network switch; -1: unknown
  double gigabytes_per_second = 0;  // of a NIC's port, each direction; 0: unknown
  // What a format carries and this model does not use, so that it survives a round trip.
  std::map<std::string, std::string> extra;

  bool operator==(const Part&) const = default;
};

enum class LinkKind : std::uint8_t {
  kPcie,     // between a device or bridge and what is above it
  kSocket,   // between processors: UPI, xGMI
  kNvlink,   // between accelerators, or one and an NVSwitch
  kNetwork,  // between a NIC and a network switch, or two hosts that were measured
};
// "pcie", "socket", "nvlink", "network".
const char* Name(LinkKind kind);

// An undirected edge.
struct Link {
  int a = 0;  // indices into Topology::parts
  int b = 0;
  LinkKind kind = LinkKind::kPcie;
  double gigabytes_per_second = 0;  // each direction; 0: unknown
  double latency_us = 0;            // one way; 0: unknown
  int count = 1;                    // parallel links that make up the bandwidth (NVLink)
  bool measured = false;            // by a probe, rather than read from the system

  bool operator==(const Link&) const = default;
};

// How far two parts are from each other, nearest first. The names and their meaning are those of
// `nvidia-smi topo -m` and of NCCL's path types (NCCL source, src/graph/topo.h).
enum class Distance : std::uint8_t {
  kLoc,   // the same part
  kNvl,   // NVLink, directly or through an NVSwitch
  kPix,   // one PCIe switch
  kPxb,   // several PCIe switches, not the processor
  kPhb,   // one PCIe host bridge
  kNode,  // several host bridges of one NUMA node
  kSys,   // the link between NUMA nodes
  kNet,   // another host
};
// "LOC", "NVL", "PIX", "PXB", "PHB", "NODE", "SYS", "NET".
const char* Name(Distance distance);

// What the container or service that this process runs in may use. 0 or "": no limit.
struct Limits {
  int cgroup_version = 0;  // 1 or 2; 0: no cgroup was found
  double cpus = 0;         // processor time for each second of wall time
  std::string cpu_list;    // processors that may be used: "0-3"
  std::int64_t memory_bytes = 0;

  bool operator==(const Limits&) const = default;
};

// How hardware is wired: one host, or several and the network between them. A plain value: copy
// it, and share it between threads when const.
struct Topology {
  std::vector<Part> parts;  // a parent comes before its children
  std::vector<Link> links;
  Limits limits;
  // What could not be read and why, one sentence each: "no NVIDIA driver: ...".
  std::vector<std::string> notes;

  // Adds a part and returns its index.
  int Add(Part part);
  std::vector<int> ChildrenOf(int part) const;
  std::vector<int> All(PartKind kind) const;
  // The nearest part of this kind at or above `part`, or -1.
  int Above(int part, PartKind kind) const;
  // The part with this PCI address (written in any way, see NormalBusId) on this host, or -1.
  int FindBusId(std::string_view bus_id, int host = -1) const;

  bool operator==(const Topology&) const = default;
};

// kInvalidArgument when a parent does not come before its child or a link's end does not exist.
base::Status Check(const Topology& topology);

// The class of one pair. A device and a processor of its NUMA node are kPhb; two processor parts of
// one NUMA node are kNode. A network switch is kNet from everything but itself.
Distance DistanceBetween(const Topology& topology, int a, int b);

// The bandwidth between two parts, GB/s each direction: that of NVLink for kNvl, what a probe
// measured where it did, else that of the narrowest link on the way up and down the tree. On two
// hosts it is that of the way over the NIC nearest to each, and over their switch where that was
// measured. 0: unknown.
double BandwidthBetween(const Topology& topology, int a, int b);

// What a probe measured between two parts, or between the NICs nearest to them and the switch
// between those, us one way. 0: nothing.
double LatencyBetween(const Topology& topology, int a, int b);

// The NICs of a host that carry the traffic of ranks: those of a rail, where it has rails (the
// others are for storage and people), else all.
std::vector<int> RankNics(const Topology& topology, int host);
// The nearest of those for each device, of equally near ones the one that fewest devices before it
// have; -1 where its host has none.
std::vector<int> NearestNics(const Topology& topology, const std::vector<int>& devices);
// That of one part; of an accelerator what NearestNics says when all of its host are asked for.
int NearestNic(const Topology& topology, int part);

// Adds `other`'s parts and links to `into`; notes are prefixed with its host's name.
void Append(const Topology& other, Topology* into);

// "3B:00.0", "0000:3b:00.0", "00000000:3B:00.0" -> "0000:3b:00.0". "" when it is no PCI address.
std::string NormalBusId(std::string_view text);

// The document of docs/formats/topology.md. Unknown fields are left out. Distances are those
// between NICs and accelerators; where there are more than 256 of them, only those of the first
// host.
base::Json ToJson(const Topology& topology);

// What ToJson wrote; `distances` is not read, since the parts tell. kInvalidArgument as "name: what
// is wrong"; kOutOfRange above a million parts or four million links.
base::Result<Topology> FromJson(const base::Json& json, const std::string& name);

}  // namespace regatta::topology
