#include "topology/distance_classes.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace regatta::topology {
namespace {

// Cables and switch ports make pairs of one class differ by this much.
constexpr double kSpread = 0.03;
constexpr double kLeastNoise = 0.02;
constexpr double kNoiseWithoutRepeats = 0.1;
// What one measurement can say at most, for or against.
constexpr double kMostOfOneSample = 10;
// Nearer to each other than so many deviations, two classes count as one.
constexpr double kResolution = 3;
// A class is more than a few outliers.
constexpr double kFewestPairs = 3;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// The deviation of single measurements, from differences between two of one pair. The median does
// not mind outliers; 1.4826 makes it the deviation of a normal distribution.
double Noise(const std::vector<MeasuredPair>& pairs) {
  std::vector<double> differences;
  for (const MeasuredPair& pair : pairs) {
    for (std::size_t i = 1; i < pair.log_latency.size(); i += 2) {
      differences.push_back(std::abs(pair.log_latency[i] - pair.log_latency[i - 1]));
    }
  }
  if (differences.size() < 8) return kNoiseWithoutRepeats;
  return std::max(kLeastNoise, 1.4826 * Median(std::move(differences)) / std::sqrt(2.0));
}

struct Centre {
  double at = 0;
  double weight = 0;  // in pairs
};

// The mixture of normal distributions with deviation `sigma` that explains the values best: the
// nonparametric maximum likelihood estimate (Kiefer and Wolfowitz 1956) by expectation maximisation
// over centres in steps of half a deviation. That the deviation is known lets it find a class of
// few pairs on the slope of a class of many, where a histogram shows nothing.
std::vector<Centre> Mixture(const std::vector<double>& values, double sigma) {
  constexpr int kIterations = 300;
  constexpr int kReach = 10;  // in steps: five deviations
  const double step = sigma / 2;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double begin = *least - step * (kReach + 1);
  const auto cells = static_cast<std::size_t>((*most - begin) / step) + kReach + 2;
  std::vector<double> seen(cells);
  for (const double value : values) {
    seen[static_cast<std::size_t>(std::lround((value - begin) / step))] += 1;
  }
  std::array<double, 2 * kReach + 1> kernel;
  for (int i = -kReach; i <= kReach; ++i) kernel[i + kReach] = std::exp(-i * i / 8.0);
  // All values at once would take very long to leave places where nothing is.
  std::vector<double> weight = seen;
  std::vector<double> share(cells);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    for (std::size_t x = kReach; x + kReach < cells; ++x) {
      if (seen[x] == 0) continue;
      double total = 0;
      for (int i = 0; i <= 2 * kReach; ++i) total += weight[x + i - kReach] * kernel[i];
      share[x] = total > 0 ? seen[x] / total : 0;
    }
    for (std::size_t x = kReach; x + kReach < cells; ++x) {
      if (weight[x] == 0) continue;
      double factor = 0;
      for (int i = 0; i <= 2 * kReach; ++i) factor += share[x + i - kReach] * kernel[i];
      weight[x] *= factor;
      if (weight[x] < 1e-6) weight[x] = 0;
    }
  }
  std::vector<Centre> centres;
  for (std::size_t x = 0; x < cells; ++x) {
    if (weight[x] > 0) centres.push_back({begin + step * static_cast<double>(x), weight[x]});
  }
  return centres;
}

// Heavier centres take in what is too near to them to be told apart, and what the tail of a
// distribution with more outliers than the normal one explains.
std::vector<double> Classes(std::vector<Centre> centres, double sigma) {
  std::stable_sort(centres.begin(), centres.end(),
                   [](const Centre& a, const Centre& b) { return a.weight > b.weight; });
  std::vector<std::vector<Centre>> groups;
  for (const Centre& centre : centres) {
    const auto near = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return std::abs(group.front().at - centre.at) < kResolution * sigma;
    });
    if (near == groups.end()) {
      groups.push_back({centre});
    } else {
      near->push_back(centre);
    }
  }
  std::vector<Centre> kept;
  for (const auto& group : groups) {
    Centre whole;
    for (const Centre& centre : group) {
      whole.at += centre.at * centre.weight;
      whole.weight += centre.weight;
    }
    whole.at /= whole.weight;
    const bool tail = std::any_of(kept.begin(), kept.end(), [&](const Centre& other) {
      const double deviations = std::abs(other.at - whole.at) / sigma;
      return whole.weight < other.weight * 0.5 * std::exp(-std::sqrt(2.0) * deviations);
    });
    if (kept.empty() || (!tail && whole.weight >= kFewestPairs)) kept.push_back(whole);
  }
  if (kept.size() >= kMostClasses) kept.resize(kMostClasses - 1);
  std::vector<double> result;
  for (const Centre& centre : kept) result.push_back(centre.at);
  std::sort(result.begin(), result.end());
  return result;
}

// The deviation of a median of so many measurements, compared with that of one.
double OfMedian(std::size_t measurements) {
  return (measurements < 3 ? 1 : 1.16) / std::sqrt(static_cast<double>(measurements));
}

}  // namespace

