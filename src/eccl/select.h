#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "eccl/executor.h"
#include "eccl/types.h"

namespace regatta::eccl {

// The names of all-reduce algorithms that can be asked for: "ring", "tree", ...
std::vector<std::string> AllReduceNames();

// Picks the plan for a call, and keeps plans for the calls to come. Every rank of a communicator
// picks the same, because it looks at nothing but what all ranks know.
class Selector {
 public:
  // `hosts`: ranks by host. `algorithm`: for every all-reduce; "": by size.
  Selector(int rank, int size, std::vector<std::vector<int>> hosts, std::string algorithm);

  // `bytes`: of the whole input or output, whichever is larger.
  const Plan& Pick(OpKind kind, int root, std::size_t bytes);
  const std::vector<std::vector<int>>& hosts() const { return hosts_; }
  // As many ranks on each.
  bool UniformHosts() const;

 private:
  std::string AllReduceFor(std::size_t bytes) const;

  int rank_;
  int size_;
  std::vector<std::vector<int>> hosts_;
  std::string algorithm_;
  std::map<std::tuple<OpKind, std::string, int>, std::unique_ptr<Plan>> plans_;
};

}  // namespace regatta::eccl
