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
constexpr const char* kHierarchical = "hierarchical";

}  // namespace

std::vector<std::string> AllReduceNames() {
  std::vector<std::string> names;
  for (const Row& row : kAllReduces) names.emplace_back(row.name);
  names.emplace_back(kHierarchical);
  return names;
}

Selector::Selector(int rank, int size, std::vector<std::vector<int>> hosts, std::string algorithm)
    : rank_(rank), size_(size), hosts_(std::move(hosts)), algorithm_(std::move(algorithm)) {}

bool Selector::UniformHosts() const {
  return std::all_of(hosts_.begin(), hosts_.end(), [this](const std::vector<int>& host) {
    return host.size() == hosts_.front().size();
  });
}

std::string Selector::AllReduceFor(std::size_t bytes) const {
  // Hosts of different widths have no ranks of the same place on each.
  const bool fits = algorithm_ != kHierarchical || UniformHosts();
  if (!algorithm_.empty() && fits) return algorithm_;
  if (bytes <= kDoublingBytes) return "doubling";
  const bool wide = hosts_.size() > 1 && hosts_.front().size() > 1;
  if (wide && UniformHosts()) return kHierarchical;
  return hosts_.size() == 1 && bytes <= kDirectBytes ? "direct" : "ring";
}

const Plan& Selector::Pick(OpKind kind, int root, std::size_t bytes) {
  std::string name;
  if (kind == OpKind::kAllReduce) name = AllReduceFor(bytes);
  if (kind == OpKind::kBroadcast && bytes >= kChainBytes) name = "chain";
  const bool direct = hosts_.size() == 1;
  auto& plan = plans_[{kind, name, root}];
  if (plan != nullptr) return *plan;

  Program program;
  switch (kind) {
    case OpKind::kAllReduce:
      if (name == kHierarchical) program = HierarchicalAllReduce(rank_, hosts_);
      for (const Row& row : kAllReduces) {
        if (name == row.name) program = row.make(rank_, size_);
      }
      break;
    case OpKind::kReduceScatter:
      program = direct ? DirectReduceScatter(rank_, size_) : RingReduceScatter(rank_, size_);
      break;
    case OpKind::kAllGather:
      program = direct ? DirectAllGather(rank_, size_) : RingAllGather(rank_, size_);
      break;
    case OpKind::kAllToAll:
      program = PairwiseAllToAll(rank_, size_);
      break;
    case OpKind::kBroadcast:
      program = name == "chain" ? ChainBroadcast(rank_, size_, root)
                                : BinomialBroadcast(rank_, size_, root);
      break;
    case OpKind::kReduce:
      program = BinomialReduce(rank_, size_, root);
      break;
    case OpKind::kGather:
      program = DirectGather(rank_, size_, root);
      break;
    case OpKind::kScatter:
      program = DirectScatter(rank_, size_, root);
      break;
    case OpKind::kBarrier:
      program = DisseminationBarrier(rank_, size_);
      break;
    case OpKind::kSendRecv:
      break;  // has no program
  }
  plan = std::make_unique<Plan>(std::move(program));
  return *plan;
}

}  // namespace regatta::eccl
