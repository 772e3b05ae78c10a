// Collectives between simulated devices of one process: each rank's stream reads the others'
// memory.

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "device/sim.h"
#include "eccl/islands/library.h"
#include "eccl/reduce.h"
#include "eccl/types.h"

namespace regatta::eccl {
namespace {

// NCCL's numbers.
constexpr int kSystemError = 2;
constexpr int kInvalidArgument = 4;
constexpr auto kJoinTime = std::chrono::seconds(60);

// What one rank asks for; all have to ask for the same.
struct Work {
  OpKind kind;
  std::size_t count;
  int type;
  int op;
  int root;
  const std::byte* send;  // where the host finds it
  std::byte* receive;
  bool Agrees(const Work& other) const {
    return kind == other.kind && count == other.count && type == other.type && op == other.op &&
           root == other.root;
  }
};

class Group {
 public:
  explicit Group(int size) : size_(size), work_(static_cast<std::size_t>(size)) {}

  int size() const { return size_; }
  bool Join(int size) {
    std::unique_lock lock(mutex_);
    if (size != size_) return false;
    ++joined_;
    changed_.notify_all();
    return changed_.wait_for(lock, kJoinTime, [this] { return joined_ >= size_ || error_ != 0; }) &&
           error_ == 0;
  }
  void Break(int error) {
    const std::lock_guard lock(mutex_);
    if (error_ == 0) error_ = error;
    changed_.notify_all();
  }
  int error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }
  // Returns when all ranks are here; false when the group is broken.
  bool Meet() {
    std::unique_lock lock(mutex_);
    const std::uint64_t round = round_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || error_ != 0; });
    return error_ == 0;
  }
  void WaitUntilBroken() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return error_ != 0; });
  }
  void Put(int rank, const Work& work) {
    const std::lock_guard lock(mutex_);
    work_[static_cast<std::size_t>(rank)] = work;
  }
  // Between two meetings nobody writes.
  const std::vector<Work>& work() const { return work_; }

 private:
  const int size_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int joined_ = 0;
  int arrived_ = 0;
  int error_ = 0;
  std::uint64_t round_ = 0;
  std::vector<Work> work_;
};

struct SimComm {
  std::shared_ptr<Group> group;
  int rank;
  regattaDeviceContext* context;
};

std::mutex groups_mutex;
std::map<std::string, std::weak_ptr<Group>>& Groups() {
  static auto* groups = new std::map<std::string, std::weak_ptr<Group>>();
  return *groups;
}

// In the order of ranks, so that all have the same bits.
void ReduceAll(const std::vector<Work>& all, std::size_t begin, std::size_t count, int size,
               std::vector<std::byte>* result) {
  const auto type = static_cast<ecclDataType_t>(all[0].type);
  const auto op = static_cast<ecclRedOp_t>(all[0].op);
  result->assign(all[0].send + begin, all[0].send + begin + count * SizeOf(type));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    Combine(result->data(), result->data(), all[rank].send + begin, count, type, op);
  }
  if (op == ecclAvg) Divide(result->data(), count, type, size);
}

// What this rank receives; nothing where it receives nothing.
std::vector<std::byte> ResultOf(const std::vector<Work>& all, int rank) {
  const Work& mine = all[static_cast<std::size_t>(rank)];
  const std::size_t bytes = mine.count * SizeOf(static_cast<ecclDataType_t>(mine.type));
  const int size = static_cast<int>(all.size());
  std::vector<std::byte> result;
  switch (mine.kind) {
    case OpKind::kAllReduce:
      ReduceAll(all, 0, mine.count, size, &result);
      break;
    case OpKind::kReduce:
      if (rank == mine.root) ReduceAll(all, 0, mine.count, size, &result);
      break;
    case OpKind::kReduceScatter:
      ReduceAll(all, static_cast<std::size_t>(rank) * bytes, mine.count, size, &result);
      break;
    case OpKind::kAllGather:
      for (const Work& one : all) result.insert(result.end(), one.send, one.send + bytes);
      break;
    default:
      result.assign(all[static_cast<std::size_t>(mine.root)].send,
                    all[static_cast<std::size_t>(mine.root)].send + bytes);
  }
  return result;
}

int Enqueue(IslandLibrary::Comm handle, IslandLibrary::Stream stream, Work work, const void* send,
            std::size_t send_bytes, void* receive, std::size_t receive_bytes) {
  const auto* comm = static_cast<const SimComm*>(handle);
  if (const int error = comm->group->error(); error != 0) return error;
  work.send = device::SimMemory(send, send_bytes);
  work.receive = device::SimMemory(receive, receive_bytes);
  const bool needs_send = send_bytes > 0;
  if ((needs_send && work.send == nullptr) || (receive_bytes > 0 && work.receive == nullptr)) {
    return kInvalidArgument;
  }
  const auto run = [group = comm->group, rank = comm->rank, work](std::string* why) {
    const auto broken = [&] {
      *why = "the collective was broken off by another rank or by its library";
      return REGATTA_DEVICE_FAILED;
    };
    group->Put(rank, work);
    if (!group->Meet()) return broken();
    for (const Work& other : group->work()) {
      // Vendors' libraries wait for ever when ranks call different things.
      if (!work.Agrees(other)) group->WaitUntilBroken();
    }
    if (group->error() != 0) return broken();
    const std::vector<std::byte> result = ResultOf(group->work(), rank);
    // All have read before anybody writes.
    if (!group->Meet()) return broken();
    if (!result.empty()) std::memcpy(work.receive, result.data(), result.size());
    return REGATTA_DEVICE_OK;
  };
  return device::SimEnqueue(comm->context, stream, run) == REGATTA_DEVICE_OK
             ? IslandLibrary::kSuccess
             : kSystemError;
}

