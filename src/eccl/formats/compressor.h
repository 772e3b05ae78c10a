#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/formats/options.h"
#include "eccl/formats/world.h"

namespace regatta::eccl {

// What a compressor remembers from call to call, and what a checkpoint holds of it.
struct CompressorState {
  std::uint64_t count = 0;      // elements of the tensor; 0: nothing is remembered of any yet
  std::uint64_t step = 0;       // calls that ended well since it was made or reset
  std::vector<float> residual;  // of values, in units of this rank's input
  std::vector<float> momentum;  // of top-k
  std::vector<float> factor;    // of PowerSGD: Q, transposed
};

// Compresses the all-reduces of one tensor. Thread-safe, one call at a time.
class Compressor {
 public:
  explicit Compressor(const WireOptions& options) : options_(options) {}

  // Held during a call; taken before the communicator's.
  std::mutex& mutex() { return mutex_; }
  // With the mutex held. Fills in what the call's descriptor says about the format.
  // kInvalidArgument: a type or operator that cannot be compressed. kFailedPrecondition: another
  // tensor's length.
  base::Status Prepare(CompressedCall* call);
  // With the mutex held: makes the call. Gives the name of the algorithm.
  base::Result<const char*> Run(World* world, const CompressedCall& call);

  void Reset();
  ecclCompressorInfo_t info();
  // The state as bytes; docs/formats/eccl-wire.md.
  std::vector<std::byte> Save();
  // kInvalidArgument: no state, of another version, or of other options.
  base::Status Restore(std::span<const std::byte> bytes);

 private:
  base::Result<const char*> RunFormat(World* world, const CompressedCall& call);
  base::Result<const char*> RunDense(World* world, const CompressedCall& call);
  base::Result<const char*> RunAcrossHosts(World* world, const CompressedCall& call);
  // The state is of one tensor.
  bool Remembers() const;
  float* Residual();
  float* Scratch(std::size_t count);

  const WireOptions options_;
  std::mutex mutex_;
  CompressorState state_;
  std::uint64_t said_ = 0;
  std::unique_ptr<float[]> scratch_;
  std::size_t scratch_size_ = 0;
};

// --- handles ---

base::Status CreateCompressor(const ecclCompressorConfig_t* config, ecclCompressor_t* handle);
// Null when there is none.
std::shared_ptr<Compressor> FindCompressor(ecclCompressor_t handle);
// The error of a handle that is not found.
base::Status NoCompressor();
std::shared_ptr<Compressor> TakeCompressor(ecclCompressor_t handle);

}  // namespace regatta::eccl
