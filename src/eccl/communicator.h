#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/call_queue.h"
#include "eccl/executor.h"
#include "eccl/flat.h"
#include "eccl/islands/island.h"
#include "eccl/links.h"
#include "eccl/monitor.h"
#include "eccl/options.h"
#include "eccl/peers.h"
#include "eccl/select.h"
#include "eccl/staging.h"
#include "eccl/status_server.h"
#include "eccl/types.h"

namespace regatta::eccl {

class Compressor;

// One message to or from a peer; its other end has to name the same count and type.
struct Transfer {
  bool sending = false;
  int peer = 0;
  const std::byte* from = nullptr;  // when sending
  std::byte* to = nullptr;          // when not
  std::size_t count = 0;
  ecclDataType_t type = ecclUint8;
};

// One rank's end of a communicator: the meeting, the connections, the monitor, and the collectives
// over them. Thread-safe; collectives run one at a time. Arguments have been checked by
// api/calls.cc.
class Communicator {
 public:
  // Joins. `listener` may hold a socket that already listens (rank 0 after ecclGetUniqueId).
  static base::Result<std::shared_ptr<Communicator>> Join(int rank, int size, const UniqueId& id,
                                                          base::UniqueFd listener,
                                                          const Options& options);
  ~Communicator();

  int rank() const { return rank_; }
  int size() const { return size_; }
  base::Status state() const;
  ecclOpInfo_t last_op() const;

  // `places`: as far as PlaceOf has been asked.
  base::Status AllReduce(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                         ecclRedOp_t op, const Places& places = {});
  // The same, in the compressor's format; compressed.cc.
  base::Status AllReduceCompressed(const void* send, void* receive, std::size_t count,
                                   ecclDataType_t type, ecclRedOp_t op, Compressor* compressor,
                                   const Places& places = {});
  base::Status AllGather(const void* send, void* receive, std::span<const std::size_t> counts,
                         ecclDataType_t type, const Places& places = {});
  base::Status ReduceScatter(const void* send, void* receive, std::size_t count,
                             ecclDataType_t type, ecclRedOp_t op, const Places& places = {});
  base::Status Reduce(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                      ecclRedOp_t op, int root, const Places& places = {});
  base::Status Gather(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                      int root, const Places& places = {});
  base::Status Scatter(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                       int root, const Places& places = {});
  base::Status Broadcast(const void* send, void* receive, std::size_t count, ecclDataType_t type,
                         int root, const Places& places = {});
  base::Status AllToAll(const void* send, std::span<const std::size_t> send_counts, void* receive,
                        std::span<const std::size_t> receive_counts, ecclDataType_t type,
                        const Places& places = {});
  base::Status Barrier();
  // All at the same time; those to one peer, and those from one, in the order of the list. On
  // failure `failed` is the place in it that the failure is of. messages.cc.
  base::Status Exchange(std::span<const Transfer> transfers, std::size_t* failed);

  // --- regroup.cc: communicators of some of these ranks, which meet where one of them listens ---
  // A collective: one communicator for each `color` (null for -1), its ranks in the order of `key`,
  // then of their ranks here.
  base::Result<std::shared_ptr<Communicator>> Split(int color, int key, const Options* options);
  // By the ranks that are not in `excluded` (the same list on all of them), in their order here.
  // Says nothing over this communicator, which may have failed.
  base::Result<std::shared_ptr<Communicator>> Shrink(std::vector<int> excluded,
                                                     const Options* options);
  // Makes an id where this rank can be reached from its peers' hosts, and the listener for it.
  base::Result<UniqueId> MakeId(base::UniqueFd* listener) const;
  // Ranks whose processes are gone, as far as this rank has heard.
  std::vector<int> Gone() const { return health_->Gone(); }

  // JSON of what it is, does and waits for, with its `calls` latest calls; the form is in
  // docs/formats/eccl-status.md. Any thread; waits for nobody.
  std::string Describe(std::size_t calls) const;

  // Any thread. Whether memory is this rank's device's; kInvalidArgument, with `name`, when it is
  // another one's.
  base::Result<bool> PlaceOf(const char* name, const void* address) const;
  // The vendor's handle of the stream behind whose work calls begin. kFailedPrecondition without a
  // device.
  base::Status SetStream(void* stream);
  // Any thread; from now on, also for a call in progress.
  void SetTimeout(std::chrono::milliseconds timeout) { links_->SetTimeout(timeout); }
  // Calls that were submitted; one that is made while it is not idle belongs behind them.
  CallQueue& queue() { return queue_; }
  // Leaves in order; waits first for calls that were submitted, and for one in progress.
  void Leave();
  // Any thread, any time: the call in progress ends with kCancelled.
  void Abort();

