#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "eccl/timed_simulator.h"
#include "eccl/types.h"

namespace regatta::eccl {

// What is to be expected of a collective on a cluster that need not exist.
struct Outlook {
  std::string algorithm;
  double predicted = -1;  // seconds, by the cost model that the tuner begins with; -1: it has none
  Timing timing;          // as simulated
  bool by_default = false;     // what is taken while nothing has been measured, and in exact mode
  bool worth_a_trial = false;  // the tuner would measure it
};

// Checks the programs of all ranks and simulates them, for every algorithm there is for the call,
// or for `only`. `bytes`: of the whole input or output, whichever is larger.
// kInvalidArgument: no such algorithm for this call and these hosts; kInternal: a program is wrong.
base::Result<std::vector<Outlook>> OutlookOf(OpKind kind, std::size_t bytes, const Wiring& wiring,
                                             const std::string& only = "");

// What one rank does, a line a step. Errors as above.
base::Result<std::string> ProgramText(OpKind kind, const std::string& algorithm, int rank,
                                      const Wiring& wiring);

}  // namespace regatta::eccl
