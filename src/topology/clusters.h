#pragma once

#include <utility>
#include <vector>

namespace regatta::topology {

// How much speaks for two things being in one cluster; negative: against it.
struct Tie {
  int a = 0;
  int b = 0;
  double evidence = 0;
};

struct Clusters {
  std::vector<int> of;  // of each thing; numbered in the order of their lowest
  int count = 0;
  // Pairs of things with a tie that is too weak: what holds one of them in its cluster, or holds
  // their clusters apart, is less than `certain` altogether.
  std::vector<std::pair<int, int>> undecided;
};

// Joins what belongs together, whatever speaks most for it first; between two clusters counts the
// sum over all their ties (greedy correlation clustering), so that many weak ties do what one
// strong one does. O(ties * log).
Clusters FindClusters(int things, const std::vector<Tie>& ties, double certain);

}  // namespace regatta::topology