 private:
  Communicator(int rank, int size, const Options& options);
  base::Status Connect(const UniqueId& id, base::UniqueFd listener);
  // `members`: ranks here, by rank there. `purpose` is the same on all of them, and on no others.
  base::Result<std::shared_ptr<Communicator>> Regroup(const std::vector<int>& members,
                                                      const std::string& purpose,
                                                      const Options* options) const;
  // Runs one collective: gives it its number, picks a plan, runs it, and decides what a failure
  // means for the communicator.
  base::Status Collective(Call call);
  // The same for a call so small that a program is not worth it: `run(flat, descriptor, input,
  // output)` does it, with buffers on the host.
  struct SmallBuffers {
    const std::byte* input = nullptr;
    std::size_t input_bytes = 0;
    std::byte* output = nullptr;
    std::size_t output_bytes = 0;
    Places places{};
  };
  template <typename Run>
  base::Status Small(OpDescriptor descriptor, const SmallBuffers& buffers, Run run);
  // How a call, or a piece of one, was made.
  struct Made {
    const char* algorithm = "";
    const char* why = "";
    std::uint64_t ticks = 0;  // without what the tuner did behind it
  };
  base::Result<Made> RunOnHost(Call* call);
  // staged.cc: in pieces, because some rank's values are on a device.
  base::Result<Made> RunInPieces(const Call& call);
  // In how many; the same on all ranks.
  base::Result<Staging::Cut> CutOf(const Call& call);
  const char* TransportName() const;
  // staged.cc: makes the island, when all ranks can be in one; a part of the meeting.
  base::Status JoinIsland(Bootstrap* bootstrap, std::shared_ptr<const IslandLibrary> library,
                          Deadline deadline);
  bool MayBeIsland() const;
  bool on_island_ = false;  // the call in progress
  bool IsSmall(std::size_t bytes) const {
    return flat_ != nullptr && flat_->Fits(bytes) && (island_ == nullptr || bytes == 0);
  }
  base::Status Finish(const OpDescriptor& descriptor, const base::Result<const char*>& result,
                      std::uint64_t start, const char* why = "only one");
  // tuning.cc: what the tuner wants done at the end of a call that took `ticks`.
  base::Status Learn(const OpDescriptor& call, std::uint64_t ticks);
  base::Status Probe(const OpDescriptor& call);
  // The time of one round in which this rank sends to `to` and receives from `from`.
  base::Result<LinkCost> ProbeRing(int to, int from);
  // `call`: what the ranks agree to be in.
  base::Status AllReduceDoubles(const OpDescriptor& call, std::span<double> values, ecclRedOp_t op,
                                OpKind kind = OpKind::kAllReduce);

  // Of the first failure, where the options want it. Over when it returns.
  void RecordFailure();
  void WriteFlightRecord() const;

  const int rank_;
  const int size_;
  const Options options_;
  Waiter waiter_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<Selector> selector_;
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<const device::Device> device_;  // null: values are in host memory
  std::vector<DeviceInfo> devices_;               // by rank
  std::unique_ptr<Staging> staging_;              // null unless some rank has a device
  std::unique_ptr<Island> island_;  // of all ranks; null unless each has a device of its own
  std::unique_ptr<Flat>
      flat_;  // null where not all ranks share memory, or another way is asked for
  base::UniqueFd listener_;
  std::vector<MeetingPlace> places_;  // by rank
  std::string name_;                  // the same on all of its ranks
  std::string regroup_key_;           // known to these ranks only
  std::atomic<std::uint64_t> splits_{0};
  std::mutex call_mutex_;  // held during a collective
  std::shared_ptr<StatusServer> status_server_;
  std::once_flag recorded_;
  std::uint64_t sequence_ = 0;
  std::unique_ptr<Plan>
      doubling_;  // how the ranks agree on measurements; null before the first time
  std::vector<std::uint64_t> sent_;  // send/receive sequence numbers, by peer
  std::vector<std::uint64_t> received_;
  struct LastOp {
    std::uint64_t sequence = 0;
    const char* operation = "none";
    const char* algorithm = "none";
    const char* transport = "none";
    const char* why = "only one";
    std::uint64_t ticks = 0;
  };
  mutable std::mutex last_mutex_;
  LastOp last_;
  CallQueue queue_;  // the last member, so that its calls end before what they use
};

}  // namespace regatta::eccl
