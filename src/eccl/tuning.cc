// What the ranks measure and agree on at the end of a call, for the tuner.

#include <algorithm>
#include <array>
#include <vector>

#include "eccl/communicator.h"
#include "eccl/programs.h"
#include "eccl/ticks.h"

namespace regatta::eccl {
namespace {

using base::Status;

// The least of several counts: what a link can do, not what else happened meanwhile.
constexpr int kSmallRounds = 8;
constexpr int kLargeRounds = 2;
constexpr std::size_t kSmallBytes = 64;
constexpr std::size_t kLargeBytes = 256u << 10;

double Seconds(std::uint64_t ticks) {
  return std::chrono::duration<double>(DurationOf(ticks)).count();
}

// The neighbours of `rank` on a ring of `members`, of which it is one.
struct Neighbours {
  int next, last;
};
Neighbours NeighboursOf(const Members& members, int rank) {
  const auto n = static_cast<int>(members.size());
  const int at = PositionOf(members, rank);
  return {members[static_cast<std::size_t>((at + 1) % n)],
          members[static_cast<std::size_t>((at + n - 1) % n)]};
}

}  // namespace

Status Communicator::Learn(const OpDescriptor& call, std::uint64_t ticks) {
  Tuner& tuner = selector_->tuner();
  switch (tuner.Record(Seconds(ticks))) {
    case Tuner::Due::kNothing:
      return Status();
    case Tuner::Due::kProbe:
      return Probe(call);
    case Tuner::Due::kAgreement:
      break;
  }
  // The rank that came last did not wait for others: its time is that of the algorithm.
  BASE_RETURN_IF_ERROR(AllReduceDoubles(call, tuner.samples(), ecclMin));
  tuner.Agree();
  return Status();
}

// First rings within all hosts, then one of the hosts' first ranks.
Status Communicator::Probe(const OpDescriptor& call) {
  std::array<double, 4> costs{};
  Members leaders;
  for (const Members& host : selector_->hosts()) {
    leaders.push_back(host.front());
    if (host.size() == 1 || std::ranges::find(host, rank_) == host.end()) continue;
    const auto [next, last] = NeighboursOf(host, rank_);
    BASE_ASSIGN_OR_RETURN(const LinkCost cost, ProbeRing(next, last));
    costs[0] = cost.latency;
    costs[1] = cost.per_byte;
  }
  if (leaders.size() > 1 && std::ranges::find(leaders, rank_) != leaders.end()) {
    const auto [next, last] = NeighboursOf(leaders, rank_);
    BASE_ASSIGN_OR_RETURN(const LinkCost cost, ProbeRing(next, last));
    costs[2] = cost.latency;
    costs[3] = cost.per_byte;
  }
  BASE_RETURN_IF_ERROR(AllReduceDoubles(call, costs, ecclMax));
  selector_->tuner().SetCosts({costs[0], costs[1]}, {costs[2], costs[3]});
  return Status();
}

base::Result<LinkCost> Communicator::ProbeRing(int to, int from) {
  std::vector<std::byte> out(kLargeBytes);
  std::vector<std::byte> in(kLargeBytes);
  const auto least = [&](std::size_t bytes, int rounds) -> base::Result<double> {
    std::uint64_t best = ~std::uint64_t{0};
    for (int i = 0; i < rounds; ++i) {
      const std::uint64_t start = Ticks();
      BASE_RETURN_IF_ERROR(links_->Exchange(to, std::span<const std::byte>(out).first(bytes), from,
                                            std::span(in).first(bytes)));
      best = std::min(best, Ticks() - start);
    }
    return Seconds(best);
  };
  BASE_ASSIGN_OR_RETURN(const double small, least(kSmallBytes, kSmallRounds));
  BASE_ASSIGN_OR_RETURN(const double large, least(kLargeBytes, kLargeRounds));
  return LinkCost{.latency = small, .per_byte = std::max(0.0, large - small) / kLargeBytes};
}

Status Communicator::AllReduceDoubles(const OpDescriptor& call, std::span<double> values,
                                      ecclRedOp_t op, OpKind kind) {
  if (doubling_ == nullptr) doubling_ = std::make_unique<Plan>(DoublingAllReduce(rank_, size_));
  auto* data = reinterpret_cast<std::byte*>(values.data());
  const std::vector<Extent> whole = {{0, values.size_bytes()}};
  return executor_->Run(*doubling_, {.descriptor = {.kind = kind,
                                                    .type = ecclFloat64,
                                                    .op = op,
                                                    .count = values.size(),
                                                    .sequence = call.sequence},
                                     .input = data,
                                     .output = data,
                                     .input_parts = whole,
                                     .output_parts = whole});
}

}  // namespace regatta::eccl
