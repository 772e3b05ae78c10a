#pragma once

#include <cstdint>

#include "base/status.h"
#include "regatta/eccl.h"

namespace regatta::eccl {

// What ecclCompressorConfig_t comes to.
struct WireOptions {
  ecclWireFormat_t format = ecclWireBfloat16;
  bool error_feedback = true;
  bool inside_hosts = false;  // also between ranks of one host
  std::uint32_t int8_group = 256;
  double topk_ratio = 0.001;
  double momentum = 0;
  double clip_norm = 0;  // 0: none
  std::uint64_t warmup_steps = 0;
  std::uint32_t powersgd_rank = 4;
  std::uint64_t powersgd_rows = 0;  // 0: about square
  std::uint64_t seed = 1;

  bool operator==(const WireOptions&) const = default;
  // For the call's descriptor: the number that says most (group, rank, ratio as the bits of a
  // float), and a digest of everything that ranks have to agree on.
  std::uint32_t MainNumber() const;
  std::uint32_t Digest() const;
};

// kInvalidArgument names the field and what it may be.
base::Result<WireOptions> ReadWireOptions(const ecclCompressorConfig_t* config);

}  // namespace regatta::eccl