int GetUniqueId(IslandLibrary::Id* id) {
  std::memset(id, 0, sizeof(*id));
  const std::string text = base::RandomHex(16);
  std::memcpy(id->bytes, text.data(), text.size());
  return IslandLibrary::kSuccess;
}

int InitRank(IslandLibrary::Comm* out, int size, IslandLibrary::Id id, int rank) {
  regattaDeviceContext* context = device::SimCurrent();
  if (context == nullptr || rank < 0 || rank >= size) return kInvalidArgument;
  std::shared_ptr<Group> group;
  {
    const std::lock_guard lock(groups_mutex);
    auto& known = Groups()[std::string(id.bytes, sizeof(id.bytes))];
    group = known.lock();
    if (group == nullptr) known = group = std::make_shared<Group>(size);
  }
  if (!group->Join(size)) return kSystemError;
  *out = new SimComm{group, rank, context};
  return IslandLibrary::kSuccess;
}

int Destroy(IslandLibrary::Comm comm) {
  delete static_cast<SimComm*>(comm);
  return IslandLibrary::kSuccess;
}
int Abort(IslandLibrary::Comm comm) {
  static_cast<SimComm*>(comm)->group->Break(kSystemError);
  return Destroy(comm);
}
int AsyncError(IslandLibrary::Comm comm, int* error) {
  *error = static_cast<SimComm*>(comm)->group->error();
  return IslandLibrary::kSuccess;
}
const char* ErrorText(int error) {
  return error == kInvalidArgument ? "invalid argument" : "a rank has gone";
}

std::size_t BytesOf(std::size_t count, int type) {
  return count * SizeOf(static_cast<ecclDataType_t>(type));
}
int SizeOfComm(IslandLibrary::Comm comm) { return static_cast<SimComm*>(comm)->group->size(); }
int RankOf(IslandLibrary::Comm comm) { return static_cast<SimComm*>(comm)->rank; }

int AllReduce(const void* send, void* receive, std::size_t count, int type, int op,
              IslandLibrary::Comm comm, IslandLibrary::Stream stream) {
  const std::size_t bytes = BytesOf(count, type);
  return Enqueue(comm, stream, {OpKind::kAllReduce, count, type, op, 0}, send, bytes, receive,
                 bytes);
}
int AllGather(const void* send, void* receive, std::size_t count, int type,
              IslandLibrary::Comm comm, IslandLibrary::Stream stream) {
  const std::size_t bytes = BytesOf(count, type);
  return Enqueue(comm, stream, {OpKind::kAllGather, count, type, 0, 0}, send, bytes, receive,
                 bytes * static_cast<std::size_t>(SizeOfComm(comm)));
}
int ReduceScatter(const void* send, void* receive, std::size_t count, int type, int op,
                  IslandLibrary::Comm comm, IslandLibrary::Stream stream) {
  const std::size_t bytes = BytesOf(count, type);
  return Enqueue(comm, stream, {OpKind::kReduceScatter, count, type, op, 0}, send,
                 bytes * static_cast<std::size_t>(SizeOfComm(comm)), receive, bytes);
}
int Broadcast(const void* send, void* receive, std::size_t count, int type, int root,
              IslandLibrary::Comm comm, IslandLibrary::Stream stream) {
  const std::size_t bytes = BytesOf(count, type);
  return Enqueue(comm, stream, {OpKind::kBroadcast, count, type, 0, root}, send,
                 RankOf(comm) == root ? bytes : 0, receive, bytes);
}
int Reduce(const void* send, void* receive, std::size_t count, int type, int op, int root,
           IslandLibrary::Comm comm, IslandLibrary::Stream stream) {
  const std::size_t bytes = BytesOf(count, type);
  return Enqueue(comm, stream, {OpKind::kReduce, count, type, op, root}, send, bytes, receive,
                 RankOf(comm) == root ? bytes : 0);
}

}  // namespace

std::shared_ptr<const IslandLibrary> SimIslandLibrary() {
  auto library = std::make_shared<IslandLibrary>();
  library->name = "sim";
  // Devices of another process cannot be reached.
  library->version = "sim of process " + std::to_string(getpid());
  library->get_unique_id = GetUniqueId;
  library->init_rank = InitRank;
  library->destroy = Destroy;
  library->abort = Abort;
  library->async_error = AsyncError;
  library->error_text = ErrorText;
  library->all_reduce = AllReduce;
  library->all_gather = AllGather;
  library->reduce_scatter = ReduceScatter;
  library->broadcast = Broadcast;
  library->reduce = Reduce;
  return library;
}

}  // namespace regatta::eccl
