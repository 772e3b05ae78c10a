#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "topology/distance_classes.h"
#include "topology/probe_plan.h"

namespace regatta::topology {

// Measures pairs until each one's distance class is certain, and remembers.
class PairProber {
 public:
  using Pair = std::pair<int, int>;

  PairProber(int ports, const Prober& prober, double certain)
      : ports_(ports), prober_(prober), certain_(certain) {}

  // Measures each pair once, whatever is known.
  base::Status Measure(const std::vector<Pair>& pairs);
  // Finds the classes in all measurements made so far; what Classify knows is weighed anew.
  base::Status Fit();
  enum class No { kQuick, kCertain };
  // Whether the distance of each pair is of this class, in their order. A yes is certain; so is a
  // no, unless a quick one will do, which one pair of a thousand gets wrongly. kUnavailable where
  // 64 measurements do not decide.
  base::Result<std::vector<bool>> AreAt(int of_class, const std::vector<Pair>& pairs, No no);

  const DistanceClasses& classes() const { return classes_; }
  // Several pairs are at a distance that Fit did not know.
  bool NewClassSeen() const { return misfits_ >= kFewestMisfits; }
  const std::vector<ProbeSample>& samples() const { return samples_; }
  int rounds() const { return rounds_; }

 private:
  static constexpr int kFewestMisfits = 4;
  struct Known {
    Evidence evidence;
    int count = 0;
    int misfits = 0;
  };

  void Weigh(const ProbeSample& sample);
  Known* Find(const Pair& pair);

  int ports_;
  const Prober& prober_;
  double certain_;
  DistanceClasses classes_;  // none before Fit
  std::unordered_map<std::uint64_t, Known> known_;
  std::vector<ProbeSample> samples_;
  int misfits_ = 0;
  int rounds_ = 0;
};

}  // namespace regatta::topology
