#include "eccl/communicator.h"

#include <unistd.h>

#include <algorithm>

#include "base/fault.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sha256.h"
#include "eccl/ticks.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

constexpr auto kHubPatience = std::chrono::seconds(5);

// One part after the other, of so many elements each.
std::vector<Extent> Parts(std::span<const std::size_t> counts, std::size_t width) {
  std::vector<Extent> parts;
  parts.reserve(counts.size());
  std::size_t begin = 0;
  for (const std::size_t count : counts) {
    parts.push_back({begin, count * width});
    begin += count * width;
  }
  return parts;
}

std::vector<Extent> EqualParts(int parts, std::size_t count, std::size_t width) {
  return Parts(std::vector<std::size_t>(static_cast<std::size_t>(parts), count), width);
}

std::vector<Extent> Whole(std::size_t count, std::size_t width) { return {{0, count * width}}; }

// `count` elements in nearly equal parts.
std::vector<Extent> Shares(std::size_t count, int parts, std::size_t width) {
  const auto n = static_cast<std::size_t>(parts);
  std::vector<std::size_t> counts(n);
  for (std::size_t i = 0; i < n; ++i) counts[i] = count / n + (i < count % n ? 1 : 0);
  return Parts(counts, width);
}

// Only this rank's part, at the buffer's beginning.
std::vector<Extent> OnlyPart(int part, int parts, std::size_t bytes) {
  std::vector<Extent> extents(static_cast<std::size_t>(parts));
  extents[static_cast<std::size_t>(part)] = {0, bytes};
  return extents;
}

std::size_t Total(const std::vector<Extent>& parts) {
  std::size_t total = 0;
  for (const Extent& part : parts) total += part.bytes;
  return total;
}

}  // namespace

namespace {

DeviceInfo DeviceOf(const device::Device* device, const IslandLibrary* library) {
  if (device == nullptr) return {};
  DeviceInfo info{.name = device->name(), .identity = device->properties().uuid};
  if (library != nullptr) info.library = library->version;
  // A device that has no identity is known by its number, within its process.
  if (info.identity.empty()) info.identity = std::to_string(getpid()) + "/" + info.name;
  return info;
}

}  // namespace

Communicator::Communicator(int rank, int size, const Options& options)
    : rank_(rank),
      size_(size),
      options_(options),
      sent_(static_cast<std::size_t>(size)),
      received_(static_cast<std::size_t>(size)) {
  DurationOf(0);  // the rate is measured from now on
}

Communicator::~Communicator() {
  if (status_server_ != nullptr) status_server_->Remove(this);
}

base::Result<std::shared_ptr<Communicator>> Communicator::Join(int rank, int size,
                                                               const UniqueId& id,
                                                               base::UniqueFd listener,
                                                               const Options& options) {
  std::shared_ptr<Communicator> comm(new Communicator(rank, size, options));
  if (!options.device.empty()) {
    BASE_ASSIGN_OR_RETURN(comm->device_, device::Device::Open(options.device));
  }
  BASE_RETURN_IF_ERROR(comm->Connect(id, std::move(listener)));
  return comm;
}

