#include "topology/recover.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "topology/clusters.h"
#include "topology/distance_classes.h"

namespace regatta::topology {
namespace {

constexpr std::size_t kMostContradictions = 16;
constexpr double kSlow = 0.6;
constexpr int kMostPorts = 1 << 20;

base::Status Invalid(const std::string& what) {
  return base::Status(base::Code::kInvalidArgument, "probe measurements: " + what);
}

}  // namespace

base::Status CheckFabricInput(int ports, const std::vector<ProbeSample>& samples,
                              const FabricOptions& options) {
  if (ports < 1 || ports > kMostPorts) {
    return Invalid(std::to_string(ports) + " ports; 1 to " + std::to_string(kMostPorts) +
                   " are possible");
  }
  if (!options.host_keys.empty() && options.host_keys.size() != static_cast<std::size_t>(ports)) {
    return Invalid(std::to_string(options.host_keys.size()) + " host keys for " +
                   std::to_string(ports) + " ports; give one for each or none");
  }
  if (!(options.error_probability > 0 && options.error_probability < 1)) {
    return Invalid("the probability of an error must be between 0 and 1");
  }
  for (const ProbeSample& sample : samples) {
    const std::string ends =
        "between ports " + std::to_string(sample.a) + " and " + std::to_string(sample.b);
    if (std::min(sample.a, sample.b) < 0 || std::max(sample.a, sample.b) >= ports ||
        sample.a == sample.b) {
      return Invalid("one " + ends + "; there are " + std::to_string(ports) + " ports");
    }
    if (!std::isfinite(sample.latency_us) || sample.latency_us < 0 ||
        !std::isfinite(sample.gigabytes_per_second) || sample.gigabytes_per_second < 0) {
      return Invalid("one " + ends + " is negative or no finite number");
    }
  }
  return {};
}

namespace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Recovery {
 public:
  Recovery(int ports, const std::vector<ProbeSample>& samples, const FabricOptions& options)
      : ports_(ports),
        options_(options),
        pairs_(GroupByPair(samples)),
        certain_(std::log(ports / options.error_probability)) {}

  // Where Run fails for want of measurements.
  const std::vector<std::pair<int, int>>& undecided() const { return undecided_; }

  base::Result<Fabric> Run() {
    const auto classes = DistanceClasses::Fit(pairs_);
    if (!classes) {
      if (ports_ > 1) return Missing({{0, 1}}, " share a host");
      fabric_ = {
          .host_of = {0}, .switch_of = {-1}, .rail_of = {-1}, .pod_of = {0}, .hosts = 1, .pods = 1};
      return std::move(fabric_);
    }
    for (const MeasuredPair& pair : pairs_) evidence_.push_back(classes->Of(pair));
    host_class_ = HostClass(*classes, pairs_, options_);
    BASE_RETURN_IF_ERROR(FindHosts());
    DescribeClasses(*classes);
    fabric_.switch_of.assign(ports_, -1);
    fabric_.rail_of.assign(ports_, -1);
    // A second distance is what makes the nearest one tell anything.
    if (classes->count() > host_class_ + 2) BASE_RETURN_IF_ERROR(FindSwitches());
    FindPods();
    NumberRails();
    FindSlowPorts();
    return std::move(fabric_);
  }

 private:
  base::Status Missing(std::vector<std::pair<int, int>> undecided, const std::string& what) {
    undecided_ = std::move(undecided);
    const auto [a, b] = std::minmax(undecided_.front().first, undecided_.front().second);
    return base::Status(base::Code::kFailedPrecondition,
                        "probe measurements: too few to say whether ports " + std::to_string(a) +
                            " and " + std::to_string(b) + what +
                            "; measure these two (more often)");
  }

  bool KeysDiffer(int a, int b) const {
    const std::string& key_a = HostKey(options_, a);
    const std::string& key_b = HostKey(options_, b);
    return !key_a.empty() && !key_b.empty() && key_a != key_b;
  }

  base::Status FindHosts() {
    std::vector<Tie> ties;
    for (std::size_t i = 0; i < pairs_.size() && host_class_ >= 0; ++i) {
      const auto& [a, b] = std::pair(pairs_[i].a, pairs_[i].b);
      if (!KeysDiffer(a, b)) ties.push_back({a, b, evidence_[i].For(host_class_)});
    }
    Clusters hosts = FindClusters(ports_, ties, certain_);
    if (!hosts.undecided.empty()) {
      return Missing(hosts.undecided, " share a host");
    }
    if (host_class_ >= 0) {
      const auto comparable = [&](int a, int b) { return !KeysDiffer(a, b); };
      BASE_RETURN_IF_ERROR(CheckCompared(hosts, ties, comparable, " share a host"));
    }
    NoteContradictions(ties, hosts.of);
    fabric_.host_of = std::move(hosts.of);
    fabric_.hosts = hosts.count;
    return {};
  }

