#include "base/fault.h"
#include "eccl/communicator.h"
#include "eccl/formats/compressor.h"
#include "eccl/ticks.h"

namespace regatta::eccl {

base::Status Communicator::AllReduceCompressed(const void* send, void* receive, std::size_t count,
                                               ecclDataType_t type, ecclRedOp_t op,
                                               Compressor* compressor, const Places& places) {
  const std::lock_guard own(compressor->mutex());
  CompressedCall call{
      .descriptor = {.kind = OpKind::kAllReduce, .type = type, .op = op, .count = count},
      .input = static_cast<const std::byte*>(send),
      .output = static_cast<std::byte*>(receive)};
  BASE_RETURN_IF_ERROR(compressor->Prepare(&call));
  const std::lock_guard lock(call_mutex_);
  const std::uint64_t start = Ticks();
  OpDescriptor& descriptor = call.descriptor;
  descriptor.sequence = ++sequence_;
  if (health_->failed()) return Finish(descriptor, health_->failure(), start);
  health_->Enter(descriptor);
  REGATTA_FAULT("eccl.collective.enter");
  World world{.links = links_.get(), .executor = executor_.get(), .selector = selector_.get()};
  if (staging_ == nullptr) return Finish(descriptor, compressor->Run(&world, call), start);
  // Formats look at the whole tensor, so all of it comes to the host.
  on_island_ = false;
  staging_->Begin();
  const char* algorithm = "";
  const std::size_t bytes = count * SizeOf(type);
  const base::Status status =
      staging_->RunOnWhole(call.input, bytes, call.output, bytes, places,
                           [&](const std::byte* input, std::byte* output) -> base::Status {
                             call.input = input;
                             call.output = output;
                             BASE_ASSIGN_OR_RETURN(algorithm, compressor->Run(&world, call));
                             return base::Status();
                           });
  if (!status.ok()) return Finish(descriptor, status, start);
  return Finish(descriptor, algorithm, start);
}

}  // namespace regatta::eccl