Status Communicator::Connect(const UniqueId& id, base::UniqueFd listener) {
  Peers peers;
  std::unique_ptr<Bootstrap> bootstrap;
  std::shared_ptr<const IslandLibrary> library;
  const Deadline deadline = Clock::now() + options_.init_timeout;
  if (device_ != nullptr) {
    auto found = IslandLibraryOf(*device_);
    if (found.ok()) {
      library = *std::move(found);
    } else if (found.status().code() != Code::kNotFound) {
      base::Log(base::LogLevel::kInfo, "eccl", "devices talk through the host",
                {{"device", device_->name()}, {"why", found.status().message()}});
    }
  }
  if (size_ == 1) {
    peers.channels.resize(1);
    peers.names.push_back(MakeHello(Hello::kJoin, 0, 1).Describe());
    peers.devices = {DeviceOf(device_.get(), library.get())};
    peers.hosts = {{0}};
    peers.places = {{}};
  } else {
    const std::string key = options_.job_token + "\n" + id.secret;
    const std::vector<Interface> interfaces = InterfacesOfThisHost();
    BASE_ASSIGN_OR_RETURN(const std::vector<Interface> wanted,
                          options_.interfaces.Choose(interfaces));
    // Who names interfaces wants the others left alone.
    std::string host = options_.host;
    if (host.empty() && options_.interfaces.given()) host = wanted.front().address;
    BASE_ASSIGN_OR_RETURN(bootstrap, Bootstrap::Join({.rank = rank_,
                                                      .size = size_,
                                                      .host = id.host,
                                                      .port = id.port,
                                                      .key = key,
                                                      .deadline = deadline,
                                                      .listener = std::move(listener)}));
    const PeerOptions peer_options{.rank = rank_,
                                   .size = size_,
                                   .transport = options_.transport,
                                   .host_id = options_.host_id,
                                   .host = host,
                                   .key = key,
                                   .ring_bytes = options_.ring_bytes,
                                   .interfaces = interfaces,
                                   .rail_interfaces = wanted,
                                   .sockets_per_rail = options_.sockets_per_rail,
                                   .device = DeviceOf(device_.get(), library.get()),
                                   .settings = options_.Choices(),
                                   .deadline = deadline};
    BASE_ASSIGN_OR_RETURN(peers, ConnectPeers(bootstrap.get(), &waiter_, peer_options));
    regroup_key_ = Hmac(key, "regroup" + bootstrap->nonce());
    name_ = base::ToHex(Hmac(regroup_key_, "name")).substr(0, 12);
  }
  listener_ = std::move(peers.listener);
  places_ = std::move(peers.places);
  devices_ = std::move(peers.devices);
  health_ = std::make_unique<Health>(rank_, std::move(peers.names), [this] {
    waiter_.Wake();
    if (health_->failed()) RecordFailure();
  });
  links_ = std::make_unique<Links>(rank_, std::move(peers.channels), &waiter_, health_.get(),
                                   options_.timeout);
  selector_ = std::make_unique<Selector>(rank_, size_, std::move(peers.hosts), options_.algorithm,
                                         options_.exact);
  executor_ = std::make_unique<Executor>(links_.get());
  if (std::ranges::any_of(devices_, [](const DeviceInfo& one) { return !one.name.empty(); })) {
    staging_ = std::make_unique<Staging>(device_, links_.get());
    BASE_RETURN_IF_ERROR(JoinIsland(bootstrap.get(), std::move(library), deadline));
  }
  if (Flat::Usable(peers.segments.size()) && options_.algorithm.empty()) {
    flat_ = std::make_unique<Flat>(links_.get(), std::move(peers.segments));
  }
  if (name_.empty()) name_ = base::RandomHex(6);
  status_server_ = StatusServer::OfThisProcess();
  if (status_server_ != nullptr) status_server_->Add(this);
  if (bootstrap) {
    monitor_ = std::make_unique<Monitor>(health_.get(), bootstrap->TakeSockets(),
                                         [this] { links_->Maintain(); });
  }
  return Status();
}

Status Communicator::state() const { return health_->failed() ? health_->failure() : Status(); }

ecclOpInfo_t Communicator::last_op() const {
  const std::lock_guard lock(last_mutex_);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(DurationOf(last_.ticks));
  return {.sequence = last_.sequence,
          .operation = last_.operation,
          .algorithm = last_.algorithm,
          .transport = last_.transport,
          .microseconds = took.count(),
          .reason = last_.why};
}

void Communicator::Leave() {
  queue_.Close();
  const std::lock_guard lock(call_mutex_);
  if (monitor_) monitor_->Goodbye(kHubPatience);
}

void Communicator::Abort() {
  const Status why(Code::kCancelled, "it called ecclCommAbort");
  if (!health_->Fail(Status(Code::kCancelled, "ecclCommAbort was called on this rank"))) return;
  if (monitor_) {
    monitor_->ReportFailure(why);
    monitor_->Goodbye(std::chrono::milliseconds(0));
  }
}

Status Communicator::Collective(Call call) {
  const std::lock_guard lock(call_mutex_);
  const std::uint64_t start = Ticks();
  OpDescriptor& descriptor = call.descriptor;
  descriptor.sequence = ++sequence_;
  if (health_->failed()) return Finish(descriptor, health_->failure(), start);
  health_->Enter(descriptor);
  REGATTA_FAULT("eccl.collective.enter");
  on_island_ = false;
  const base::Result<Made> made = [&]() -> base::Result<Made> {
    if (staging_ == nullptr) return RunOnHost(&call);
    if (island_ == nullptr || !island_->Takes(call)) return RunInPieces(call);
    staging_->Begin();
    on_island_ = true;
    BASE_RETURN_IF_ERROR(island_->Run(call));
    return Made{.algorithm = island_->name(), .why = "island", .ticks = Ticks() - start};
  }();
  if (!made.ok()) return Finish(descriptor, made.status(), start);
  return Finish(descriptor, made->algorithm, Ticks() - made->ticks, made->why);
}

