#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/status.h"
#include "eccl/links.h"
#include "eccl/program.h"
#include "eccl/types.h"

namespace regatta::eccl {

// A program is run on blocks of its parts, so that scratch memory stays in the cache and neighbours
// work on different blocks at the same time.
constexpr std::size_t kBlockBytes = 128u << 10;
constexpr std::size_t kBlocksUnderWay = 3;

// A program that is ready to run.
struct Plan {
  explicit Plan(Program made) : program(std::move(made)), order(OrderOf(program)) {}
  Program program;
  Order order;
};

// A share of a buffer, in bytes.
struct Extent {
  std::size_t begin = 0;
  std::size_t bytes = 0;
};

// Whether a call's buffers are on the rank's device; looked up where it is not known yet.
struct Places {
  std::optional<bool> input, output;
};

// One call: what a plan is run on.
struct Call {
  OpDescriptor descriptor;  // compared with the peers', on every connection that is used
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  // By part; parts that the program does not touch on this rank may be anything. A part of input
  // and one of output with the same number are either the same memory or do not overlap.
  std::vector<Extent> input_parts;
  std::vector<Extent> output_parts;
  Places places{};
};

// Runs plans over links, block by block, several blocks at a time. Used by one thread at a time.
class Executor {
 public:
  explicit Executor(Links* links) : links_(links) {}

  // Errors are those of Links::Until; kAborted when a peer calls something else (the text shows
  // both calls).
  base::Status Run(const Plan& plan, const Call& call);

 private:
  class Execution;
  std::byte* Scratch(std::size_t bytes);

  Links* links_;
  std::unique_ptr<std::byte[]> scratch_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace regatta::eccl
