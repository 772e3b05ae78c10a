#include "topology/pair_prober.h"

#include <algorithm>
#include <cmath>

#include "topology/recover.h"

namespace regatta::topology {
namespace {

constexpr int kMostMeasurements = 64;
constexpr double kQuick = 7;

std::uint64_t KeyOf(int a, int b) {
  const auto [low, high] = std::minmax(a, b);
  return static_cast<std::uint64_t>(low) << 32 | static_cast<std::uint32_t>(high);
}

}  // namespace

PairProber::Known* PairProber::Find(const Pair& pair) {
  const auto [entry, fresh] = known_.try_emplace(KeyOf(pair.first, pair.second));
  if (fresh) entry->second.evidence = classes_.Start();
  return &entry->second;
}

void PairProber::Weigh(const ProbeSample& sample) {
  Known& known = *Find({sample.a, sample.b});
  ++known.count;
  if (sample.latency_us <= 0) {
    classes_.AddSilence(&known.evidence);
    if (!classes_.silent()) ++known.misfits;
  } else {
    const double value = std::log(sample.latency_us);
    classes_.Add(value, &known.evidence);
    if (!classes_.Fits(value)) ++known.misfits;
  }
  // An outlier or two are noise; half of several measurements are not.
  if (known.misfits == 3 && known.misfits * 2 >= known.count) ++misfits_;
}

base::Status PairProber::Measure(const std::vector<Pair>& pairs) {
  if (pairs.empty()) return {};
  BASE_ASSIGN_OR_RETURN(const std::vector<ProbeSample> measured, prober_(pairs));
  BASE_RETURN_IF_ERROR(CheckFabricInput(ports_, measured, {}));
  ++rounds_;
  samples_.insert(samples_.end(), measured.begin(), measured.end());
  if (classes_.count() > 0) {
    for (const ProbeSample& sample : measured) Weigh(sample);
  }
  return {};
}

base::Status PairProber::Fit() {
  auto classes = DistanceClasses::Fit(GroupByPair(samples_));
  if (!classes) {
    return base::Status(base::Code::kUnavailable, "probing gave no measurement at all");
  }
  classes_ = *std::move(classes);
  known_.clear();
  misfits_ = 0;
  for (const ProbeSample& sample : samples_) Weigh(sample);
  misfits_ = 0;  // what does not fit now is what Fit took for outliers
  return {};
}

base::Result<std::vector<bool>> PairProber::AreAt(int of_class, const std::vector<Pair>& pairs,
                                                  No no) {
  const double refuted = no == No::kQuick ? -kQuick : -certain_;
  std::vector<Pair> open = pairs;
  while (true) {
    std::erase_if(open, [&](const Pair& pair) {
      const double evidence = Find(pair)->evidence.For(of_class);
      return evidence >= certain_ || evidence <= refuted;
    });
    if (open.empty()) break;
    if (Find(open.front())->count >= kMostMeasurements) {
      return base::Status(base::Code::kUnavailable,
                          "probing: " + std::to_string(kMostMeasurements) +
                              " measurements between ports " + std::to_string(open.front().first) +
                              " and " + std::to_string(open.front().second) +
                              " do not tell how far they are from each other; the network may be "
                              "busy");
    }
    BASE_RETURN_IF_ERROR(Measure(open));
  }
  std::vector<bool> answers;
  for (const Pair& pair : pairs) answers.push_back(Find(pair)->evidence.For(of_class) > 0);
  return answers;
}

}  // namespace regatta::topology