base::Result<Communicator::Made> Communicator::RunOnHost(Call* call) {
  const std::uint64_t start = Ticks();
  const OpDescriptor& descriptor = call->descriptor;
  const std::size_t bytes = std::max(Total(call->input_parts), Total(call->output_parts));
  const Selector::Choice choice =
      selector_->Choose(descriptor.kind, static_cast<int>(descriptor.root), bytes);
  const Plan& plan = *choice.plan;
  if (descriptor.kind == OpKind::kAllReduce) {
    // Only now it is known into how many parts.
    const std::size_t width = SizeOf(descriptor.type);
    for (auto* parts : {&call->input_parts, &call->output_parts}) {
      const Extent whole = parts->front();
      *parts = Shares(whole.bytes / width, plan.program.parts, width);
      for (Extent& part : *parts) part.begin += whole.begin;
    }
  }
  BASE_RETURN_IF_ERROR(executor_->Run(plan, *call));
  const std::uint64_t took = Ticks() - start;
  if (choice.timed) BASE_RETURN_IF_ERROR(Learn(descriptor, took));
  return Made{.algorithm = plan.program.algorithm, .why = choice.why, .ticks = took};
}

template <typename Run>
Status Communicator::Small(OpDescriptor descriptor, const SmallBuffers& buffers, Run run) {
  const std::lock_guard lock(call_mutex_);
  const std::uint64_t start = Ticks();
  descriptor.sequence = ++sequence_;
  if (health_->failed()) return Finish(descriptor, health_->failure(), start);
  health_->Enter(descriptor);
  REGATTA_FAULT("eccl.collective.enter");
  on_island_ = false;
  Status status;
  if (staging_ == nullptr) {
    status = run(*flat_, descriptor, buffers.input, buffers.output);
  } else {
    staging_->Begin();
    status = staging_->RunOnWhole(buffers.input, buffers.input_bytes, buffers.output,
                                  buffers.output_bytes, buffers.places,
                                  [&](const std::byte* input, std::byte* output) {
                                    return run(*flat_, descriptor, input, output);
                                  });
  }
  if (!status.ok()) return Finish(descriptor, status, start);
  return Finish(descriptor, "flat", start, "size");
}

Status Communicator::Finish(const OpDescriptor& descriptor, const base::Result<const char*>& result,
                            std::uint64_t start, const char* why) {
  if (result.ok()) {
    health_->Leave(*result);
    const std::lock_guard lock(last_mutex_);
    last_ = {.sequence = descriptor.sequence,
             .operation = NameOf(descriptor.kind),
             .algorithm = *result,
             .transport = TransportName(),
             .why = why,
             .ticks = Ticks() - start};
    return Status();
  }
  // Programs tend to end right after an error.
  if (health_->failed()) RecordFailure();
  const std::string call = descriptor.ToString() + " on rank " + std::to_string(rank_);
  const Status& failure = result.status();
  const Status told(failure.code(), call + ": " + failure.message());
  // Only the first reason is news to the others: what came from them, they know.
  if (health_->Fail(failure) && monitor_) monitor_->ReportFailure(told);
  return told;
}

Status Communicator::AllReduce(const void* send, void* receive, std::size_t count,
                               ecclDataType_t type, ecclRedOp_t op, const Places& places) {
  const OpDescriptor descriptor{.kind = OpKind::kAllReduce, .type = type, .op = op, .count = count};
  const auto* input = static_cast<const std::byte*>(send);
  auto* output = static_cast<std::byte*>(receive);
  if (IsSmall(count * SizeOf(type))) {
    const std::size_t bytes = count * SizeOf(type);
    return Small(descriptor, {input, bytes, output, bytes, places},
                 [](Flat& flat, const OpDescriptor& call, const std::byte* in, std::byte* out) {
                   return flat.AllReduce(call, in, out);
                 });
  }
  const std::vector<Extent> whole = Whole(count, SizeOf(type));
  return Collective({.descriptor = descriptor,
                     .input = input,
                     .output = output,
                     .input_parts = whole,
                     .output_parts = whole,
                     .places = places});
}

Status Communicator::AllGather(const void* send, void* receive, std::span<const std::size_t> counts,
                               ecclDataType_t type, const Places& places) {
  const std::vector<Extent> parts = Parts(counts, SizeOf(type));
  const std::size_t own = parts[static_cast<std::size_t>(rank_)].bytes;
  const OpDescriptor descriptor{
      .kind = OpKind::kAllGather, .type = type, .count = Total(parts) / SizeOf(type)};
  const auto* input = static_cast<const std::byte*>(send);
  auto* output = static_cast<std::byte*>(receive);
  if (IsSmall(std::ranges::max(parts, {}, &Extent::bytes).bytes)) {
    return Small(descriptor, {input, own, output, Total(parts), places},
                 [&](Flat& flat, const OpDescriptor& call, const std::byte* in, std::byte* out) {
                   return flat.AllGather(call, in, out, parts);
                 });
  }
  return Collective({.descriptor = descriptor,
                     .input = input,
                     .output = output,
                     .input_parts = OnlyPart(rank_, size_, own),
                     .output_parts = parts,
                     .places = places});
}

