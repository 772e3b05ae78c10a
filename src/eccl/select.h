#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "eccl/executor.h"
#include "eccl/tuner.h"
#include "eccl/types.h"

namespace regatta::eccl {

// The names of all-reduce algorithms that can be asked for: "ring", "tree", ...
std::vector<std::string> AllReduceNames();

// The program of one rank among `size`, by the name of an algorithm where the kind of call has
// several. `hosts`: ranks by host.
Program MakeProgram(OpKind kind, std::string_view algorithm, int root, int rank, int size,
                    const std::vector<std::vector<int>>& hosts);

// Picks the plan for a call, and keeps plans for the calls to come. Every rank of a communicator
// picks the same, because it looks at nothing but what all ranks know.
class Selector {
 public:
  // `hosts`: ranks by host. `algorithm`: for every all-reduce; "": by size. `exact`: the same
  // algorithm for the same call in every run.
  Selector(int rank, int size, std::vector<std::vector<int>> hosts, const std::string& algorithm,
           bool exact);

  struct Choice {
    const Plan* plan;
    const char* why;  // static: "asked for", "size", "trial", ...
    bool timed;       // the tuner is to be told how long it took
  };
  // For a call that is about to be made. `bytes`: of the whole input or output, whichever is
  // larger.
  Choice Choose(OpKind kind, int root, std::size_t bytes);
  // The one for its size, which no measurement changes.
  const Plan& Pick(OpKind kind, int root, std::size_t bytes);
  // Those that could be chosen for such a call; empty where there is only one way.
  std::vector<std::string_view> Candidates(OpKind kind) const;
  // The one of them that is taken while nothing has been measured.
  std::string_view Default(OpKind kind, std::size_t bytes) const { return NameFor(kind, bytes); }
  Tuner& tuner() { return tuner_; }
  const std::vector<std::vector<int>>& hosts() const { return hosts_; }
  // As many ranks on each.
  bool UniformHosts() const;

 private:
  // By size; empty where there is only one.
  std::string_view NameFor(OpKind kind, std::size_t bytes) const;
  const Plan& PlanOf(OpKind kind, int root, std::string_view name);

  int rank_;
  int size_;
  std::vector<std::vector<int>> hosts_;
  std::string_view asked_;  // an all-reduce's; empty: none
  bool exact_;
  Tuner tuner_;
  std::vector<std::string_view> all_reduces_;  // those that this communicator can use
  std::map<std::tuple<OpKind, std::string_view, int>, std::unique_ptr<Plan>> plans_;
};

}  // namespace regatta::eccl
