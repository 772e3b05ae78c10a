// What the Backend of torch 2 has beyond collectives: groups made from groups, coalescing, options.

#include "process_group.h"

#if REGATTA_TORCH >= 200

#include <algorithm>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

namespace regatta::c10d_eccl {
namespace {

// The works of one coalesced block as one.
class AllOf : public c10d::Work {
 public:
  AllOf(int rank, std::vector<c10::intrusive_ptr<c10d::Work>> works)
      : Work(rank, c10d::OpType::UNKNOWN), works_(std::move(works)) {}

  bool isCompleted() override {
    return std::all_of(works_.begin(), works_.end(),
                       [](const auto& work) { return work->isCompleted(); });
  }
  bool isSuccess() const override {
    return std::all_of(works_.begin(), works_.end(),
                       [](const auto& work) { return work->isSuccess(); });
  }
  std::exception_ptr exception() const override {
    for (const auto& work : works_) {
      if (const auto error = work->exception()) return error;
    }
    return nullptr;
  }
  std::vector<at::Tensor> result() override {
    std::vector<at::Tensor> all;
    for (const auto& work : works_) {
      const auto some = work->result();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }
  bool wait(std::chrono::milliseconds timeout) override {
    for (const auto& work : works_) work->wait(timeout);
    return true;
  }
  void synchronize() override { wait(kNoTimeout); }
  void abort() override {
    if (!works_.empty()) works_.front()->abort();
  }
  // Its value: the list of all results, in the order of the calls.
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override {
    const auto type = c10::ListType::create(c10::TensorType::get());
    c10::List<c10::intrusive_ptr<c10::ivalue::Future>> parts(c10::FutureType::create(type));
    for (const auto& work : works_) parts.push_back(work->getFuture());
    return c10::collectAll(parts)->then(
        [works = works_](c10::ivalue::Future& all) -> c10::IValue {
          std::vector<at::Tensor> results;
          for (const auto& part : all.value().toListRef()) {
            for (const at::Tensor& tensor : part.toFuture()->value().toTensorVector()) {
              results.push_back(tensor);
            }
          }
          return results;
        },
        type);
  }

 private:
  const std::vector<c10::intrusive_ptr<c10d::Work>> works_;
};

}  // namespace

void ProcessGroupEccl::startCoalescing() {
  const std::lock_guard<std::mutex> lock(mutex_);
  coalescing_ = true;
  coalesced_.clear();
}

ProcessGroupEccl::Work ProcessGroupEccl::endCoalescing() {
  const std::lock_guard<std::mutex> lock(mutex_);
  coalescing_ = false;
  return c10::make_intrusive<AllOf>(getRank(), std::move(coalesced_));
}

c10::intrusive_ptr<Base::Options> ProcessGroupEccl::getBackendOptions() {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto options = c10::make_intrusive<Base::Options>("eccl", options_.timeout);
  options->group_name = pg_uid_;
  options->group_desc = pg_desc_;
  return options;
}

c10::intrusive_ptr<Base> ProcessGroupEccl::Derived(const c10::intrusive_ptr<Store>& store, int rank,
                                                   int size,
                                                   const c10::intrusive_ptr<Base::Options>& given) {
  CommOptions options;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    options = options_;
  }
  if (given) options.timeout = given->timeout;
  auto group = c10::make_intrusive<ProcessGroupEccl>(store, rank, size, options);
  if (given) {
    group->setGroupUid(given->group_name);
    group->setGroupDesc(given->group_desc);
  }
  return group;
}

c10::intrusive_ptr<Base> ProcessGroupEccl::split(const c10::intrusive_ptr<Store>& store,
                                                 const std::vector<int>& ranks,
                                                 const c10::intrusive_ptr<Base::Options>& options) {
  const auto own = std::find(ranks.begin(), ranks.end(), getRank());
  if (own == ranks.end()) return nullptr;
  return Derived(store, static_cast<int>(own - ranks.begin()), static_cast<int>(ranks.size()),
                 options);
}

c10::intrusive_ptr<Base> ProcessGroupEccl::merge(const c10::intrusive_ptr<Store>& store,
                                                 const c10::intrusive_ptr<Base::Options>& options,
                                                 const int& rank, const int& size) {
  return Derived(store, rank, size, options);
}

c10::intrusive_ptr<Base> ProcessGroupEccl::shrink(
    const std::vector<std::int64_t>& excluded, int flags,
    const c10::intrusive_ptr<Base::Options>& options) {
  std::vector<int> ranks;
  for (int rank = 0; rank < getSize(); ++rank) {
    if (std::find(excluded.begin(), excluded.end(), rank) == excluded.end()) ranks.push_back(rank);
  }
  const auto own = std::find(ranks.begin(), ranks.end(), getRank());
  if (own == ranks.end()) {
    throw std::invalid_argument("eccl shrink: rank " + std::to_string(getRank()) +
                                " is among the excluded ones; only those that stay call it");
  }
  std::string prefix;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    prefix = "shrink/" + std::to_string(++shrunk_) + "/";
  }
  // NCCL's flag 1: what is still running may be given up.
  if (flags != 0) abort();
  return Derived(c10::make_intrusive<c10d::PrefixStore>(prefix, store_),
                 static_cast<int>(own - ranks.begin()), static_cast<int>(ranks.size()), options);
}

void ProcessGroupEccl::abort() {
  std::shared_ptr<Comm> comm;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    comm = comm_;
  }
  if (comm) comm->Abort();
}

void ProcessGroupEccl::setTimeout(std::chrono::milliseconds timeout) {
  const std::lock_guard<std::mutex> lock(mutex_);
  options_.timeout = timeout;
}

void ProcessGroupEccl::waitForPendingWorks() {
  without_interpreter([this] { queue_->Drain(std::chrono::hours(24 * 365)); });
}

#if REGATTA_TORCH >= 215
c10d::ErrorType ProcessGroupEccl::getError() {
  std::shared_ptr<Comm> comm;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    comm = comm_;
  }
  if (comm == nullptr || comm->Failure().empty()) return c10d::ErrorType::SUCCESS;
  return c10d::ErrorType::COMM_ERROR;
}
#endif

}  // namespace regatta::c10d_eccl

#endif
