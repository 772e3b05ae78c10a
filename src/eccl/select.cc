#include "eccl/select.h"

#include <algorithm>

#include "eccl/programs.h"

namespace regatta::eccl {
namespace {

// Below these, the fewest rounds win; above, the least data.
constexpr std::size_t kDoublingBytes = 16u << 10;
constexpr std::size_t kDirectBytes = 256u << 10;
constexpr std::size_t kChainBytes = 256u << 10;

struct Row {
  const char* name;
  Program (*make)(int rank, int size);
};
constexpr Row kAllReduces[] = {
    {"ring", RingAllReduce},
    {"tree", TreeAllReduce},
    {"double tree", DoubleTreeAllReduce},
    {"direct", DirectAllReduce},
    {"doubling", DoublingAllReduce},
    {"halving", HalvingAllReduce},
};
constexpr std::string_view kHierarchical = "hierarchical";
constexpr std::string_view kRing = "ring";
constexpr std::string_view kDirect = "direct";
constexpr std::string_view kDoubling = "doubling";
constexpr std::string_view kChain = "chain";
constexpr std::string_view kBinomial = "binomial";
constexpr std::string_view kScattered[] = {kRing, kDirect};

// A name that lives as long as the library.
std::string_view Lasting(const std::string& name) {
  for (const Row& row : kAllReduces) {
    if (name == row.name) return row.name;
  }
  return name == kHierarchical ? kHierarchical : std::string_view();
}

}  // namespace

std::vector<std::string> AllReduceNames() {
  std::vector<std::string> names;
  for (const Row& row : kAllReduces) names.emplace_back(row.name);
  names.emplace_back(kHierarchical);
  return names;
}

Selector::Selector(int rank, int size, std::vector<std::vector<int>> hosts,
                   const std::string& algorithm, bool exact)
    : rank_(rank),
      size_(size),
      hosts_(std::move(hosts)),
      asked_(Lasting(algorithm)),
      exact_(exact),
      tuner_(CostModel(hosts_)) {
  const bool levels = hosts_.size() > 1 && hosts_.front().size() > 1 && UniformHosts();
  // Hosts of different widths have no ranks of the same place on each.
  if (asked_ == kHierarchical && !UniformHosts()) asked_ = {};
  for (const Row& row : kAllReduces) all_reduces_.push_back(row.name);
  if (levels) all_reduces_.push_back(kHierarchical);
}

bool Selector::UniformHosts() const {
  return std::all_of(hosts_.begin(), hosts_.end(), [this](const std::vector<int>& host) {
    return host.size() == hosts_.front().size();
  });
}

std::string_view Selector::NameFor(OpKind kind, std::size_t bytes) const {
  const bool one_host = hosts_.size() == 1;
  switch (kind) {
    case OpKind::kAllReduce: {
      if (!asked_.empty()) return asked_;
      const bool levels = all_reduces_.back() == kHierarchical;
      if (bytes <= kDoublingBytes) return kDoubling;
      if (levels) return kHierarchical;
      return one_host && bytes <= kDirectBytes ? kDirect : kRing;
    }
    case OpKind::kReduceScatter:
    case OpKind::kAllGather:
      return one_host ? kDirect : kRing;
    case OpKind::kBroadcast:
      return bytes >= kChainBytes ? kChain : kBinomial;
    default:
      return {};
  }
}

const Plan& Selector::Pick(OpKind kind, int root, std::size_t bytes) {
  return PlanOf(kind, root, NameFor(kind, bytes));
}

Selector::Choice Selector::Choose(OpKind kind, int root, std::size_t bytes) {
  const std::string_view name = NameFor(kind, bytes);
  const bool reduce = kind == OpKind::kAllReduce;
  const bool tunable = reduce || kind == OpKind::kReduceScatter || kind == OpKind::kAllGather;
  if (name.empty() || size_ == 1) return {&PlanOf(kind, root, name), "only one", false};
  if (reduce && !asked_.empty()) return {&PlanOf(kind, root, name), "asked for", false};
  if (exact_) return {&PlanOf(kind, root, name), "exact", false};
  if (!tunable) return {&PlanOf(kind, root, name), "size", false};
  const Tuner::Choice choice =
      tuner_.Choose(kind, bytes,
                    reduce ? std::span<const std::string_view>(all_reduces_)
                           : std::span<const std::string_view>(kScattered),
                    name);
  return {&PlanOf(kind, root, choice.algorithm), choice.why, true};
}

std::vector<std::string_view> Selector::Candidates(OpKind kind) const {
  switch (kind) {
    case OpKind::kAllReduce:
      return all_reduces_;
    case OpKind::kReduceScatter:
    case OpKind::kAllGather:
      return {std::begin(kScattered), std::end(kScattered)};
    case OpKind::kBroadcast:
      return {kBinomial, kChain};
    default:
      return {};
  }
}

const Plan& Selector::PlanOf(OpKind kind, int root, std::string_view name) {
  auto& plan = plans_[{kind, name, root}];
  if (plan == nullptr) {
    plan = std::make_unique<Plan>(MakeProgram(kind, name, root, rank_, size_, hosts_));
  }
  return *plan;
}

Program MakeProgram(OpKind kind, std::string_view algorithm, int root, int rank, int size,
                    const std::vector<std::vector<int>>& hosts) {
  switch (kind) {
    case OpKind::kAllReduce:
      for (const Row& row : kAllReduces) {
        if (algorithm == row.name) return row.make(rank, size);
      }
      return HierarchicalAllReduce(rank, hosts);
    case OpKind::kReduceScatter:
      return algorithm == kDirect ? DirectReduceScatter(rank, size) : RingReduceScatter(rank, size);
    case OpKind::kAllGather:
      return algorithm == kDirect ? DirectAllGather(rank, size) : RingAllGather(rank, size);
    case OpKind::kAllToAll:
      return PairwiseAllToAll(rank, size);
    case OpKind::kBroadcast:
      return algorithm == kChain ? ChainBroadcast(rank, size, root)
                                 : BinomialBroadcast(rank, size, root);
    case OpKind::kReduce:
      return BinomialReduce(rank, size, root);
    case OpKind::kGather:
      return DirectGather(rank, size, root);
    case OpKind::kScatter:
      return DirectScatter(rank, size, root);
    case OpKind::kBarrier:
      return DisseminationBarrier(rank, size);
    case OpKind::kSendRecv:
      break;  // has no program
  }
  return {};
}

}  // namespace regatta::eccl
