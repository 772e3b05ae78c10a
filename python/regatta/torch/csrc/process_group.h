#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "abi.h"
#include "comm.h"
#include "meeting.h"
#include "point_to_point.h"
#include "queue.h"
#include "tensors.h"

namespace regatta::c10d_eccl {

// torch.distributed's back end "eccl" on CPU tensors. Collectives run in the order of their calls
// (queue.h), messages beside them (point_to_point.h). A call checks its arguments at once
// (std::invalid_argument, in Python ValueError); what goes wrong later is thrown by its work's
// wait(), with libeccl's text: which rank, on which host, in which operation and which one of them.
// A group that has failed stays failed.
class ProcessGroupEccl : public Base {
 public:
  using Work = c10::intrusive_ptr<c10d::Work>;
  using Tensors = std::vector<at::Tensor>;
  using Lists = std::vector<Tensors>;

  // Returns when all ranks are there; throws after options.timeout, naming those that are not.
  ProcessGroupEccl(const c10::intrusive_ptr<Store>& store, int rank, int size,
                   const CommOptions& options);
  ~ProcessGroupEccl() override;

  const std::string getBackendName() const override { return "eccl"; }

  Work broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override;
  Work allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override;
  Work allreduce_coalesced(Tensors& tensors,
                           const c10d::AllreduceCoalescedOptions& options) override;
  Work allreduce_sparse(Tensors& tensors,
                        const c10d::AllreduceOptions& options) REGATTA_OVERRIDE_215;
  Work reduce(Tensors& tensors, const c10d::ReduceOptions& options) override;
  Work allgather(Lists& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) override;
  Work _allgather_base(at::Tensor& output, at::Tensor& input,
                       const c10d::AllgatherOptions& options) override;
  Work allgather_coalesced(Lists& outputs, Tensors& inputs,
                           const c10d::AllgatherOptions& options) override;
  Work allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                       const c10d::AllgatherOptions& options) REGATTA_OVERRIDE_215;
  Work gather(Lists& outputs, Tensors& inputs, const c10d::GatherOptions& options) override;
  Work gather_into_tensor(at::Tensor& output, at::Tensor& input,
                          const c10d::GatherOptions& options) REGATTA_OVERRIDE_215;
  Work scatter(Tensors& outputs, Lists& inputs, const c10d::ScatterOptions& options) override;
  Work reduce_scatter(Tensors& outputs, Lists& inputs,
                      const c10d::ReduceScatterOptions& options) override;
  Work _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                            const c10d::ReduceScatterOptions& options) override;
  Work reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                       const c10d::ReduceScatterOptions& options)
      REGATTA_OVERRIDE_215;
  Work alltoall_base(at::Tensor& output, at::Tensor& input,
                     std::vector<std::int64_t>& output_splits,
                     std::vector<std::int64_t>& input_splits,
                     const c10d::AllToAllOptions& options) override;
  Work alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& options) override;
  Work barrier(const c10d::BarrierOptions& options) override;
  void monitoredBarrier(const c10d::BarrierOptions& options, bool wait_all_ranks) override;

  Work send(Tensors& tensors, int to, int tag) override;
  Work recv(Tensors& tensors, int from, int tag) override;
  Work recvAnysource(Tensors& tensors, int tag) override;

  // Every group begins at 0, on all ranks.
  void setSequenceNumberForGroup() override {}
  // Collectives called so far.
  std::uint64_t getSequenceNumberForGroup() override;

#if REGATTA_TORCH >= 200
  bool supportsSplitting() const REGATTA_OVERRIDE_215 { return true; }
  bool supportsShrinking() const REGATTA_OVERRIDE_215 { return true; }
  bool supportsCoalescing() const REGATTA_OVERRIDE_215 { return true; }
  void startCoalescing() override;
  Work endCoalescing() override;
  c10::intrusive_ptr<Base::Options> getBackendOptions() REGATTA_OVERRIDE_215;
  c10::intrusive_ptr<Base> split(
      const c10::intrusive_ptr<Store>& store, const std::vector<int>& ranks,
      const c10::intrusive_ptr<Base::Options>& options) REGATTA_OVERRIDE_215;
  c10::intrusive_ptr<Base> merge(const c10::intrusive_ptr<Store>& store,
                                 const c10::intrusive_ptr<Base::Options>& options, const int& rank,
                                 const int& size) REGATTA_OVERRIDE_215;
  // Meets the others through the store, so it works when the communicator has failed.
  c10::intrusive_ptr<Base> shrink(const std::vector<std::int64_t>& excluded, int flags,
                                  const c10::intrusive_ptr<Base::Options>& options)
      REGATTA_OVERRIDE_215;
  void setTimeout(std::chrono::milliseconds timeout) REGATTA_OVERRIDE_215;
  // Of all calls so far.
  void waitForPendingWorks() REGATTA_OVERRIDE_215;
  // Every work knows its duration anyway.
  void enableCollectivesTiming() REGATTA_OVERRIDE_215 {}
  // Safe when the group has ended; calls in progress fail, here and on the other ranks.
  void abort() REGATTA_OVERRIDE_215;
  void shutdown() REGATTA_OVERRIDE_215 { Leave(); }
#if REGATTA_TORCH >= 215
  c10d::ErrorType getError() override;
#endif
#endif

 private:
  struct Operation {
    c10d::OpType type;
    const char* title;  // "eccl:all_reduce"
    Tensors inputs;
    Tensors outputs;
    std::chrono::milliseconds timeout;
    bool may_go_on;
  };
  using Body = std::function<void(Comm&)>;
  template <typename Options>
  static Operation Describe(c10d::OpType type, const char* title, Tensors inputs, Tensors outputs,
                            const Options& options) {
    return {type,
            title,
            std::move(inputs),
            std::move(outputs),
            options.timeout,
            MayGoOn<Options>::Of(options)};
  }
  Work Submit(Operation operation, Body body);
#if REGATTA_TORCH >= 200
  // A group of its own, met through `store`.
  c10::intrusive_ptr<Base> Derived(const c10::intrusive_ptr<Store>& store, int rank, int size,
                                   const c10::intrusive_ptr<Base::Options>& given);
#endif
  void CheckRoot(std::int64_t root, const char* call) const;
  PointToPoint* Messages();
  c10::intrusive_ptr<EcclWork> NewMessage(c10d::OpType type, const char* title,
                                          const Tensors& tensors, int peer);
  // In order, if that takes no longer than some seconds; else at once.
  void Leave();
  std::chrono::milliseconds OwnTimeout(std::chrono::milliseconds of_call) const;

  const c10::intrusive_ptr<Store> store_;
  std::mutex mutex_;
  CommOptions options_;  // the time-out guarded by mutex_
  std::shared_ptr<Comm> comm_;
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::shared_ptr<PointToPoint> messages_;  // from the first send or receive on
  std::uint64_t sequence_ = 0;              // these: guarded by mutex_
  std::uint64_t messages_sent_ = 0;
  std::uint64_t monitored_ = 0;
  std::uint64_t shrunk_ = 0;
  bool coalescing_ = false;
  bool left_ = false;
  std::vector<Work> coalesced_;
};

// Runs a function without Python's lock, if this thread holds it: what it waits for may need that.
// Set by the module.
extern void (*without_interpreter)(const std::function<void()>& function);

}  // namespace regatta::c10d_eccl
