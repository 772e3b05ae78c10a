#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "topology/fabric.h"

namespace regatta::topology::testing {

struct ClusterShape {
  int hosts = 4;
  int ports = 8;  // of each host
  int pods = 1;   // of neighbouring hosts
  enum class Fabric { kRails, kRailsOnly, kRacks, kFlat } fabric = Fabric::kRails;
  // Between switches of one rail in different pods is a class of its own, nearer than other rails.
  bool rail_planes = false;
  double noise = 0.1;    // deviation of the logarithm
  double outliers = 0;   // share of latencies that are some times too long
  bool shuffled = true;  // ports are numbered at random, else host by host
  std::uint64_t seed = 1;
};

// A cluster that exists as numbers only.
class SyntheticCluster {
 public:
  explicit SyntheticCluster(const ClusterShape& shape) : shape_(shape), random_(shape.seed) {
    order_.resize(static_cast<std::size_t>(shape.hosts * shape.ports));
    std::iota(order_.begin(), order_.end(), 0);
    if (shape.shuffled) std::shuffle(order_.begin(), order_.end(), random_);
  }

  int ports() const { return static_cast<int>(order_.size()); }
  int Host(int port) const { return order_[port] / shape_.ports; }
  int LocalPort(int port) const { return order_[port] % shape_.ports; }
  int Pod(int port) const { return Host(port) * shape_.pods / shape_.hosts; }
  // The switch nearest to a port; -1 where there is one for all.
  int Switch(int port) const {
    switch (shape_.fabric) {
      case ClusterShape::Fabric::kFlat:
        return -1;
      case ClusterShape::Fabric::kRacks:
        return Pod(port);
      default:
        return Pod(port) * shape_.ports + LocalPort(port);
    }
  }
  std::vector<std::string> Keys() const {
    std::vector<std::string> keys;
    for (int port = 0; port < ports(); ++port) keys.push_back("host-" + std::to_string(Host(port)));
    return keys;
  }
  void SlowDown(int port) { slow_ = port; }

  ProbeSample Probe(int a, int b) {
    const auto [latency, speed] = True(a, b);
    std::normal_distribution<double> normal(0, shape_.noise);
    ProbeSample sample{a, b};
    if (latency == 0) return sample;
    sample.latency_us = latency * std::exp(normal(random_));
    std::uniform_real_distribution<double> uniform(0, 1);
    if (uniform(random_) < shape_.outliers) sample.latency_us *= 2 + 8 * uniform(random_);
    sample.gigabytes_per_second = speed * std::exp(normal(random_));
    return sample;
  }
  base::Result<std::vector<ProbeSample>> ProbeAll(const std::vector<std::pair<int, int>>& pairs) {
    std::vector<ProbeSample> samples;
    for (const auto& [a, b] : pairs) samples.push_back(Probe(a, b));
    return samples;
  }

  // "" where `fabric` is this cluster, whatever its numbers are called; else what differs.
  std::string Difference(const Fabric& fabric) const {
    for (const auto& [what, found, truth] :
         {std::tuple{"host", &fabric.host_of, &SyntheticCluster::Host},
          std::tuple{"switch", &fabric.switch_of, &SyntheticCluster::Switch}}) {
      std::vector<int> name_of(order_.size(), -2);
      std::vector<int> used(order_.size() + 1, -2);
      for (int port = 0; port < ports(); ++port) {
        const int expected = (this->*truth)(port);
        const int got = (*found)[static_cast<std::size_t>(port)];
        int& name = name_of[static_cast<std::size_t>(std::max(expected, 0))];
        int& back = used[static_cast<std::size_t>(got + 1)];
        if (name == -2) name = got;
        if (back == -2) back = expected;
        if (name != got || back != expected) {
          return std::string(what) + " of port " + std::to_string(port);
        }
      }
    }
    return "";
  }

 private:
  std::pair<double, double> True(int a, int b) const {
    const double speed = a == slow_ || b == slow_ ? 6 : 24;
    if (Host(a) == Host(b)) return {0.6, 40};
    if (shape_.fabric == ClusterShape::Fabric::kFlat) return {2.2, speed};
    if (Switch(a) == Switch(b)) return {2.2, speed};
    const bool same_rail = LocalPort(a) == LocalPort(b);
    if (shape_.fabric == ClusterShape::Fabric::kRailsOnly && !same_rail) return {0, 0};
    if (shape_.rail_planes && same_rail) return {3.4, speed * 0.9};
    if (shape_.rail_planes) return {5.2, speed * 0.8};
    return {3.4, speed * 0.9};
  }

  ClusterShape shape_;
  std::mt19937_64 random_;
  std::vector<int> order_;
  int slow_ = -1;
};

}  // namespace regatta::topology::testing
