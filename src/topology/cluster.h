#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// What one message costs: latency and the time of its bytes.
struct LinkCost {
  double latency_us = 0;
  double gigabytes_per_second = 0;
  Distance distance = Distance::kNet;
};

// Where a rank can be: an accelerator, or what takes its place on a host without any.
struct Slot {
  int host = 0;    // index into Cluster::hosts
  int number = 0;  // among the slots of its host, in the order of the PCIe tree
  int device = 0;  // the system's number of the accelerator
  int rail = -1;   // of the NIC nearest to it
  int pod = 0;
  double network_gigabytes_per_second = 0;  // its share of that NIC
};

// What a message from one host to another costs beside its NICs.
struct NetworkCost {
  double rail_latency_us = 5;
  double other_latency_us = 8;    // to another rail or pod
  double other_rail_share = 0.5;  // of the bandwidth that is left when all go to another rail
  double other_pod_share = 0.5;
};

// Hosts with what ranks run on: what a layout is placed on.
struct Cluster {
  struct Host {
    std::string name;
    int first_slot = 0;
    int slots = 0;
    int shape = 0;  // index into `inside`
  };
  std::vector<Host> hosts;
  std::vector<Slot> slots;  // host by host
  // For each kind of host the cost between its slots, row by row.
  std::vector<std::vector<LinkCost>> inside;
  NetworkCost network;
  // What had to be assumed, one sentence each.
  std::vector<std::string> notes;

  LinkCost Between(int slot_a, int slot_b) const;
};

struct ClusterOptions {
  int copies = 1;   // of each host of the topology; 0: as many as hold `ranks`
  int ranks = 0;    // with `copies` 0
  int devices = 0;  // of each host instead of its accelerators; 0: these
  NetworkCost network;
};

// The hosts of `topology`. kFailedPrecondition where a host has no accelerator and `devices` does
// not say how many ranks it is to have; kInvalidArgument for negative numbers, more than 1,024
// devices a host or more than 1,048,576 in all.
base::Result<Cluster> ClusterFrom(const Topology& topology, const ClusterOptions& options = {});

}  // namespace regatta::topology
