#include "topology/clusters.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <queue>
#include <unordered_map>

namespace regatta::topology {
namespace {

class Joiner {
 public:
  Joiner(int things, const std::vector<Tie>& ties) : parent_(things), sums_(things) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const Tie& tie : ties) {
      if (tie.a == tie.b) continue;
      sums_[tie.a][tie.b] += tie.evidence;
      sums_[tie.b][tie.a] += tie.evidence;
    }
    for (int a = 0; a < things; ++a) {
      for (const auto& [b, sum] : sums_[a]) {
        if (a < b && sum > 0) queue_.push({sum, a, b});
      }
    }
  }

  void Run() {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      if (parent_[best.a] != best.a || parent_[best.b] != best.b) continue;
      // The sum may have changed since: there is another entry then.
      const auto current = sums_[best.a].find(best.b);
      if (current != sums_[best.a].end() && current->second == best.sum) Join(best.a, best.b);
    }
  }

  int Root(int thing) {
    while (parent_[thing] != thing) thing = parent_[thing] = parent_[parent_[thing]];
    return thing;
  }

 private:
  struct Candidate {
    double sum;
    int a;
    int b;
    // Equal ones in the order of their numbers, so that the result does not depend on hashing.
    bool operator<(const Candidate& other) const {
      return std::pair(sum, -static_cast<long>(a) * 4'000'000 - b) <
             std::pair(other.sum, -static_cast<long>(other.a) * 4'000'000 - other.b);
    }
  };

  void Join(int into, int from) {
    if (sums_[into].size() < sums_[from].size()) std::swap(into, from);
    parent_[from] = into;
    for (const auto& [other, sum] : sums_[from]) {
      sums_[other].erase(from);
      if (other == into) continue;
      const double both = sums_[into][other] += sum;
      sums_[other][into] = both;
      if (both > 0) queue_.push({both, std::min(into, other), std::max(into, other)});
    }
    sums_[from].clear();
    sums_[into].erase(from);
  }

  std::vector<int> parent_;
  std::vector<std::unordered_map<int, double>> sums_;
  std::priority_queue<Candidate> queue_;
};

// Whether each thing is held in its cluster, and each two clusters with ties are held apart, by
// enough; for each that is not, the pair of things whose tie says most about it.
std::vector<std::pair<int, int>> Undecided(const Clusters& clusters, const std::vector<Tie>& ties,
                                           double certain) {
  struct Sum {
    double evidence = 0;
    const Tie* strongest = nullptr;
    void Add(const Tie& tie) {
      evidence += tie.evidence;
      if (strongest == nullptr || std::abs(tie.evidence) > std::abs(strongest->evidence)) {
        strongest = &tie;
      }
    }
  };
  std::vector<Sum> held(clusters.of.size());
  std::map<std::pair<int, int>, Sum> apart;
  for (const Tie& tie : ties) {
    const std::pair<int, int> ends = std::minmax(clusters.of[tie.a], clusters.of[tie.b]);
    if (ends.first != ends.second) {
      apart[ends].Add(tie);
    } else {
      held[tie.a].Add(tie);
      held[tie.b].Add(tie);
    }
  }
  std::vector<std::pair<int, int>> undecided;
  for (const Sum& sum : held) {
    // Without a tie a thing is alone in its cluster.
    if (sum.strongest != nullptr && sum.evidence < certain) {
      undecided.emplace_back(sum.strongest->a, sum.strongest->b);
    }
  }
  for (const auto& [ends, sum] : apart) {
    if (sum.evidence > -certain) {
      undecided.emplace_back(sum.strongest->a, sum.strongest->b);
    }
  }
  return undecided;
}

}  // namespace

Clusters FindClusters(int things, const std::vector<Tie>& ties, double certain) {
  Joiner joiner(things, ties);
  joiner.Run();
  Clusters clusters;
  clusters.of.resize(things);
  std::vector<int> number(things, -1);
  for (int thing = 0; thing < things; ++thing) {
    int& of_root = number[joiner.Root(thing)];
    if (of_root < 0) of_root = clusters.count++;
    clusters.of[thing] = of_root;
  }
  clusters.undecided = Undecided(clusters, ties, certain);
  return clusters;
}

}  // namespace regatta::topology
