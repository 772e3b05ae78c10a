#include "topology/switch_search.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace regatta::topology {
namespace {

constexpr std::size_t kMostHostsAtOnce = 64;

}  // namespace

SwitchSearch::SwitchSearch(const std::vector<int>& host_of, int near, PairProber* prober)
    : host_of_(host_of),
      near_(near),
      prober_(*prober),
      local_index_(host_of.size()),
      switch_of_(host_of.size(), -1),
      refuted_(host_of.size()) {
  for (std::size_t port = 0; port < host_of.size(); ++port) {
    const auto host = static_cast<std::size_t>(host_of[port]);
    if (ports_of_host_.size() <= host) ports_of_host_.resize(host + 1);
    local_index_[port] = static_cast<int>(ports_of_host_[host].size());
    ports_of_host_[host].push_back(static_cast<int>(port));
    most_ports_ = std::max(most_ports_, ports_of_host_[host].size());
  }
}

int SwitchSearch::Root(int one) const {
  while (switches_[one].merged_into >= 0) one = switches_[one].merged_into;
  return one;
}

// A port of the switch on another host than `port`'s, each in its turn so that none is measured by
// all; -1: there is none.
int SwitchSearch::MemberFor(int port, int of_switch) {
  Switch& one = switches_[of_switch];
  for (std::size_t tried = 0; tried < one.members.size(); ++tried) {
    const int member = one.members[one.turn++ % one.members.size()];
    if (host_of_[member] != host_of_[port]) return member;
  }
  return -1;
}

// The switch that a port is most likely at, of those that it may be at; -1: none is left.
int SwitchSearch::BestCandidate(int port) const {
  std::set<int> used;
  std::set<int> pods;
  for (const int mate : ports_of_host_[host_of_[port]]) {
    if (switch_of_[mate] < 0) continue;
    used.insert(Root(switch_of_[mate]));
    pods.insert(switches_[Root(switch_of_[mate])].pod);
  }
  const std::set<int> neighbours =
      used.empty() ? PodsOfNeighbours(host_of_[port]) : std::set<int>();
  int best = -1;
  int best_score = 0;
  for (int one = 0; one < static_cast<int>(switches_.size()); ++one) {
    const Switch& candidate = switches_[one];
    if (candidate.merged_into >= 0 || refuted_[port].contains(one)) continue;
    const bool reachable =
        std::any_of(candidate.members.begin(), candidate.members.end(),
                    [&](int member) { return host_of_[member] != host_of_[port]; });
    if (!reachable) continue;
    int score = 100;
    if (used.contains(one)) score += same_ > different_ ? 16 : -16;
    if (pods.contains(candidate.pod)) score += 8;
    if (candidate.local_index == local_index_[port]) score += 4;
    if (neighbours.contains(candidate.pod)) score += 2;
    if (score > best_score) {
      best = one;
      best_score = score;
    }
  }
  return best;
}

// Of the nearest hosts by number that have a place: neighbours are often cabled alike.
std::set<int> SwitchSearch::PodsOfNeighbours(int host) const {
  std::set<int> pods;
  const auto add = [&](int neighbour) {
    for (const int port : ports_of_host_[neighbour]) {
      if (switch_of_[port] >= 0) pods.insert(switches_[Root(switch_of_[port])].pod);
    }
  };
  const auto above = placed_hosts_.lower_bound(host);
  if (above != placed_hosts_.end()) add(*above);
  if (above != placed_hosts_.begin()) add(*std::prev(above));
  return pods;
}

base::Status SwitchSearch::Run() {
  // In random order, so that all pods are met soon: the hosts of one that was not met yet have to
  // be compared with everything.
  std::vector<std::size_t> order(ports_of_host_.size());
  std::iota(order.begin(), order.end(), 0);
  std::minstd_rand random(1);
  std::shuffle(order.begin(), order.end(), random);
  // What is known doubles each time, so there are many hosts whose ports can be compared with.
  for (std::size_t begin = 0; begin < ports_of_host_.size();) {
    const std::size_t count = std::clamp<std::size_t>(begin, 1, kMostHostsAtOnce);
    const std::size_t end = std::min(begin + count, ports_of_host_.size());
    // One port of each host at a time: where the others are says where it may be.
    for (std::size_t i = 0; i < most_ports_; ++i) {
      std::vector<int> ports;
      for (std::size_t at = begin; at < end; ++at) {
        const std::vector<int>& of_host = ports_of_host_[order[at]];
        if (i < of_host.size()) ports.push_back(of_host[i]);
      }
      std::vector<int> unplaced;
      BASE_RETURN_IF_ERROR(PlaceTogether(std::move(ports), &unplaced));
      for (const int port : unplaced) BASE_RETURN_IF_ERROR(PlaceAlone(port));
    }
    begin = end;
  }
  return {};
}

