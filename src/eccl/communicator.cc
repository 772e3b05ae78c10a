#include "eccl/communicator.h"

#include <cstring>

#include "base/fault.h"
#include "eccl/peers.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// Below this a tree's few steps win over a ring's little traffic.
constexpr std::size_t kTreeBytes = 16u << 10;
constexpr auto kHubPatience = std::chrono::seconds(5);

std::vector<std::size_t> Offsets(std::span<const std::size_t> counts, std::size_t width) {
  std::vector<std::size_t> offsets{0};
  for (const std::size_t count : counts) offsets.push_back(offsets.back() + count * width);
  return offsets;
}

void Copy(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0 && to != from) std::memcpy(to, from, bytes);
}

Status Mismatch(const Health& health, int other, const std::string& theirs,
                const std::string& mine) {
  return Status(Code::kAborted, "the ranks call different things: " + health.NameOf(other) +
                                    " calls " + theirs + ", " + health.NameOf(health.rank()) +
                                    " calls " + mine);
}

}  // namespace

Communicator::Communicator(int rank, int size, const Options& options)
    : rank_(rank),
      size_(size),
      options_(options),
      sent_(static_cast<std::size_t>(size)),
      received_(static_cast<std::size_t>(size)) {
  last_.operation = last_.algorithm = last_.transport = "none";
}

Communicator::~Communicator() = default;

base::Result<std::shared_ptr<Communicator>> Communicator::Join(int rank, int size,
                                                               const UniqueId& id,
                                                               base::UniqueFd listener,
                                                               const Options& options) {
  std::shared_ptr<Communicator> comm(new Communicator(rank, size, options));
  BASE_RETURN_IF_ERROR(comm->Connect(id, std::move(listener)));
  return comm;
}

Status Communicator::Connect(const UniqueId& id, base::UniqueFd listener) {
  Peers peers;
  std::unique_ptr<Bootstrap> bootstrap;
  if (size_ == 1) {
    peers.channels.resize(1);
    peers.names.push_back(MakeHello(Hello::kJoin, 0, 1).Describe());
  } else {
    const std::string key = options_.job_token + "\n" + id.secret;
    const Deadline deadline = Clock::now() + options_.init_timeout;
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
                                   .host = options_.host,
                                   .key = key,
                                   .ring_bytes = options_.ring_bytes,
                                   .deadline = deadline};
    BASE_ASSIGN_OR_RETURN(peers, ConnectPeers(bootstrap.get(), &waiter_, peer_options));
  }
  health_ = std::make_unique<Health>(rank_, std::move(peers.names), [this] { waiter_.Wake(); });
  links_ = std::make_unique<Links>(rank_, std::move(peers.channels), &waiter_, health_.get(),
                                   options_.timeout);
  if (bootstrap) monitor_ = std::make_unique<Monitor>(health_.get(), bootstrap->TakeSockets());
  return Status();
}

Status Communicator::state() const { return health_->failed() ? health_->failure() : Status(); }

ecclOpInfo_t Communicator::last_op() const {
  const std::lock_guard lock(last_mutex_);
  return last_;
}

