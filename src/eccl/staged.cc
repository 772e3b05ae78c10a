// Calls of a communicator of which some rank's values are on a device: cut into pieces that all
// ranks know, each made in host memory.

#include <algorithm>
#include <array>

#include "base/log.h"
#include "eccl/communicator.h"
#include "eccl/ticks.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

std::size_t Longest(const Call& call) {
  std::size_t longest = 0;
  for (const auto* parts : {&call.input_parts, &call.output_parts}) {
    for (const Extent& part : *parts) longest = std::max(longest, part.bytes);
  }
  return longest;
}

// Each element of the result is made of those at the same place.
bool IsElementWise(OpKind kind) {
  return kind == OpKind::kAllReduce || kind == OpKind::kReduce || kind == OpKind::kBroadcast;
}

}  // namespace

base::Result<Staging::Cut> Communicator::CutOf(const Call& call) {
  const OpKind kind = call.descriptor.kind;
  const bool is_root = static_cast<int>(call.descriptor.root) == rank_;
  const bool from_root = kind == OpKind::kBroadcast || kind == OpKind::kScatter;
  const bool to_root = kind == OpKind::kReduce || kind == OpKind::kGather;
  Staging::Cut cut{.piece_bytes = Staging::kPieceBytes,
                   .pieces = 1,
                   .reads = kind != OpKind::kBarrier && (!from_root || is_root),
                   .writes = kind != OpKind::kBarrier && (!to_root || is_root),
                   .in_place = IsElementWise(kind)};
  if (!IsElementWise(kind)) {
    // A piece of every part is in memory at the same time. Whole elements, whole lines of cache.
    constexpr std::size_t kLeast = 4u << 10;
    cut.piece_bytes = std::max(kLeast, cut.piece_bytes / static_cast<std::size_t>(size_) / 64 * 64);
  }
  // What the root broadcasts is in its place already.
  if (kind == OpKind::kBroadcast && is_root && call.input == call.output) cut.writes = false;
  std::size_t longest = Longest(call);
  if (kind == OpKind::kAllToAll && size_ > 1) {
    // Each pair knows its own counts only.
    std::array<double, 1> most = {static_cast<double>(longest)};
    BASE_RETURN_IF_ERROR(AllReduceDoubles(call.descriptor, most, ecclMax, kind));
    longest = static_cast<std::size_t>(most[0]);
  }
  cut.pieces = std::max<std::size_t>(1, (longest + cut.piece_bytes - 1) / cut.piece_bytes);
  return cut;
}

base::Result<Communicator::Made> Communicator::RunInPieces(const Call& call) {
  staging_->Begin();
  BASE_ASSIGN_OR_RETURN(const Staging::Cut cut, CutOf(call));
  const std::uint64_t start = Ticks();
  Made made;
  BASE_RETURN_IF_ERROR(staging_->Run(call, cut, [&](const Call& piece) -> Status {
    Call whole = piece;
    BASE_ASSIGN_OR_RETURN(const Made one, RunOnHost(&whole));
    if (*made.algorithm == '\0') made = one;
    return Status();
  }));
  made.ticks = Ticks() - start;
  return made;
}

bool Communicator::MayBeIsland() const {
  for (std::size_t rank = 0; rank < devices_.size(); ++rank) {
    const DeviceInfo& one = devices_[rank];
    if (one.library.empty() || one.library != devices_[0].library || one.identity.empty()) {
      return false;
    }
    for (std::size_t other = 0; other < rank; ++other) {
      if (devices_[other].identity == one.identity) return false;
    }
  }
  return true;
}

Status Communicator::JoinIsland(Bootstrap* bootstrap, std::shared_ptr<const IslandLibrary> library,
                                Deadline deadline) {
  if (!MayBeIsland()) return Status();
  IslandLibrary::Id id{};
  std::string blob;
  if (rank_ == 0) {
    const device::Device::Current current(*device_);
    const int code = library->get_unique_id(&id);
    // Told by nothing at all: the ranks then do without.
    if (code == IslandLibrary::kSuccess) blob.assign(id.bytes, sizeof(id.bytes));
  }
  if (bootstrap != nullptr) {
    BASE_ASSIGN_OR_RETURN(const auto blobs, bootstrap->AllGather(blob));
    blob = blobs[0];
  }
  if (blob.size() != sizeof(id.bytes)) return Status();
  std::copy(blob.begin(), blob.end(), id.bytes);
  StartOptions start{
      .library = std::move(library), .device = device_, .id = id, .rank = rank_, .size = size_};
  // Half of what is left, so that there is time to agree on doing without.
  const auto now = Clock::now();
  start.deadline = now + (deadline - now) / 2;
  Status lost;
  if (bootstrap != nullptr) start.check = [&] { return lost = bootstrap->Check(); };
  auto island = Island::Join(std::move(start), staging_.get(), links_.get());
  // Without all ranks there is nothing to agree on.
  BASE_RETURN_IF_ERROR(lost);
  std::vector<std::string> failures = {island.status().message()};
  if (bootstrap != nullptr) {
    BASE_ASSIGN_OR_RETURN(failures, bootstrap->AllGather(failures[0]));
  }
  for (std::size_t rank = 0; rank < failures.size(); ++rank) {
    if (failures[rank].empty()) continue;
    base::Log(base::LogLevel::kWarning, "eccl", "devices talk through the host",
              {{"rank", std::to_string(rank)}, {"why", failures[rank]}});
    return Status();
  }
  island_ = *std::move(island);
  return Status();
}

base::Result<bool> Communicator::PlaceOf(const char* name, const void* address) const {
  return staging_ == nullptr ? base::Result<bool>(false) : staging_->OnDevice(name, address);
}

Status Communicator::SetStream(void* stream) {
  if (device_ == nullptr) {
    return Status(Code::kFailedPrecondition,
                  "this rank has no device (ecclConfig_t.device, ECCL_DEVICE), and so no stream");
  }
  staging_->SetStream(stream);
  return Status();
}

const char* Communicator::TransportName() const {
  const char* name = on_island_ ? island_->name() : links_->transport_name();
  if (staging_ == nullptr || !staging_->used()) return name;
  return LastingText(std::string(name) + "+staging");
}

}  // namespace regatta::eccl