base::Status SwitchSearch::PlaceTogether(std::vector<int> ports, std::vector<int>* unplaced) {
  while (!ports.empty()) {
    std::vector<int> asked;
    std::vector<int> candidates;
    std::vector<std::pair<int, int>> pairs;
    for (const int port : ports) {
      const int candidate = BestCandidate(port);
      if (candidate < 0) {
        unplaced->push_back(port);
        continue;
      }
      asked.push_back(port);
      candidates.push_back(candidate);
      pairs.emplace_back(port, MemberFor(port, candidate));
    }
    BASE_ASSIGN_OR_RETURN(const std::vector<bool> near,
                          prober_.AreAt(near_, pairs, PairProber::No::kQuick));
    ports.clear();
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (near[i]) {
        BASE_RETURN_IF_ERROR(Place(asked[i], Root(candidates[i])));
      } else {
        refuted_[asked[i]].insert(candidates[i]);
        ports.push_back(asked[i]);
      }
    }
  }
  return {};
}

// For a port that is at no switch which was known when it was looked at: with certainty, and one
// after the other, so that two ports do not make two switches of one.
base::Status SwitchSearch::PlaceAlone(int port) {
  // Most often at one that was made since.
  std::vector<int> unplaced;
  BASE_RETURN_IF_ERROR(PlaceTogether({port}, &unplaced));
  if (unplaced.empty()) return {};
  std::vector<int> candidates;
  std::vector<std::pair<int, int>> pairs;
  for (int one = 0; one < static_cast<int>(switches_.size()); ++one) {
    const int member = switches_[one].merged_into >= 0 ? -1 : MemberFor(port, one);
    if (member < 0) continue;
    candidates.push_back(one);
    pairs.emplace_back(port, member);
  }
  BASE_ASSIGN_OR_RETURN(const std::vector<bool> near,
                        prober_.AreAt(near_, pairs, PairProber::No::kCertain));
  const auto found = std::find(near.begin(), near.end(), true);
  if (found != near.end()) {
    return Place(port, candidates[static_cast<std::size_t>(found - near.begin())]);
  }
  refuted_[port] = {candidates.begin(), candidates.end()};
  Found(port);
  return {};
}

base::Status SwitchSearch::Place(int port, int in_switch) {
  for (const int mate : ports_of_host_[host_of_[port]]) {
    if (switch_of_[mate] < 0) continue;
    ++(Root(switch_of_[mate]) == in_switch ? same_ : different_);
    JoinPods(switches_[Root(switch_of_[mate])].pod, switches_[in_switch].pod);
  }
  switch_of_[port] = in_switch;
  switches_[in_switch].members.push_back(port);
  placed_hosts_.insert(host_of_[port]);
  // This port may be the first that can be compared with both of two switches.
  std::vector<int> others;
  std::vector<std::pair<int, int>> pairs;
  for (const auto& [a, b] : unseparated_) {
    if (a != in_switch && b != in_switch) continue;
    const int other = a == in_switch ? b : a;
    const int member = MemberFor(port, other);
    if (member < 0) continue;
    others.push_back(other);
    pairs.emplace_back(port, member);
  }
  BASE_ASSIGN_OR_RETURN(const std::vector<bool> near,
                        prober_.AreAt(near_, pairs, PairProber::No::kCertain));
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (near[i]) {
      Merge(others[i], in_switch);
    } else {
      unseparated_.erase(std::minmax(others[i], in_switch));
    }
  }
  return {};
}

void SwitchSearch::Found(int port) {
  const int fresh = static_cast<int>(switches_.size());
  Switch one = {.members = {port}, .local_index = local_index_[port], .pod = fresh};
  for (int other = 0; other < fresh; ++other) {
    if (switches_[other].merged_into < 0 && !refuted_[port].contains(other)) {
      unseparated_.emplace(other, fresh);
    }
  }
  switches_.push_back(std::move(one));
  for (const int mate : ports_of_host_[host_of_[port]]) {
    if (switch_of_[mate] >= 0) JoinPods(switches_[Root(switch_of_[mate])].pod, fresh);
  }
  switch_of_[port] = fresh;
}

void SwitchSearch::Merge(int from, int into) {
  Switch& gone = switches_[from];
  gone.merged_into = into;
  auto& members = switches_[into].members;
  members.insert(members.end(), gone.members.begin(), gone.members.end());
  std::set<std::pair<int, int>> kept;
  for (const auto& [a, b] : unseparated_) {
    const int root_a = Root(a);
    const int root_b = Root(b);
    if (root_a != root_b) kept.insert(std::minmax(root_a, root_b));
  }
  unseparated_ = std::move(kept);
  JoinPods(gone.pod, switches_[into].pod);
}

void SwitchSearch::JoinPods(int a, int b) {
  if (a == b) return;
  for (Switch& one : switches_) {
    if (one.pod == a) one.pod = b;
  }
}

}  // namespace regatta::topology