std::vector<MeasuredPair> GroupByPair(const std::vector<ProbeSample>& samples) {
  std::vector<std::pair<std::pair<int, int>, const ProbeSample*>> order;
  order.reserve(samples.size());
  for (const ProbeSample& sample : samples) {
    order.emplace_back(std::minmax(sample.a, sample.b), &sample);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& one, const auto& other) { return one.first < other.first; });
  std::vector<MeasuredPair> pairs;
  for (const auto& [ends, sample] : order) {
    if (pairs.empty() || pairs.back().a != ends.first || pairs.back().b != ends.second) {
      pairs.push_back({.a = ends.first, .b = ends.second});
    }
    MeasuredPair& pair = pairs.back();
    if (sample->latency_us > 0) {
      pair.log_latency.push_back(std::log(sample->latency_us));
    } else {
      ++pair.silent;
    }
    if (sample->gigabytes_per_second > 0) {
      pair.gigabytes_per_second.push_back(sample->gigabytes_per_second);
    }
  }
  return pairs;
}

int Evidence::Best() const {
  return static_cast<int>(std::max_element(sum_.begin(), sum_.begin() + count_) - sum_.begin());
}

double Evidence::For(int of_class) const {
  double other = -1e300;
  for (int i = 0; i < count_; ++i) {
    if (i != of_class) other = std::max(other, sum_[static_cast<std::size_t>(i)]);
  }
  // Where there is one class only, nothing speaks against it.
  return count_ < 2 ? kMostOfOneSample * 10 : sum_[static_cast<std::size_t>(of_class)] - other;
}

std::optional<DistanceClasses> DistanceClasses::Fit(const std::vector<MeasuredPair>& pairs) {
  DistanceClasses classes;
  std::vector<double> values;
  double shrunk = 0;
  for (const MeasuredPair& pair : pairs) {
    if (pair.log_latency.empty()) {
      classes.silent_ = true;
      continue;
    }
    values.push_back(Median(pair.log_latency));
    shrunk += OfMedian(pair.log_latency.size());
  }
  if (values.empty() && !classes.silent_) return std::nullopt;
  classes.noise_ = Noise(pairs);
  if (values.empty()) return classes;
  const double sigma =
      std::hypot(classes.noise_ * shrunk / static_cast<double>(values.size()), kSpread);
  classes.centres_ = Classes(Mixture(values, sigma), sigma);
  return classes;
}

double DistanceClasses::latency_us(int of_class) const {
  const auto index = static_cast<std::size_t>(of_class);
  return index < centres_.size() ? std::exp(centres_[index]) : 0;
}

Evidence DistanceClasses::Start() const {
  Evidence evidence;
  evidence.count_ = count();
  return evidence;
}

void DistanceClasses::Add(double log_latency, Evidence* evidence) const {
  std::array<double, kMostClasses> fit = {};
  double best = -1e300;
  for (std::size_t i = 0; i < centres_.size(); ++i) {
    const double off = (log_latency - centres_[i]) / noise_;
    fit[i] = -off * off / 2;
    best = std::max(best, fit[i]);
  }
  // An answer proves that the pair is not silent; that it is as limited as anything else keeps one
  // stray packet from deciding.
  if (silent_) fit[centres_.size()] = best - kMostOfOneSample;
  for (int i = 0; i < count(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    evidence->sum_[at] += std::max(fit[at] - best, -kMostOfOneSample);
  }
}

void DistanceClasses::AddSilence(Evidence* evidence) const {
  for (std::size_t i = 0; i < centres_.size(); ++i) evidence->sum_[i] -= kMostOfOneSample;
}

bool DistanceClasses::Fits(double log_latency) const {
  const double reach = std::max(4 * noise_, 0.15);
  return std::any_of(centres_.begin(), centres_.end(),
                     [&](double centre) { return std::abs(log_latency - centre) < reach; });
}

Evidence DistanceClasses::Of(const MeasuredPair& pair) const {
  Evidence evidence = Start();
  for (const double value : pair.log_latency) Add(value, &evidence);
  for (int i = 0; i < pair.silent; ++i) AddSilence(&evidence);
  return evidence;
}

const std::string& HostKey(const FabricOptions& options, int port) {
  static const std::string none;
  return options.host_keys.empty() ? none : options.host_keys[static_cast<std::size_t>(port)];
}

int HostClass(const DistanceClasses& classes, const std::vector<MeasuredPair>& pairs,
              const FabricOptions& options) {
  std::vector<int> votes(static_cast<std::size_t>(classes.count()));
  bool all_told = !options.host_keys.empty();
  for (const MeasuredPair& pair : pairs) {
    const std::string& key = HostKey(options, pair.a);
    all_told = all_told && !key.empty() && !HostKey(options, pair.b).empty();
    if (!key.empty() && key == HostKey(options, pair.b)) {
      ++votes[static_cast<std::size_t>(classes.Of(pair).Best())];
    }
  }
  const auto most = std::max_element(votes.begin(), votes.end());
  if (*most > 0) return static_cast<int>(most - votes.begin());
  return all_told || !options.nearest_is_host ? -1 : 0;
}

}  // namespace regatta::topology