Status Communicator::ReduceScatter(const void* send, void* receive, std::size_t count,
                                   ecclDataType_t type, ecclRedOp_t op, const Places& places) {
  const std::size_t width = SizeOf(type);
  const OpDescriptor descriptor{
      .kind = OpKind::kReduceScatter, .type = type, .op = op, .count = count};
  const auto* input = static_cast<const std::byte*>(send);
  auto* output = static_cast<std::byte*>(receive);
  if (IsSmall(count * width * static_cast<std::size_t>(size_))) {
    const std::size_t bytes = count * width;
    return Small(descriptor,
                 {input, bytes * static_cast<std::size_t>(size_), output, bytes, places},
                 [](Flat& flat, const OpDescriptor& call, const std::byte* in, std::byte* out) {
                   return flat.ReduceScatter(call, in, out);
                 });
  }
  return Collective({.descriptor = descriptor,
                     .input = input,
                     .output = output,
                     .input_parts = EqualParts(size_, count, width),
                     .output_parts = OnlyPart(rank_, size_, count * width),
                     .places = places});
}

Status Communicator::Broadcast(const void* send, void* receive, std::size_t count,
                               ecclDataType_t type, int root, const Places& places) {
  const std::vector<Extent> whole = Whole(count, SizeOf(type));
  return Collective({.descriptor = {.kind = OpKind::kBroadcast,
                                    .type = type,
                                    .root = static_cast<std::uint32_t>(root),
                                    .count = count},
                     .input = static_cast<const std::byte*>(send),
                     .output = static_cast<std::byte*>(receive),
                     .input_parts = whole,
                     .output_parts = whole,
                     .places = places});
}

Status Communicator::Reduce(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                            ecclRedOp_t op, int root, const Places& places) {
  const std::vector<Extent> whole = Whole(count, SizeOf(type));
  return Collective({.descriptor = {.kind = OpKind::kReduce,
                                    .type = type,
                                    .op = op,
                                    .root = static_cast<std::uint32_t>(root),
                                    .count = count},
                     .input = static_cast<const std::byte*>(send),
                     .output = static_cast<std::byte*>(receive),
                     .input_parts = whole,
                     .output_parts = whole,
                     .places = places});
}

Status Communicator::Gather(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                            int root, const Places& places) {
  const std::size_t width = SizeOf(type);
  return Collective({.descriptor = {.kind = OpKind::kGather,
                                    .type = type,
                                    .root = static_cast<std::uint32_t>(root),
                                    .count = count},
                     .input = static_cast<const std::byte*>(send),
                     .output = static_cast<std::byte*>(receive),
                     .input_parts = OnlyPart(rank_, size_, count * width),
                     .output_parts = EqualParts(size_, count, width),
                     .places = places});
}

Status Communicator::Scatter(const void* send, void* receive, std::size_t count,
                             ecclDataType_t type, int root, const Places& places) {
  const std::size_t width = SizeOf(type);
  return Collective({.descriptor = {.kind = OpKind::kScatter,
                                    .type = type,
                                    .root = static_cast<std::uint32_t>(root),
                                    .count = count},
                     .input = static_cast<const std::byte*>(send),
                     .output = static_cast<std::byte*>(receive),
                     .input_parts = EqualParts(size_, count, width),
                     .output_parts = OnlyPart(rank_, size_, count * width),
                     .places = places});
}

Status Communicator::AllToAll(const void* send, std::span<const std::size_t> send_counts,
                              void* receive, std::span<const std::size_t> receive_counts,
                              ecclDataType_t type, const Places& places) {
  Call call{.descriptor = {.kind = OpKind::kAllToAll, .type = type},
            .input = static_cast<const std::byte*>(send),
            .output = static_cast<std::byte*>(receive),
            .input_parts = Parts(send_counts, SizeOf(type)),
            .output_parts = Parts(receive_counts, SizeOf(type)),
            .places = places};
  std::vector<std::byte> copy;
  bool on_device = false;
  if (staging_ != nullptr) {
    BASE_ASSIGN_OR_RETURN(on_device, staging_->OnDevice("sendbuff", send, places.input));
  }
  if (send == receive && !on_device) {
    copy.assign(call.input, call.input + Total(call.input_parts));
    call.input = copy.data();
  }
  return Collective(std::move(call));
}

Status Communicator::Barrier() {
  const OpDescriptor descriptor{.kind = OpKind::kBarrier, .type = ecclUint8};
  if (IsSmall(0)) {
    return Small(descriptor, {},
                 [](Flat& flat, const OpDescriptor& call, const std::byte*, std::byte*) {
                   return flat.Barrier(call);
                 });
  }
  return Collective({.descriptor = descriptor, .input_parts = {{}}, .output_parts = {{}}});
}

}  // namespace regatta::eccl
