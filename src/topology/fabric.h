#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// One measurement between two ports: NICs, or ranks that each use one. Direction does not matter.
struct ProbeSample {
  int a = 0;  // ports are numbered from 0
  int b = 0;
  double latency_us = 0;            // one way; 0: no answer came (rails that no spine joins)
  double gigabytes_per_second = 0;  // 0: not measured
};

struct FabricOptions {
  // For each port what its host calls itself (a boot id), "" for one that is not told; empty: none
  // is told. Ports with different keys are on different hosts; that ports with one key share a host
  // is checked.
  std::vector<std::string> host_keys;
  // What holds without keys: the nearest class is the inside of a host. Say false where each port
  // is alone on its host.
  bool nearest_is_host = true;
  // How likely a wrong answer may be, over all decisions together, if the noise of measurements is
  // normal.
  double error_probability = 1e-6;
};

// All pairs that are equally far from each other.
struct DistanceClass {
  double latency_us = 0;            // median; 0: pairs that do not reach each other
  double gigabytes_per_second = 0;  // median; 0: not measured
  std::int64_t pairs = 0;           // measured pairs of it
  bool same_host = false;
};

// How ports are joined, as measurements tell it. Numbers of hosts, switches and rails are in the
// order of their lowest port.
struct Fabric {
  std::vector<DistanceClass> classes;  // nearest first
  std::vector<int> host_of;            // of each port
  // Ports that share their nearest switch: those which are nearest to each other over the network.
  // -1 for all where the network knows one distance only.
  std::vector<int> switch_of;
  // Where hosts have ports at several switches, the switches are rails. Hosts joined by a chain of
  // shared switches are one pod; in each pod rails are numbered from 0 in the order of the ports of
  // its first host. Switches of different pods get one number where the second network distance
  // joins them, rail by rail. -1 for all where the fabric has no rails.
  std::vector<int> rail_of;
  std::vector<int> pod_of;  // of each port
  int hosts = 0;
  int switches = 0;
  int rails = 0;
  int pods = 0;
  // Ports with less than 0.6 of their class's bandwidth to most of their peers.
  std::vector<int> slow_ports;
  // Pairs whose own measurements say something else than all others together (at most 16).
  std::vector<std::pair<int, int>> contradictions;
};

// What measurements tell: all pairs (a matrix) or some (a probing plan's), each once or repeatedly.
// Classes are told apart by latency; such within 15 % of each other count as one.
//
// kInvalidArgument for numbers that cannot be; kFailedPrecondition where the measurements do not
// suffice, naming two ports to measure (again). A pure function; some 50 ns a sample times the
// logarithm of their number.
base::Result<Fabric> RecoverFabric(int ports, const std::vector<ProbeSample>& samples,
                                   const FabricOptions& options = {});

// Writes what was measured into a graph: `parts[port]` is the NIC (kNic) that the port is. NICs get
// their rails; each switch becomes a part with a measured link to each of its ports, of half the
// class's latency. Old network switches and guesses of rails are dropped, also where the fabric has
// no rails.
void ApplyFabric(const Fabric& fabric, const std::vector<int>& parts, Topology* topology);

}  // namespace regatta::topology
