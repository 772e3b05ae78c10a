#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "eccl/types.h"

namespace regatta::eccl {

// What moving bytes costs between two ranks of one host, or of two.
struct LinkCost {
  double latency = 0;  // seconds a message
  double per_byte = 0;
};

// Predicts how long a collective takes with each algorithm: rounds times latency plus bytes times
// their cost on the busiest link. Good enough to tell which algorithms are worth a trial.
class CostModel {
 public:
  // Combining a byte, as a share of moving it within a host.
  static constexpr double kCombine = 0.5;

  // `hosts`: ranks by host.
  explicit CostModel(const std::vector<std::vector<int>>& hosts);

  void SetCosts(LinkCost inside, LinkCost between);
  LinkCost inside() const { return inside_; }
  LinkCost between() const { return between_; }

  // Seconds for `bytes` of the whole input or output, whichever is larger; less than 0 for what
  // this model knows nothing about.
  double Predict(OpKind kind, std::string_view algorithm, std::size_t bytes) const;

 private:
  double AllReduce(std::string_view algorithm, double bytes) const;
  // One round in which every rank sends so much to its neighbour. A share meets each link of the
  // ring once, so a round costs the links' average latency.
  double RingRound(double bytes) const;
  // Rounds in which every rank sends the same share to each other one, `bytes` in all.
  double Spread(double bytes) const;
  double Latency() const { return hosts_ > 1 ? between_.latency : inside_.latency; }

  double ranks_;
  double hosts_;
  double width_;      // ranks of the widest host
  double crossings_;  // neighbours of a ring that are on different hosts, of the host with most
  double crossing_;   // the same of all hosts, as a share of all ranks
  LinkCost inside_{};
  LinkCost between_{};
};

}  // namespace regatta::eccl
