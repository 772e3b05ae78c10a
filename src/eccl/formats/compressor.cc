#include "eccl/formats/compressor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eccl/formats/convert.h"
#include "eccl/formats/dense.h"
#include "eccl/formats/power.h"
#include "eccl/formats/sparse.h"
#include "eccl/programs.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

struct Names {
  const char* flat;
  const char* across_hosts;
};
Names NamesOf(ecclWireFormat_t format) {
  if (format == ecclWireFloat16) return {"float16 direct", "float16 hierarchical"};
  if (format == ecclWireInt8) return {"int8 direct", "int8 hierarchical"};
  return {"bfloat16 direct", "bfloat16 hierarchical"};
}

bool IsFloatingPoint(ecclDataType_t type) {
  return type == ecclFloat16 || type == ecclBfloat16 || type == ecclFloat32 || type == ecclFloat64;
}

}  // namespace

bool Compressor::Remembers() const {
  return options_.error_feedback || options_.format == ecclWirePowerSgd;
}

Status Compressor::Prepare(CompressedCall* call) {
  OpDescriptor& descriptor = call->descriptor;
  if (!IsFloatingPoint(descriptor.type)) {
    return Status(Code::kInvalidArgument,
                  std::string("datatype is ") + NameOf(descriptor.type) +
                      "; only float16, bfloat16, float32 and float64 can be compressed");
  }
  if (descriptor.op != ecclSum && descriptor.op != ecclAvg) {
    return Status(Code::kInvalidArgument, std::string("op is ") + NameOf(descriptor.op) +
                                              "; a compressed all-reduce is a sum or an avg");
  }
  if (Remembers() && state_.count != 0 && state_.count != descriptor.count) {
    return Status(Code::kFailedPrecondition,
                  "the compressor holds what is owed to a tensor of " +
                      std::to_string(state_.count) + " elements, and this one has " +
                      std::to_string(descriptor.count) +
                      "; use one compressor for each tensor, or reset it");
  }
  if (options_.format == ecclWireTopK &&
      descriptor.count > std::numeric_limits<std::uint32_t>::max()) {
    return Status(Code::kInvalidArgument, "count is " + std::to_string(descriptor.count) +
                                              "; top-k takes at most 2^32 - 1 elements at a time");
  }
  // Where it matters for the call how many there have been, ranks have to agree on that, too.
  std::uint64_t step = 0;
  if (options_.format == ecclWirePowerSgd) step = state_.step;
  if (options_.format == ecclWireTopK) step = std::min(state_.step, options_.warmup_steps);
  descriptor.Compressed(options_.format, options_.MainNumber(),
                        options_.Digest() + static_cast<std::uint32_t>(step) * 0x9e3779b1u);
  return Status();
}

float* Compressor::Residual() {
  if (!options_.error_feedback) return nullptr;
  state_.residual.resize(static_cast<std::size_t>(state_.count));
  return state_.residual.data();
}

base::Result<const char*> Compressor::Run(World* world, const CompressedCall& call) {
  if (Remembers()) state_.count = call.count();
  auto algorithm = RunFormat(world, call);
  said_ = world->said;
  if (algorithm.ok()) ++state_.step;
  return algorithm;
}

base::Result<const char*> Compressor::RunFormat(World* world, const CompressedCall& call) {
  if (options_.format == ecclWireTopK) {
    return RunTopK(world, options_, &state_, call, {Scratch(call.count()), call.count()});
  }
  if (options_.format == ecclWirePowerSgd) return RunPowerSgd(world, options_, &state_, call);
  return RunDense(world, call);
}

base::Result<const char*> Compressor::RunDense(World* world, const CompressedCall& call) {
  const auto& hosts = world->selector->hosts();
  if (!options_.inside_hosts) {
    if (hosts.size() == 1) {
      const char* algorithm = nullptr;
      BASE_RETURN_IF_ERROR(world->ReduceExactly(call, &algorithm));
      return algorithm;
    }
    if (hosts.front().size() > 1 && world->selector->UniformHosts()) {
      return RunAcrossHosts(world, call);
    }
  }
  const Codec codec(options_);
  const DenseCall dense{.input = call.input,
                        .output = call.output,
                        .count = call.count(),
                        .type = call.descriptor.type,
                        .divide_by = call.descriptor.op == ecclAvg ? world->size() : 1,
                        .residual = Residual()};
  DenseReduce reduce(codec, dense, world->size(), world->links->rank());
  BASE_RETURN_IF_ERROR(
      Converse(world->links, call.descriptor, AllRanks(world->size()), &reduce, &world->said));
  return NamesOf(options_.format).flat;
}

// Exactly within each host, whose rank number p then has share p of the host's sum; in the format
// among the ranks of the same number on all hosts; and the results exactly within each host again.
base::Result<const char*> Compressor::RunAcrossHosts(World* world, const CompressedCall& call) {
  const int rank = world->links->rank();
  const auto& hosts = world->selector->hosts();
  const std::vector<int>& mine = *std::find_if(hosts.begin(), hosts.end(), [&](const auto& host) {
    return std::find(host.begin(), host.end(), rank) != host.end();
  });
  const auto place = static_cast<std::size_t>(PositionOf(mine, rank));
  const int width = static_cast<int>(mine.size());
  Members across;
  for (const auto& host : hosts) across.push_back(host[place]);

  const std::size_t count = call.count();
  const std::byte* input = call.input;
  std::byte* output = call.output;
  const bool narrow = call.descriptor.type != ecclFloat32;
  if (narrow) {
    output = reinterpret_cast<std::byte*>(Scratch(count));
    Widen(call.input, output, count, call.descriptor.type);
    input = output;
  }
  Builder scatter("", rank, width);
  scatter.DirectReduceScatter(mine, OnePartEach(width), false);
  BASE_RETURN_IF_ERROR(
      world->RunOverFloats(call.descriptor, Plan(scatter.Take()), input, output, count));

  const auto bounds = ShareBounds(count, mine.size());
  std::byte* share = output + bounds[place] * sizeof(float);
  float* residual = Residual();
  const Codec codec(options_);
  const DenseCall dense{.input = share,
                        .output = share,
                        .count = bounds[place + 1] - bounds[place],
                        .divide_by = call.descriptor.op == ecclAvg ? world->size() : 1,
                        .residual = residual == nullptr ? nullptr : residual + bounds[place]};
  DenseReduce reduce(codec, dense, static_cast<int>(across.size()), PositionOf(across, rank));
  BASE_RETURN_IF_ERROR(Converse(world->links, call.descriptor, across, &reduce, &world->said));

  Builder gather("", rank, width);
  gather.DirectAllGather(mine, OnePartEach(width));
  BASE_RETURN_IF_ERROR(
      world->RunOverFloats(call.descriptor, Plan(gather.Take()), output, output, count));
  if (narrow) Narrow(output, call.output, count, call.descriptor.type);
  return NamesOf(options_.format).across_hosts;
}

float* Compressor::Scratch(std::size_t count) {
  if (scratch_size_ < count) {
    scratch_ = std::make_unique_for_overwrite<float[]>(count);
    scratch_size_ = count;
  }
  return scratch_.get();
}

void Compressor::Reset() {
  const std::lock_guard lock(mutex_);
  state_ = {};
  said_ = 0;
}

ecclCompressorInfo_t Compressor::info() {
  const std::lock_guard lock(mutex_);
  double squares = 0;
  for (const float value : state_.residual) squares += double{value} * value;
  return {.steps = state_.step,
          .count = state_.count,
          .sent_bytes = said_,
          .residual_norm = std::sqrt(squares)};
}

}  // namespace regatta::eccl
