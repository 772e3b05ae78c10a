#include "eccl/formats/world.h"

#include "eccl/formats/dense.h"

namespace regatta::eccl {
namespace {

using base::Status;

std::vector<Extent> Shares(std::size_t count, int parts, std::size_t width) {
  const auto bounds = ShareBounds(count, static_cast<std::size_t>(parts));
  std::vector<Extent> shares;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    shares.push_back({bounds[i] * width, (bounds[i + 1] - bounds[i]) * width});
  }
  return shares;
}

}  // namespace

Status World::ReduceExactly(const CompressedCall& call, const char** algorithm) {
  const std::size_t width = SizeOf(call.descriptor.type);
  const Plan& plan = selector->Pick(OpKind::kAllReduce, 0, call.count() * width);
  const std::vector<Extent> shares = Shares(call.count(), plan.program.parts, width);
  *algorithm = plan.program.algorithm;
  return executor->Run(plan, {.descriptor = call.descriptor,
                              .input = call.input,
                              .output = call.output,
                              .input_parts = shares,
                              .output_parts = shares});
}

Status World::SumFloats(const OpDescriptor& call, std::span<float> floats) {
  const Plan& plan = selector->Pick(OpKind::kAllReduce, 0, floats.size_bytes());
  auto* data = reinterpret_cast<std::byte*>(floats.data());
  return RunOverFloats(call, plan, data, data, floats.size());
}

Status World::RunOverFloats(const OpDescriptor& call, const Plan& plan, const std::byte* input,
                            std::byte* output, std::size_t count) {
  OpDescriptor step = call;
  step.type = ecclFloat32;
  step.op = ecclSum;
  const std::vector<Extent> shares = Shares(count, plan.program.parts, sizeof(float));
  return executor->Run(plan, {.descriptor = step,
                              .input = input,
                              .output = output,
                              .input_parts = shares,
                              .output_parts = shares});
}

}  // namespace regatta::eccl
