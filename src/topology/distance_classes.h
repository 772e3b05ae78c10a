#pragma once

#include <array>
#include <optional>
#include <vector>

#include "topology/fabric.h"

namespace regatta::topology {

// All measurements of one pair of ports.
struct MeasuredPair {
  int a = 0;  // the smaller
  int b = 0;
  std::vector<double> log_latency;
  std::vector<double> gigabytes_per_second;
  int silent = 0;  // measurements without an answer
};

// Sorted by pair; a sample's direction is dropped.
std::vector<MeasuredPair> GroupByPair(const std::vector<ProbeSample>& samples);

constexpr int kMostClasses = 8;

// For each class how well it explains what was seen, as logarithms, the best being the largest.
class Evidence {
 public:
  // How much more this class explains than the best other one.
  double For(int of_class) const;
  int Best() const;
  double Lead() const { return For(Best()); }

 private:
  friend class DistanceClasses;
  std::array<double, kMostClasses> sum_ = {};
  int count_ = 0;
};

// The distances that occur, from measurements of some pairs. Latency's logarithm is taken to be
// normal around each class's centre, with the deviation that repeated measurements of one pair
// show. One measurement counts for a limited amount: latencies have outliers.
class DistanceClasses {
 public:
  // Nothing where `pairs` is empty.
  static std::optional<DistanceClasses> Fit(const std::vector<MeasuredPair>& pairs);

  // Answering classes by latency, then, where a pair did not answer, the silent one.
  int count() const { return static_cast<int>(centres_.size()) + (silent_ ? 1 : 0); }
  bool silent() const { return silent_; }
  double latency_us(int of_class) const;  // 0 of the silent one
  double noise() const { return noise_; }

  Evidence Start() const;
  void Add(double log_latency, Evidence* evidence) const;
  void AddSilence(Evidence* evidence) const;
  // Whether some class explains it.
  bool Fits(double log_latency) const;
  Evidence Of(const MeasuredPair& pair) const;

 private:
  std::vector<double> centres_;  // logarithms
  double noise_ = 0;
  bool silent_ = false;
};

// "" where the options tell none.
const std::string& HostKey(const FabricOptions& options, int port);

// Which class is the inside of a host: that of most pairs of one key; -1: none of them was
// measured.
int HostClass(const DistanceClasses& classes, const std::vector<MeasuredPair>& pairs,
              const FabricOptions& options);

}  // namespace regatta::topology
