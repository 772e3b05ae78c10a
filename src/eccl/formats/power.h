#pragma once

#include "base/status.h"
#include "eccl/formats/compressor.h"

namespace regatta::eccl {

// How a tensor is seen as a matrix: the last row may be short, and there may be fewer rows than
// asked for.
struct PowerShape {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t rank = 0;
  // The factors are smaller than the tensor.
  bool worth_it = false;
};
PowerShape PowerShapeOf(const WireOptions& options, std::size_t count);

// An all-reduce of low rank: PowerSGD (Vogels, Karimireddy, Jaggi, "PowerSGD: Practical Low-Rank
// Gradient Compression for Distributed Optimization", NeurIPS 2019). With M a rank's matrix:
// P = sum of M Q, made orthonormal; Q = sum of M^T P, kept for the next call; all receive P Q^T.
// Gives the name of the algorithm.
base::Result<const char*> RunPowerSgd(World* world, const WireOptions& options,
                                      CompressorState* state, const CompressedCall& call);

}  // namespace regatta::eccl