void Communicator::Leave() {
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

// Neighbours in the ring compare: when not all ranks agree, some pair of neighbours does not, and
// whoever sees it tells the others through the monitor.
Status Communicator::Agree(const OpDescriptor& mine) {
  std::byte out[OpDescriptor::kWireBytes];
  std::byte in[OpDescriptor::kWireBytes];
  mine.Encode(out);
  BASE_RETURN_IF_ERROR(links_->Exchange(links_->Right(), out, links_->Left(), in));
  OpDescriptor theirs;
  if (!OpDescriptor::Decode(in, &theirs)) {
    return Mismatch(*health_, links_->Left(), "something that sent other bytes", mine.ToString());
  }
  if (theirs != mine) {
    return Mismatch(*health_, links_->Left(), theirs.ToString(), mine.ToString());
  }
  return Status();
}

Status Communicator::Collective(OpDescriptor descriptor, const Steps& steps) {
  const std::lock_guard lock(call_mutex_);
  const auto start = Clock::now();
  descriptor.sequence = ++sequence_;
  if (health_->failed()) return Finish(descriptor, health_->failure(), start);
  health_->Enter(descriptor.sequence);
  REGATTA_FAULT("eccl.collective.enter");
  Status agreed;
  if (size_ > 1) agreed = Agree(descriptor);
  REGATTA_FAULT("eccl.collective.agreed");
  if (!agreed.ok()) return Finish(descriptor, agreed, start);
  return Finish(descriptor, steps(links_.get()), start);
}

Status Communicator::Finish(const OpDescriptor& descriptor, const base::Result<const char*>& result,
                            Clock::time_point start) {
  if (result.ok()) {
    health_->Leave();
    const std::lock_guard lock(last_mutex_);
    last_.sequence = descriptor.sequence;
    last_.operation = NameOf(descriptor.kind);
    last_.algorithm = *result;
    last_.transport = links_->transport_name();
    last_.microseconds =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
    return Status();
  }
  const std::string call = descriptor.ToString() + " on rank " + std::to_string(rank_);
  const Status& why = result.status();
  // Only the first reason is news to the others: what came from them, they know.
  if (health_->Fail(why) && monitor_)
    monitor_->ReportFailure(Status(why.code(), call + ": " + why.message()));
  return Status(why.code(), call + ": " + why.message());
}

Status Communicator::AllReduce(const void* send, void* receive, std::size_t count,
                               ecclDataType_t type, ecclRedOp_t op) {
  return Collective(
      {.kind = OpKind::kAllReduce, .type = type, .op = op, .count = count},
      [&](Links* links) -> base::Result<const char*> {
        Copy(receive, send, count * SizeOf(type));
        if (size_ == 1) return "direct";
        const ReduceArgs args{static_cast<std::byte*>(receive), count, type, op};
        const bool tree = options_.algorithm == AlgorithmChoice::kAuto
                              ? count * SizeOf(type) <= kTreeBytes
                              : options_.algorithm == AlgorithmChoice::kTree;
        BASE_RETURN_IF_ERROR(tree ? TreeAllReduce(links, args) : RingAllReduce(links, args));
        return tree ? "tree" : "ring";
      });
}

Status Communicator::AllGather(const void* send, void* receive, std::span<const std::size_t> counts,
                               ecclDataType_t type) {
  const std::vector<std::size_t> offsets = Offsets(counts, SizeOf(type));
  const std::size_t own = offsets[static_cast<std::size_t>(rank_)];
  auto* data = static_cast<std::byte*>(receive);
  return Collective(
      {.kind = OpKind::kAllGather, .type = type, .count = offsets.back() / SizeOf(type)},
      [&](Links* links) -> base::Result<const char*> {
        if (offsets.back() == 0) return "ring";
        Copy(data + own, send, offsets[static_cast<std::size_t>(rank_) + 1] - own);
        BASE_RETURN_IF_ERROR(RingAllGather(links, data, offsets));
        return "ring";
      });
}

Status Communicator::ReduceScatter(const void* send, void* receive, std::size_t count,
                                   ecclDataType_t type, ecclRedOp_t op) {
  return Collective(
      {.kind = OpKind::kReduceScatter, .type = type, .op = op, .count = count},
      [&](Links* links) -> base::Result<const char*> {
        BASE_RETURN_IF_ERROR(RingReduceScatter(links, static_cast<const std::byte*>(send),
                                               static_cast<std::byte*>(receive), count, type, op));
        return "ring";
      });
}

Status Communicator::Broadcast(const void* send, void* receive, std::size_t count,
                               ecclDataType_t type, int root) {
  return Collective({.kind = OpKind::kBroadcast,
                     .type = type,
                     .root = static_cast<std::uint32_t>(root),
                     .count = count},
                    [&](Links* links) -> base::Result<const char*> {
                      const std::size_t bytes = count * SizeOf(type);
                      if (rank_ == root) Copy(receive, send, bytes);
                      BASE_RETURN_IF_ERROR(
                          BinomialBroadcast(links, static_cast<std::byte*>(receive), bytes, root));
                      return "binomial";
                    });
}

Status Communicator::AllToAll(const void* send, std::span<const std::size_t> send_counts,
                              void* receive, std::span<const std::size_t> receive_counts,
                              ecclDataType_t type) {
  const std::vector<std::size_t> out = Offsets(send_counts, SizeOf(type));
  const std::vector<std::size_t> in = Offsets(receive_counts, SizeOf(type));
  // Counts may differ from rank to rank; each pair compares its own in PairwiseAllToAll.
  return Collective({.kind = OpKind::kAllToAll, .type = type},
                    [&](Links* links) -> base::Result<const char*> {
                      std::vector<std::byte> copy;
                      const auto* from = static_cast<const std::byte*>(send);
                      if (send == receive && out.back() != 0) {
                        copy.assign(from, from + out.back());
                        from = copy.data();
                      }
                      BASE_RETURN_IF_ERROR(
                          PairwiseAllToAll(links, from, out, static_cast<std::byte*>(receive), in));
                      return "pairwise";
                    });
}

Status Communicator::Barrier() {
  return Collective({.kind = OpKind::kBarrier}, [](Links* links) -> base::Result<const char*> {
    BASE_RETURN_IF_ERROR(DisseminationBarrier(links));
    return "dissemination";
  });
}

Status Communicator::SendReceive(const void* send, Message out, void* receive, Message in,
                                 ecclDataType_t type) {
  const std::lock_guard lock(call_mutex_);
  const auto start = Clock::now();
  OpDescriptor sending{.kind = OpKind::kSendRecv, .type = type, .count = out.count};
  OpDescriptor receiving{.kind = OpKind::kSendRecv, .type = type, .count = in.count};
  if (out.peer >= 0) sending.sequence = ++sent_[static_cast<std::size_t>(out.peer)];
  if (in.peer >= 0) receiving.sequence = ++received_[static_cast<std::size_t>(in.peer)];
  const OpDescriptor& shown = out.peer >= 0 ? sending : receiving;
  if (health_->failed()) return Finish(shown, health_->failure(), start);
  const std::size_t width = SizeOf(type);
  const int to = out.peer >= 0 ? out.peer : in.peer;
  const int from = in.peer >= 0 ? in.peer : out.peer;

  const auto run = [&]() -> base::Result<const char*> {
    std::byte out_wire[OpDescriptor::kWireBytes];
    std::byte in_wire[OpDescriptor::kWireBytes];
    sending.Encode(out_wire);
    std::span<const std::byte> out_head(out_wire);
    std::span<std::byte> in_head(in_wire);
    BASE_RETURN_IF_ERROR(links_->Exchange(to, out_head.first(out.peer >= 0 ? out_head.size() : 0),
                                          from, in_head.first(in.peer >= 0 ? in_head.size() : 0)));
    OpDescriptor theirs;
    if (in.peer >= 0 && (!OpDescriptor::Decode(in_wire, &theirs) || theirs != receiving)) {
      return Mismatch(*health_, in.peer, theirs.ToString(), receiving.ToString());
    }
    BASE_RETURN_IF_ERROR(links_->Exchange(
        to, {static_cast<const std::byte*>(send), out.peer >= 0 ? out.count * width : 0}, from,
        {static_cast<std::byte*>(receive), in.peer >= 0 ? in.count * width : 0}));
    return "direct";
  };
  return Finish(shown, run(), start);
}

}  // namespace regatta::eccl
