#pragma once

#include <compare>
#include <string>
#include <vector>

#include "train/hosts.h"

namespace regatta::train {

// Where one rank can run: the n-th slot of a host.
struct Place {
  std::string host;
  int index = 0;

  auto operator<=>(const Place&) const = default;
};

// Who a rank is.
struct Part {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among the ranks of its host
  int local_size = 1;
  int cross_rank = 0;  // its host's number among the hosts
  int cross_size = 1;
};

struct PlacedRank {
  Place place;
  Part part;
};

// All slots of all hosts, host by host.
std::vector<Place> PlacesOf(const std::vector<Host>& hosts);

// Gives the first `size` slots to ranks. Ranks of one host are neighbours, so that what a rank
// sends most, to its neighbours, stays inside of hosts. `hosts` have that many slots.
std::vector<PlacedRank> PlaceRanks(const std::vector<Host>& hosts, int size);

// Parts of ranks whose places are given in rank order; ranks of one host are neighbours.
std::vector<Part> PartsOf(const std::vector<Place>& places);

// What the rank finds in its environment, "NAME=value": Horovod's names and torch's.
std::vector<std::string> PartVariables(const Part& part);

}  // namespace regatta::train
