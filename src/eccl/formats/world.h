#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/executor.h"
#include "eccl/links.h"
#include "eccl/select.h"

namespace regatta::eccl {

// One compressed all-reduce.
struct CompressedCall {
  OpDescriptor descriptor;  // type, operator and count are the user's
  const std::byte* input = nullptr;
  std::byte* output = nullptr;  // may be `input`
  std::size_t count() const { return static_cast<std::size_t>(descriptor.count); }
};

// What a compressed call has of its communicator.
struct World {
  Links* links;
  Executor* executor;
  Selector* selector;
  std::uint64_t said = 0;  // bytes that this rank sent in compressed form

  int size() const { return links->size(); }
  // The call as it is.
  base::Status ReduceExactly(const CompressedCall& call, const char** algorithm);
  // floats[i] = sum over all ranks of floats[i], as a step of `call`.
  base::Status SumFloats(const OpDescriptor& call, std::span<float> floats);
  // Runs a program of this rank's over floats in equal shares, as a step of `call`.
  base::Status RunOverFloats(const OpDescriptor& call, const Plan& plan, const std::byte* input,
                             std::byte* output, std::size_t count);
};

}  // namespace regatta::eccl
