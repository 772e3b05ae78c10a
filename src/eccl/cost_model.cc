#include "eccl/cost_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace regatta::eccl {
namespace {

double Rounds(double ranks) {
  return std::bit_width(static_cast<unsigned>(ranks) - 1U);  // log2, rounded up
}

// How many of a host's ranks have their right neighbour elsewhere.
double Crossings(const std::vector<int>& host, int size) {
  return static_cast<double>(std::count_if(host.begin(), host.end(), [&](int rank) {
    const int next = rank + 1 == size ? 0 : rank + 1;
    return std::find(host.begin(), host.end(), next) == host.end();
  }));
}

}  // namespace

CostModel::CostModel(const std::vector<std::vector<int>>& hosts) {
  std::size_t ranks = 0;
  std::size_t width = 0;
  for (const std::vector<int>& host : hosts) {
    ranks += host.size();
    width = std::max(width, host.size());
  }
  ranks_ = static_cast<double>(ranks);
  crossings_ = 0;
  crossing_ = 0;
  for (const std::vector<int>& host : hosts) {
    const double crossings = Crossings(host, static_cast<int>(ranks));
    crossings_ = std::max(crossings_, crossings);
    crossing_ += crossings / ranks_;
  }
  hosts_ = static_cast<double>(hosts.size());
  width_ = static_cast<double>(width);
}

void CostModel::SetCosts(LinkCost inside, LinkCost between) {
  inside_ = inside;
  between_ = between;
}

double CostModel::RingRound(double bytes) const {
  const double latency = crossing_ * between_.latency + (1 - crossing_) * inside_.latency;
  return latency + bytes * std::max(inside_.per_byte, crossings_ * between_.per_byte);
}

double CostModel::Spread(double bytes) const {
  // A host's ranks share its link.
  const double leaving = hosts_ > 1 ? width_ * (1 - width_ / ranks_) : 0;
  const double busiest = std::max((ranks_ - 1) / ranks_ * inside_.per_byte,  //
                                  leaving * between_.per_byte);
  return Latency() + bytes * busiest;
}

double CostModel::AllReduce(std::string_view algorithm, double bytes) const {
  const double combined = bytes * kCombine * inside_.per_byte;
  const double rounds = Rounds(ranks_);
  const double all = std::max(inside_.per_byte, (hosts_ > 1 ? width_ : 0) * between_.per_byte);
  if (algorithm == "ring") return 2 * (ranks_ - 1) * RingRound(bytes / ranks_) + combined;
  if (algorithm == "direct") return 2 * Spread(bytes) + combined;
  if (algorithm == "halving") return 2 * (rounds - 1) * Latency() + 2 * Spread(bytes) + combined;
  if (algorithm == "doubling") return rounds * (Latency() + bytes * all + combined);
  if (algorithm == "tree") return 2 * rounds * (Latency() + bytes * all) + rounds * combined;
  if (algorithm == "double tree") return 2 * (rounds * Latency() + bytes * all) + 2 * combined;
  if (algorithm == "hierarchical") {
    const double within = (width_ - 1) * (inside_.latency + bytes / width_ * inside_.per_byte);
    const double across =
        (hosts_ - 1) * (between_.latency + bytes / width_ / hosts_ * width_ * between_.per_byte);
    return 2 * (within + across) + combined;
  }
  return -1;
}

double CostModel::Predict(OpKind kind, std::string_view algorithm, std::size_t bytes) const {
  const auto size = static_cast<double>(bytes);
  if (kind == OpKind::kAllReduce) return AllReduce(algorithm, size);
  if (kind != OpKind::kReduceScatter && kind != OpKind::kAllGather) return -1;
  if (algorithm == "ring") return (ranks_ - 1) * RingRound(size / ranks_);
  if (algorithm == "direct") return Spread(size);
  return -1;
}

}  // namespace regatta::eccl
