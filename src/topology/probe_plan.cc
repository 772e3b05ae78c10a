#include "topology/probe_plan.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "topology/pair_prober.h"
#include "topology/recover.h"
#include "topology/switch_search.h"

namespace regatta::topology {
namespace {

using Pair = PairProber::Pair;

constexpr int kLooks = 3;            // measurements of each pair of the first step
constexpr int kHostsLookedInto = 8;  // by the first step
constexpr int kMostRestarts = 4;
constexpr int kMostAmends = 20;
// RecoverFabric weighs the same measurements with centres that are a little different.
constexpr double kMargin = 6;

class Plan {
 public:
  Plan(int ports, const Prober& prober, const FabricOptions& options)
      : ports_(ports),
        options_(options),
        prober_(ports, prober, std::log(ports / options.error_probability) + kMargin) {
    for (int port = 0; port < ports; ++port) {
      const std::string& key = HostKey(options, port);
      if (!key.empty()) by_key_[key].push_back(port);
    }
  }

  base::Result<ProbedFabric> Run() {
    BASE_RETURN_IF_ERROR(LookAround());
    for (int restart = 0;; ++restart) {
      BASE_RETURN_IF_ERROR(prober_.Fit());
      const int classes = prober_.classes().count();
      BASE_RETURN_IF_ERROR(Search());
      if (!prober_.NewClassSeen() || restart == kMostRestarts) break;
      // Measurements are kept, so what was decided is decided again at once.
      BASE_RETURN_IF_ERROR(prober_.Fit());
      if (prober_.classes().count() == classes) break;
    }
    return Conclude();
  }

 private:
  // All measurements together see classes a little differently than those did that the search
  // began with, and quick answers may speak against certain ones: some pairs need a few more.
  base::Result<ProbedFabric> Conclude() {
    for (int tries = 0;; ++tries) {
      std::vector<Pair> undecided;
      auto fabric = RecoverFabric(ports_, prober_.samples(), options_, &undecided);
      if (fabric.ok()) {
        return ProbedFabric{*std::move(fabric), prober_.samples(), prober_.rounds()};
      }
      if (undecided.empty() || tries == kMostAmends) return fabric.status();
      for (int i = 0; i < kLooks; ++i) BASE_RETURN_IF_ERROR(prober_.Measure(undecided));
    }
  }

  base::Status LookAround() {
    std::vector<Pair> pairs;
    for (int port = 1; port < ports_; ++port) pairs.emplace_back(0, port);
    int looked = 0;
    for (const auto& [key, ports] : by_key_) {
      if (++looked > kHostsLookedInto) break;
      for (std::size_t i = 1; i < ports.size(); ++i) {
        if (ports[0] != 0) pairs.emplace_back(ports[0], ports[i]);
      }
    }
    for (int i = 0; i < kLooks; ++i) BASE_RETURN_IF_ERROR(prober_.Measure(pairs));
    return {};
  }

  base::Status Search() {
    inside_ = HostClass(prober_.classes(), GroupByPair(prober_.samples()), options_);
    host_of_.assign(static_cast<std::size_t>(ports_), -1);
    first_of_host_.clear();
    BASE_RETURN_IF_ERROR(SplitKeys());
    BASE_RETURN_IF_ERROR(FindHosts());
    if (prober_.classes().count() <= inside_ + 2) return {};
    return SwitchSearch(host_of_, inside_ + 1, &prober_).Run();
  }

  int NewHost(int port) {
    first_of_host_.push_back(port);
    return host_of_[port] = static_cast<int>(first_of_host_.size()) - 1;
  }

  // All hosts at once: the ports of a key with its first one; those that are elsewhere likewise
  // among themselves.
  base::Status SplitKeys() {
    std::vector<std::vector<int>> groups;
    for (const auto& [key, ports] : by_key_) groups.push_back(ports);
    while (!groups.empty()) {
      std::vector<Pair> pairs;
      for (const auto& group : groups) {
        NewHost(group.front());
        for (std::size_t i = 1; i < group.size(); ++i) pairs.emplace_back(group.front(), group[i]);
      }
      BASE_ASSIGN_OR_RETURN(const std::vector<bool> inside,
                            prober_.AreAt(inside_, pairs, PairProber::No::kCertain));
      std::map<int, std::vector<int>> elsewhere;
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto& [first, port] = pairs[i];
        if (inside[i]) {
          host_of_[port] = host_of_[first];
        } else {
          elsewhere[first].push_back(port);
        }
      }
      groups.clear();
      for (auto& [first, ports] : elsewhere) groups.push_back(std::move(ports));
    }
    return {};
  }

  base::Status FindHosts() {
    for (int port = 0; port < ports_; ++port) {
      if (host_of_[port] >= 0) continue;
      if (inside_ >= 0) BASE_RETURN_IF_ERROR(FindHostOf(port));
      if (host_of_[port] < 0) NewHost(port);
    }
    return {};
  }

  // That of the port before and the one after that, then all others, more and more at once: one
  // that is at none of them is at a new one.
  base::Status FindHostOf(int port) {
    const int count = static_cast<int>(first_of_host_.size());
    const int before = port > 0 ? host_of_[port - 1] : -1;
    const int next = port > 0 && count > 1 ? (before + 1) % count : -1;
    for (const int host : {before, next}) {
      if (host < 0) continue;
      BASE_RETURN_IF_ERROR(TryHosts(port, {host}));
      if (host_of_[port] >= 0) return {};
    }
    std::vector<int> hosts;
    std::size_t at_once = 16;
    for (int host = count - 1; host >= 0; --host) {
      if (host != before && host != next) hosts.push_back(host);
      if (hosts.size() < at_once && host > 0) continue;
      BASE_RETURN_IF_ERROR(TryHosts(port, hosts));
      if (host_of_[port] >= 0) return {};
      hosts.clear();
      at_once *= 2;
    }
    return {};
  }

  base::Status TryHosts(int port, const std::vector<int>& hosts) {
    std::vector<Pair> pairs;
    for (const int host : hosts) pairs.emplace_back(port, first_of_host_[host]);
    BASE_ASSIGN_OR_RETURN(const std::vector<bool> inside,
                          prober_.AreAt(inside_, pairs, PairProber::No::kCertain));
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      if (inside[i]) host_of_[port] = hosts[i];
    }
    return {};
  }

  int ports_;
  const FabricOptions& options_;
  PairProber prober_;
  std::map<std::string, std::vector<int>> by_key_;
  int inside_ = -1;  // the class of pairs that share a host; -1: there is none
  std::vector<int> host_of_;
  std::vector<int> first_of_host_;
};

}  // namespace

base::Result<ProbedFabric> ProbeFabric(int ports, const Prober& prober,
                                       const FabricOptions& options) {
  BASE_RETURN_IF_ERROR(CheckFabricInput(ports, {}, options));
  if (ports == 1) {
    BASE_ASSIGN_OR_RETURN(Fabric fabric, RecoverFabric(ports, {}, options));
    return ProbedFabric{.fabric = std::move(fabric)};
  }
  return Plan(ports, prober, options).Run();
}

}  // namespace regatta::topology
