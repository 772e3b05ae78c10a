#include "eccl/formats/options.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "eccl/types.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// A block of a dense format is a multiple of every group.
constexpr std::uint32_t kLeastGroup = 16;
constexpr std::uint32_t kMostGroup = 32'768;
constexpr std::uint32_t kMostRank = 256;

Status Wrong(const char* field, const std::string& value, const char* allowed) {
  return Status(Code::kInvalidArgument, std::string("ecclCompressorConfig_t.") + field + " is " +
                                            value + "; it may be " + allowed);
}

// FNV-1a, 32 bits.
class Hash {
 public:
  template <typename T>
  Hash& Add(T value) {
    std::uint8_t bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (const std::uint8_t byte : bytes) value_ = (value_ ^ byte) * 16'777'619u;
    return *this;
  }
  std::uint32_t value() const { return value_; }

 private:
  std::uint32_t value_ = 2'166'136'261u;
};

}  // namespace

std::uint32_t WireOptions::MainNumber() const {
  switch (format) {
    case ecclWireInt8:
      return int8_group;
    case ecclWireTopK:
      return std::bit_cast<std::uint32_t>(static_cast<float>(topk_ratio));
    case ecclWirePowerSgd:
      return powersgd_rank;
    default:
      return 0;
  }
}

std::uint32_t WireOptions::Digest() const {
  Hash hash;
  hash.Add(static_cast<std::uint8_t>(format)).Add(error_feedback).Add(inside_hosts);
  if (format == ecclWireInt8) hash.Add(int8_group);
  if (format == ecclWireTopK) hash.Add(topk_ratio).Add(momentum).Add(clip_norm).Add(warmup_steps);
  if (format == ecclWirePowerSgd) hash.Add(powersgd_rank).Add(powersgd_rows).Add(seed);
  return hash.value();
}

base::Result<WireOptions> ReadWireOptions(const ecclCompressorConfig_t* given) {
  ecclCompressorConfig_t config = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
  if (given == nullptr) return Status(Code::kInvalidArgument, "config is NULL");
  if (given->size < sizeof(std::size_t) || given->size > sizeof(config)) {
    return Wrong("size", std::to_string(given->size),
                 "what ECCL_COMPRESSOR_CONFIG_INITIALIZER of this release sets");
  }
  std::memcpy(&config, given, given->size);
  const int format = static_cast<int>(config.format);
  if (format < ecclWireFloat16 || format > ecclWirePowerSgd) {
    return Wrong("format", std::to_string(format), "an ecclWireFormat_t, 1 to 5");
  }
  const std::size_t group = config.int8_group;
  if (group < kLeastGroup || group > kMostGroup || !std::has_single_bit(group)) {
    return Wrong("int8_group", std::to_string(group), "a power of two from 16 to 32768");
  }
  if (!(config.topk_ratio > 0 && config.topk_ratio <= 1)) {
    return Wrong("topk_ratio", std::to_string(config.topk_ratio), "above 0 and at most 1");
  }
  if (!(config.momentum >= 0 && config.momentum < 1)) {
    return Wrong("momentum", std::to_string(config.momentum), "0 (none) or less than 1");
  }
  if (!(config.clip_norm >= 0) || std::isinf(config.clip_norm)) {
    return Wrong("clip_norm", std::to_string(config.clip_norm), "0 (none) or positive");
  }
  const bool accumulates = config.momentum > 0;
  if (accumulates && (config.error_feedback == 0 || config.format != ecclWireTopK)) {
    return Wrong("momentum", std::to_string(config.momentum),
                 "0, but for top-k with error feedback, which keeps it");
  }
  if (config.clip_norm > 0 && config.format != ecclWireTopK) {
    return Wrong("clip_norm", std::to_string(config.clip_norm), "0, but for top-k");
  }
  if (config.powersgd_rank < 1 || config.powersgd_rank > static_cast<int>(kMostRank)) {
    return Wrong("powersgd_rank", std::to_string(config.powersgd_rank), "1 to 256");
  }
  WireOptions options;
  options.format = config.format;
  options.error_feedback = config.error_feedback != 0;
  options.inside_hosts = config.inside_hosts != 0;
  options.int8_group = static_cast<std::uint32_t>(group);
  options.topk_ratio = config.topk_ratio;
  options.momentum = config.momentum;
  options.clip_norm = config.clip_norm;
  options.warmup_steps = config.warmup_steps;
  options.powersgd_rank = static_cast<std::uint32_t>(config.powersgd_rank);
  options.powersgd_rows = config.powersgd_rows;
  options.seed = config.seed;
  return options;
}

}  // namespace regatta::eccl
