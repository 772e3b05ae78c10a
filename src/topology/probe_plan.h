#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "topology/fabric.h"

namespace regatta::topology {

// Measures each pair once and gives the measurements in any order. Pairs may be measured at the
// same time where they have no port in common. A pair that does not answer has latency 0.
using Prober = std::function<base::Result<std::vector<ProbeSample>>(
    const std::vector<std::pair<int, int>>& pairs)>;

struct ProbedFabric {
  Fabric fabric;
  std::vector<ProbeSample> samples;  // all measurements that were made
  int rounds = 0;                    // calls of the prober
};

// Finds out how ports are joined, by asking for the measurements that decide it rather than for all
// pairs. Each decision is measured until it is certain.
//
// 1. One port with all others, three times: which distances there are, and how noisy they are.
// 2. Hosts: each port with another one of its key. Ports without a key are compared with hosts
//    found so far, the one of the port before it and the next one first.
// 3. Switches: each port with one port of each switch until one fits; switches of its host's other
//    ports' pod and those of ports with its number in their hosts come first.
//
// With keys that takes n * O(1) decisions of some 3 measurements and a few more for each pair of
// switches, below n log2 n from some hundred ports on. Without keys it is as good where ports are
// numbered host by host or around the hosts; in random order, hosts of k ports take n * n / 2k
// comparisons, which no plan that only compares pairs can better than by a constant.
//
// Errors: the prober's; kUnavailable where 64 measurements do not decide a pair.
base::Result<ProbedFabric> ProbeFabric(int ports, const Prober& prober,
                                       const FabricOptions& options = {});

}  // namespace regatta::topology