  // Clusters that might be one and were never compared are no answer.
  template <typename Comparable>
  base::Status CheckCompared(const Clusters& clusters, const std::vector<Tie>& ties,
                             const Comparable& comparable, const std::string& what) {
    std::set<std::pair<int, int>> compared;
    for (const Tie& tie : ties) {
      compared.insert(std::minmax(clusters.of[tie.a], clusters.of[tie.b]));
    }
    std::vector<std::vector<int>> members(static_cast<std::size_t>(clusters.count));
    for (int port = 0; port < ports_; ++port) {
      members[static_cast<std::size_t>(clusters.of[port])].push_back(port);
    }
    for (int a = 0; a < clusters.count; ++a) {
      for (int b = a + 1; b < clusters.count; ++b) {
        const int port_a = members[static_cast<std::size_t>(a)].front();
        for (const int port_b : members[static_cast<std::size_t>(b)]) {
          if (!comparable(port_a, port_b)) continue;
          if (!compared.contains({a, b})) return Missing({{port_a, port_b}}, what);
          break;
        }
      }
    }
    return {};
  }

  void NoteContradictions(const std::vector<Tie>& ties, const std::vector<int>& cluster_of) {
    for (const Tie& tie : ties) {
      const bool together = cluster_of[tie.a] == cluster_of[tie.b];
      if ((together ? -tie.evidence : tie.evidence) < certain_) continue;
      if (fabric_.contradictions.size() < kMostContradictions) {
        fabric_.contradictions.emplace_back(tie.a, tie.b);
      }
    }
  }

  bool SharesHost(const MeasuredPair& pair) const {
    return fabric_.host_of[pair.a] == fabric_.host_of[pair.b];
  }

  // How much speaks for each pair between hosts being at this distance.
  std::vector<Tie> NetworkTies(int distance) const {
    std::vector<Tie> ties;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (!SharesHost(pairs_[i])) {
        ties.push_back({pairs_[i].a, pairs_[i].b, evidence_[i].For(distance)});
      }
    }
    return ties;
  }

  base::Status FindSwitches() {
    const std::vector<Tie> ties = NetworkTies(host_class_ + 1);
    Clusters switches = FindClusters(ports_, ties, certain_);
    if (!switches.undecided.empty()) {
      return Missing(switches.undecided, " share a switch");
    }
    const auto comparable = [&](int a, int b) { return fabric_.host_of[a] != fabric_.host_of[b]; };
    BASE_RETURN_IF_ERROR(CheckCompared(switches, ties, comparable, " share a switch"));
    NoteContradictions(ties, switches.of);
    fabric_.switch_of = std::move(switches.of);
    fabric_.switches = switches.count;
    return {};
  }

  // Hosts with a switch in common are one pod; without switches all hosts are.
  void FindPods() {
    fabric_.pod_of.assign(ports_, 0);
    fabric_.pods = 1;
    if (fabric_.switches == 0) return;
    std::vector<Tie> ties;
    for (int port = 0; port < ports_; ++port) {
      ties.push_back({fabric_.host_of[port], fabric_.hosts + fabric_.switch_of[port], 1});
    }
    const Clusters pods = FindClusters(fabric_.hosts + fabric_.switches, ties, 0);
    for (int port = 0; port < ports_; ++port) fabric_.pod_of[port] = pods.of[fabric_.host_of[port]];
    fabric_.pods = 1 + *std::max_element(fabric_.pod_of.begin(), fabric_.pod_of.end());
  }

  void NumberRails() {
    if (!HostsSpanSwitches()) return;
    // In ports' order, so the first host of a pod comes first.
    std::vector<int> rail_of_switch(static_cast<std::size_t>(fabric_.switches), -1);
    std::vector<int> next(static_cast<std::size_t>(fabric_.pods));
    for (int port = 0; port < ports_; ++port) {
      int& rail = rail_of_switch[static_cast<std::size_t>(fabric_.switch_of[port])];
      if (rail < 0) rail = next[static_cast<std::size_t>(fabric_.pod_of[port])]++;
    }
    if (fabric_.pods > 1) JoinRailsOfPods(&rail_of_switch);
    for (int port = 0; port < ports_; ++port) {
      fabric_.rail_of[port] = rail_of_switch[static_cast<std::size_t>(fabric_.switch_of[port])];
      fabric_.rails = std::max(fabric_.rails, fabric_.rail_of[port] + 1);
    }
  }

