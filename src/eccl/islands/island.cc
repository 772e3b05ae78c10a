#include "eccl/islands/island.h"

#include <algorithm>
#include <bit>
#include <thread>

#include "eccl/call_queue.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

std::size_t End(const std::vector<Extent>& parts) {
  std::size_t end = 0;
  for (const Extent& part : parts) end = std::max(end, part.begin + part.bytes);
  return end;
}

Status Reserve(const device::Device& device, device::Buffer* buffer, std::size_t bytes) {
  if (buffer->size() >= bytes) return Status();
  *buffer = {};
  BASE_ASSIGN_OR_RETURN(*buffer, device.Allocate(std::bit_ceil(bytes)));
  return Status();
}

}  // namespace

base::Result<std::unique_ptr<Island>> Island::Join(StartOptions options, Staging* staging,
                                                   Links* links) {
  std::unique_ptr<Island> island(
      new Island(options.library, staging, links, options.rank, options.size));
  BASE_ASSIGN_OR_RETURN(island->over_, staging->device()->MakeEvent());
  BASE_ASSIGN_OR_RETURN(island->comm_, StartIsland(std::move(options)));
  return island;
}

Island::~Island() {
  if (comm_ == nullptr) return;
  const device::Device::Current current(*staging_->device());
  library_->destroy(comm_);
}

Status Island::Failed(int code, const char* call) const {
  return IslandFailure(*library_, *staging_->device(), comm_, code, call);
}

void Island::Abort() {
  if (comm_ == nullptr) return;
  const device::Device::Current current(*staging_->device());
  library_->abort(comm_);
  comm_ = nullptr;
}

bool Island::Takes(const Call& call) const {
  const OpDescriptor& what = call.descriptor;
  const bool reduces = what.kind == OpKind::kAllReduce || what.kind == OpKind::kReduce ||
                       what.kind == OpKind::kReduceScatter;
  // Whole averages are rounded in other ways there.
  if (reduces) return what.op < ecclAvg || (what.op == ecclAvg && !IsInteger(what.type));
  if (what.kind == OpKind::kBroadcast) return true;
  if (what.kind != OpKind::kAllGather) return false;
  return std::ranges::all_of(call.output_parts, [&](const Extent& part) {
    return part.bytes == call.output_parts.front().bytes;
  });
}

Status Island::Run(const Call& call) {
  if (comm_ == nullptr) return Status(Code::kFailedPrecondition, "the island has failed before");
  Status status = LaunchAndWait(call);
  if (status.ok()) return status;
  Abort();
  // The library knows that something is broken, the communicator is about to hear by whom.
  const auto until = Clock::now() + std::chrono::seconds(1);
  while (!links_->health()->failed() && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return links_->health()->failed() ? links_->health()->failure() : status;
}

Status Island::LaunchAndWait(const Call& call) {
  const OpDescriptor& what = call.descriptor;
  const device::Device& device = *staging_->device();
  const bool is_root = static_cast<int>(what.root) == rank_;
  const bool reads = what.kind != OpKind::kBroadcast || is_root;
  const bool writes = what.kind != OpKind::kReduce || is_root;
  const std::size_t input_bytes = reads ? End(call.input_parts) : 0;
  const std::size_t output_bytes = writes ? End(call.output_parts) : 0;
  if (End(call.input_parts) == 0 && End(call.output_parts) == 0) return Status();
  const device::Device::Current current(device);
  const void* input = call.input;
  void* output = call.output;
  regattaDeviceStream stream = staging_->stream();
  if (input_bytes > 0) {
    BASE_ASSIGN_OR_RETURN(const bool there,
                          staging_->OnDevice("sendbuff", input, call.places.input));
    if (!there) {
      BASE_RETURN_IF_ERROR(Reserve(device, &input_, input_bytes));
      BASE_RETURN_IF_ERROR(
          device.Copy(input_.data(), input, input_bytes, regattaCopyHostToDevice, stream));
      input = input_.data();
      staging_->SetUsed();
    }
  }
  bool back = false;
  if (output_bytes > 0) {
    BASE_ASSIGN_OR_RETURN(const bool there,
                          staging_->OnDevice("recvbuff", output, call.places.output));
    if (!there) {
      BASE_RETURN_IF_ERROR(Reserve(device, &output_, output_bytes));
      output = output_.data();
      back = true;
      staging_->SetUsed();
    }
  }
  BASE_RETURN_IF_ERROR(Launch(call, input, output));
  if (back) {
    BASE_RETURN_IF_ERROR(
        device.Copy(call.output, output, output_bytes, regattaCopyDeviceToHost, stream));
  }
  const auto check = [this]() -> Status {
    int error = IslandLibrary::kSuccess;
    const int code = library_->async_error(comm_, &error);
    if (code != IslandLibrary::kSuccess) return Failed(code, "CommGetAsyncError");
    if (error == IslandLibrary::kSuccess || error == IslandLibrary::kInProgress) return Status();
    return Failed(error, "a collective");
  };
  if (!CallQueue::OnWorker()) return staging_->WaitForStream(check);
  // Whoever submitted the call may be giving the stream more work all the time.
  BASE_RETURN_IF_ERROR(device.Record(over_, stream));
  return staging_->Wait(over_, check);
}

Status Island::Launch(const Call& call, const void* input, void* output) {
  const OpDescriptor& what = call.descriptor;
  const auto type = static_cast<int>(what.type);
  const auto op = static_cast<int>(what.op);
  const auto root = static_cast<int>(what.root);
  const IslandLibrary& library = *library_;
  void* stream = staging_->stream();
  int code = IslandLibrary::kSuccess;
  const char* name = nullptr;
  switch (what.kind) {
    case OpKind::kAllReduce:
      name = "AllReduce";
      code = library.all_reduce(input, output, what.count, type, op, comm_, stream);
      break;
    case OpKind::kReduceScatter:
      name = "ReduceScatter";
      code = library.reduce_scatter(input, output, what.count, type, op, comm_, stream);
      break;
    case OpKind::kAllGather:
      name = "AllGather";
      code = library.all_gather(input, output, what.count / static_cast<std::size_t>(size_), type,
                                comm_, stream);
      break;
    case OpKind::kReduce:
      name = "Reduce";
      code = library.reduce(input, output, what.count, type, op, root, comm_, stream);
      break;
    default:
      name = "Broadcast";
      code = library.broadcast(input, output, what.count, type, root, comm_, stream);
  }
  return code == IslandLibrary::kSuccess ? Status() : Failed(code, name);
}

}  // namespace regatta::eccl
