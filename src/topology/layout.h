#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace regatta::topology {

// What the ranks of one group along a dimension do with each other.
enum class Pattern : std::uint8_t { kAllReduce, kAllGather, kAllToAll, kPointToPoint };

// One dimension of a parallel layout and what it sends in a training step.
struct Dimension {
  std::string name;  // "tp"
  int size = 1;      // ranks in one group
  Pattern pattern = Pattern::kAllReduce;
  double bytes = 0;  // of one call: the whole buffer, as a collective's count says it
  double calls = 0;  // in a step
};

// How the ranks of a job are cut into groups; sizes multiply to the world size. Ranks are numbered
// as a grid over the dimensions, the first one varying fastest.
using Layout = std::vector<Dimension>;

int WorldSize(const Layout& layout);

// kInvalidArgument for what cannot be: a dimension without a name or one that is there twice, sizes
// below 1, traffic below 0, more than six dimensions of several ranks, more than 1,048,576 ranks.
base::Status CheckLayout(const Layout& layout);

// "tp=8,pp=2,dp=4". Names are tp (tensor), cp (context), ep (expert), sharding (also fsdp), dp
// (data) and pp (pipeline), or the words in brackets; each at most once. What they send is that of
// one step of a 7-billion-parameter model of 32 layers with 16 micro-batches of 4,096 tokens and
// bf16 values, which says which dimension matters more than another, not how long a step takes:
//
//   tp        all-reduce of 32 MiB, 4 for each layer and micro-batch
//   cp        all-gather of 16 MiB, 2 for each layer and micro-batch
//   ep        all-to-all of 32 MiB, 4 for every second layer and micro-batch
//   sharding  all-gather of 416 MiB (a layer's parameters), 3 for each layer
//   dp        all-reduce of 13 GiB (the gradients), once
//   pp        32 MiB to the next stage, 2 for each micro-batch
//
// kInvalidArgument says which part of the text is wrong.
base::Result<Layout> ParseLayout(std::string_view text);

}  // namespace regatta::topology
