#pragma once

#include <set>
#include <utility>
#include <vector>

#include "topology/pair_prober.h"

namespace regatta::topology {

// The third step of ProbeFabric: which ports share their nearest switch. `near` is the class of
// pairs that do.
class SwitchSearch {
 public:
  SwitchSearch(const std::vector<int>& host_of, int near, PairProber* prober);

  base::Status Run();

 private:
  struct Switch {
    std::vector<int> members;
    int local_index = 0;  // the place of its first port among the ports of that one's host
    int pod = 0;
    int merged_into = -1;
    std::size_t turn = 0;
  };

  int Root(int one) const;
  int MemberFor(int port, int of_switch);
  int BestCandidate(int port) const;
  std::set<int> PodsOfNeighbours(int host) const;
  base::Status PlaceTogether(std::vector<int> ports, std::vector<int>* unplaced);
  base::Status PlaceAlone(int port);
  base::Status Place(int port, int in_switch);
  void Found(int port);
  void Merge(int from, int into);
  void JoinPods(int a, int b);

  const std::vector<int>& host_of_;
  int near_;
  PairProber& prober_;
  std::vector<std::vector<int>> ports_of_host_;
  std::size_t most_ports_ = 0;
  std::vector<int> local_index_;        // of each port
  std::vector<int> switch_of_;          // of each port; -1: not placed yet
  std::vector<std::set<int>> refuted_;  // switches that a port is not at
  std::vector<Switch> switches_;
  std::set<std::pair<int, int>> unseparated_;  // pairs of switches that may be one
  std::set<int> placed_hosts_;
  int same_ = 0;  // how often a host's second port was at the switch of its first
  int different_ = 0;
};

}  // namespace regatta::topology