  bool HostsSpanSwitches() const {
    if (fabric_.switches == 0) return false;
    std::vector<std::set<int>> switches(static_cast<std::size_t>(fabric_.hosts));
    std::vector<int> ports(static_cast<std::size_t>(fabric_.hosts));
    for (int port = 0; port < ports_; ++port) {
      const auto host = static_cast<std::size_t>(fabric_.host_of[port]);
      switches[host].insert(fabric_.switch_of[port]);
      ++ports[host];
    }
    int several = 0;
    int spanning = 0;
    for (std::size_t host = 0; host < ports.size(); ++host) {
      several += ports[host] > 1 ? 1 : 0;
      spanning += switches[host].size() > 1 ? 1 : 0;
    }
    return spanning * 2 > several;
  }

  // Where the second distance of the network joins switches of different pods one to one.
  void JoinRailsOfPods(std::vector<int>* rail_of_switch) const {
    std::vector<Tie> ties;
    for (const Tie& tie : NetworkTies(host_class_ + 2)) {
      if (fabric_.pod_of[tie.a] == fabric_.pod_of[tie.b]) continue;
      ties.push_back({fabric_.switch_of[tie.a], fabric_.switch_of[tie.b], tie.evidence});
    }
    const Clusters planes = FindClusters(fabric_.switches, ties, certain_);
    if (!planes.undecided.empty()) return;
    std::vector<int> pod_of_switch(static_cast<std::size_t>(fabric_.switches));
    for (int port = 0; port < ports_; ++port) {
      pod_of_switch[static_cast<std::size_t>(fabric_.switch_of[port])] = fabric_.pod_of[port];
    }
    std::set<std::pair<int, int>> seen;  // a plane and a pod
    std::vector<int> rail_of_plane(static_cast<std::size_t>(planes.count), -1);
    for (std::size_t one = 0; one < pod_of_switch.size(); ++one) {
      if (!seen.emplace(planes.of[one], pod_of_switch[one]).second) return;
      // Pods come in the order of their numbers, so the first one's rail counts.
      int& rail = rail_of_plane[static_cast<std::size_t>(planes.of[one])];
      if (rail < 0 && pod_of_switch[one] == 0) rail = (*rail_of_switch)[one];
    }
    if (std::count(rail_of_plane.begin(), rail_of_plane.end(), -1) > 0) return;
    for (std::size_t one = 0; one < pod_of_switch.size(); ++one) {
      (*rail_of_switch)[one] = rail_of_plane[static_cast<std::size_t>(planes.of[one])];
    }
  }

  void DescribeClasses(const DistanceClasses& classes) {
    std::vector<std::vector<double>> speeds(static_cast<std::size_t>(classes.count()));
    fabric_.classes.resize(speeds.size());
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto best = static_cast<std::size_t>(evidence_[i].Best());
      ++fabric_.classes[best].pairs;
      const auto& measured = pairs_[i].gigabytes_per_second;
      speeds[best].insert(speeds[best].end(), measured.begin(), measured.end());
    }
    for (std::size_t i = 0; i < speeds.size(); ++i) {
      fabric_.classes[i].latency_us = classes.latency_us(static_cast<int>(i));
      fabric_.classes[i].gigabytes_per_second = Median(std::move(speeds[i]));
      fabric_.classes[i].same_host = static_cast<int>(i) == host_class_;
    }
  }

  void FindSlowPorts() {
    std::map<int, std::vector<double>> shares;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto best = static_cast<std::size_t>(evidence_[i].Best());
      const double usual = fabric_.classes[best].gigabytes_per_second;
      if (pairs_[i].gigabytes_per_second.empty() || usual <= 0 || SharesHost(pairs_[i])) continue;
      const double share = Median(pairs_[i].gigabytes_per_second) / usual;
      shares[pairs_[i].a].push_back(share);
      shares[pairs_[i].b].push_back(share);
    }
    for (auto& [port, of_port] : shares) {
      if (Median(std::move(of_port)) < kSlow) fabric_.slow_ports.push_back(port);
    }
  }

  int ports_;
  const FabricOptions& options_;
  std::vector<MeasuredPair> pairs_;
  std::vector<Evidence> evidence_;  // of each pair
  double certain_;
  int host_class_ = -1;
  std::vector<std::pair<int, int>> undecided_;
  Fabric fabric_;
};

}  // namespace

base::Result<Fabric> RecoverFabric(int ports, const std::vector<ProbeSample>& samples,
                                   const FabricOptions& options,
                                   std::vector<std::pair<int, int>>* undecided) {
  Recovery recovery(ports, samples, options);
  auto fabric = recovery.Run();
  *undecided = recovery.undecided();
  return fabric;
}

base::Result<Fabric> RecoverFabric(int ports, const std::vector<ProbeSample>& samples,
                                   const FabricOptions& options) {
  BASE_RETURN_IF_ERROR(CheckFabricInput(ports, samples, options));
  return Recovery(ports, samples, options).Run();
}

}  // namespace regatta::topology
