#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <torch/csrc/distributed/c10d/Types.hpp>
#include <vector>

#include "abi.h"
#include "regatta/eccl.h"

namespace regatta::c10d_eccl {

// How libeccl sees the elements of a tensor: `each` elements of `type` make one of the tensor.
struct Elements {
  ecclDataType_t type;
  std::size_t each;
};

// To copy them: every type of torch can be.
Elements ForMoving(at::ScalarType type);

struct Reduction {
  Elements elements;
  ecclRedOp_t op;
  at::Tensor factor;  // of PREMUL_SUM: the input is multiplied by it first
};

// To combine them. bool counts as in NCCL's back end: a sum is "any", a product "all". A complex
// number is two real ones where that is right (sum, average). Throws std::invalid_argument (in
// Python ValueError) with what would be possible; `call` is for its text.
Reduction ForReducing(at::ScalarType type, const c10d::ReduceOp& op, const char* call);

// Throws std::invalid_argument unless all are dense tensors in host memory, of one type.
void CheckTensors(const std::vector<at::Tensor>& tensors, const char* call);
// The only one of the list, which is what c10d's list of one tensor a device comes to.
const at::Tensor& OnlyOne(const std::vector<at::Tensor>& tensors, const char* call,
                          const char* name);
const std::vector<at::Tensor>& OnlyOne(const std::vector<std::vector<at::Tensor>>& lists,
                                       const char* call, const char* name);

// The elements of tensors (of one type) one after the other in memory, each tensor in its logical
// order: the tensors' own memory where they lie so, else a buffer.
class Packed {
 public:
  explicit Packed(std::vector<at::Tensor> tensors);

  // Makes data() valid; with the tensors' values in it when `load`.
  void Open(bool load);
  // Puts a buffer's values into the tensors.
  void Store() const;

  std::byte* data() const { return data_; }
  // Elements of all tensors, and of each.
  std::size_t count() const { return count_; }
  const std::vector<std::size_t>& counts() const { return counts_; }
  bool equal_counts() const;

 private:
  template <typename Function>
  void EachPart(Function function) const;

  std::vector<at::Tensor> tensors_;
  std::vector<std::size_t> counts_;
  std::size_t count_ = 0;
  at::Tensor buffer_;
  std::byte* data_ = nullptr;
};

}  // namespace regatta::c10d_eccl
