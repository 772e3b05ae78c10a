// The process group's life: how it begins and ends, its order of calls, its barriers and messages.

#include "process_group.h"

#include <algorithm>
#include <stdexcept>

namespace regatta::c10d_eccl {
namespace {

using namespace std::chrono_literals;

// What was called and not waited for is given this long when the group ends.
constexpr std::chrono::milliseconds kLeavePatience = 10s;

c10::intrusive_ptr<Store> OwnConnection(const c10::intrusive_ptr<Store>& store) {
#if REGATTA_TORCH >= 215
  return store->clone();
#else
  return store;
#endif
}

}  // namespace

void (*without_interpreter)(const std::function<void()>& function) =
    [](const std::function<void()>& function) { function(); };

ProcessGroupEccl::ProcessGroupEccl(const c10::intrusive_ptr<Store>& store, int rank, int size,
                                   const CommOptions& options)
    : Base(rank, size), store_(store), options_(options) {
  Introduce(store_.get(), rank);
  comm_ = Meet(store_.get(), "eccl", rank, size, options_);
  init();
}

ProcessGroupEccl::~ProcessGroupEccl() {
  without_interpreter([this] { Leave(); });
}

void ProcessGroupEccl::Leave() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (left_) return;
    left_ = true;
  }
  if (!queue_->Drain(kLeavePatience)) comm_->Abort();
  queue_->Stop();
  if (messages_) messages_->Stop(kLeavePatience);
  const std::lock_guard<std::mutex> lock(mutex_);
  comm_.reset();
}

std::chrono::milliseconds ProcessGroupEccl::OwnTimeout(std::chrono::milliseconds of_call) const {
  return of_call > 0ms ? of_call : options_.timeout;
}

ProcessGroupEccl::Work ProcessGroupEccl::Submit(Operation operation, Body body) {
  c10::intrusive_ptr<EcclWork> work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (left_) Fail("rank " + std::to_string(getRank()) + " has shut this process group down");
    const auto timeout = OwnTimeout(operation.timeout);
    work = c10::make_intrusive<EcclWork>(
        EcclWork::Spec{getRank(), operation.type, operation.title, std::move(operation.inputs),
                       std::move(operation.outputs), timeout, ++sequence_},
        queue_, [comm = comm_, timeout, body = std::move(body)] {
          comm->SetTimeout(timeout);
          body(*comm);
        });
    work->set_on_abort([weak = std::weak_ptr<Comm>(comm_)] {
      if (const auto comm = weak.lock()) comm->Abort();
    });
    if (coalescing_) coalesced_.push_back(work);
    // Under the lock: threads that call at once get numbers in the order in which they run.
    if (operation.may_go_on || coalescing_) {
      queue_->Push(work);
      return work;
    }
  }
  // The caller waits anyway: no other thread needs to know.
  if (!queue_->TryRun(work)) queue_->Push(work);
  return work;
}

std::uint64_t ProcessGroupEccl::getSequenceNumberForGroup() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sequence_;
}

void ProcessGroupEccl::monitoredBarrier(const c10d::BarrierOptions& options, bool wait_all_ranks) {
  std::uint64_t turn = 0;
  std::shared_ptr<Comm> comm;
  std::chrono::milliseconds timeout{};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (left_) Fail("rank " + std::to_string(getRank()) + " has shut this process group down");
    turn = ++monitored_;
    comm = comm_;
    timeout = OwnTimeout(options.timeout);
  }
  MonitoredBarrier(store_.get(), turn, getRank(), getSize(), timeout, wait_all_ranks, [&comm] {
    const std::string failure = comm->Failure();
    if (!failure.empty()) Fail("monitored_barrier: " + failure);
  });
}

PointToPoint* ProcessGroupEccl::Messages() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (left_) Fail("rank " + std::to_string(getRank()) + " has shut this process group down");
  if (messages_ == nullptr) {
    messages_ = std::make_shared<PointToPoint>(OwnConnection(store_), getRank(), getSize(),
                                               options_, [weak = std::weak_ptr<Comm>(comm_)] {
                                                 const auto comm = weak.lock();
                                                 return comm ? comm->Failure() : std::string();
                                               });
  }
  return messages_.get();
}

c10::intrusive_ptr<EcclWork> ProcessGroupEccl::NewMessage(c10d::OpType type, const char* title,
                                                          const Tensors& tensors, int peer) {
  const bool sends = type == c10d::OpType::SEND;
  const char* call = sends ? "send" : "recv";
  OnlyOne(tensors, call, "tensors");
  CheckTensors(tensors, call);
  const bool any = type == c10d::OpType::RECVANYSOURCE;
  if (!any && (peer < 0 || peer >= getSize() || peer == getRank())) {
    throw std::invalid_argument(
        std::string("eccl ") + call + ": the peer is rank " + std::to_string(peer) +
        (peer == getRank() ? ", this rank itself"
                           : "; the group's ranks go from 0 to " + std::to_string(getSize() - 1)));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  auto work = c10::make_intrusive<EcclWork>(
      EcclWork::Spec{getRank(), type, title, sends ? tensors : Tensors{},
                     sends ? Tensors{} : tensors, options_.timeout, ++messages_sent_},
      nullptr, nullptr);
  work->set_on_abort([weak = std::weak_ptr<Comm>(comm_)] {
    if (const auto comm = weak.lock()) comm->Abort();
  });
  if (coalescing_) coalesced_.push_back(work);
  return work;
}

ProcessGroupEccl::Work ProcessGroupEccl::send(Tensors& tensors, int to, int tag) {
  auto work = NewMessage(c10d::OpType::SEND, "eccl:send", tensors, to);
  Messages()->Send(work, tensors.front(), to, tag);
  return work;
}

ProcessGroupEccl::Work ProcessGroupEccl::recv(Tensors& tensors, int from, int tag) {
  auto work = NewMessage(c10d::OpType::RECV, "eccl:recv", tensors, from);
  Messages()->Receive(work, tensors.front(), from, tag);
  return work;
}

ProcessGroupEccl::Work ProcessGroupEccl::recvAnysource(Tensors& tensors, int tag) {
  auto work = NewMessage(c10d::OpType::RECVANYSOURCE, "eccl:recv", tensors, -1);
  Messages()->Receive(work, tensors.front(), -1, tag);
  return work;
}

}  // namespace regatta::c10d_eccl
