#include "device/sim_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace regatta::device {
namespace {

constexpr std::size_t kAlignment = 256;

std::size_t Rounded(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

base::Result<SimMemoryPool*> SimMemoryPool::Make(std::size_t bytes) {
  std::unique_ptr<SimMemoryPool> pool(new SimMemoryPool());
  pool->bytes_ = bytes;
  pool->fd_ = base::UniqueFd(memfd_create("regatta-sim-device", MFD_CLOEXEC));
  if (!pool->fd_.valid() || ftruncate(pool->fd_.get(), static_cast<off_t>(bytes)) != 0) {
    return base::ErrnoStatus(errno, "cannot make the memory of a simulated device");
  }
  void* hidden = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, pool->fd_.get(), 0);
  if (hidden != MAP_FAILED) pool->hidden_ = static_cast<std::byte*>(hidden);
  void* window = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd_.get(), 0);
  if (window != MAP_FAILED) pool->window_ = static_cast<std::byte*>(window);
  if (pool->hidden_ == nullptr || pool->window_ == nullptr) {
    return base::ErrnoStatus(errno, "cannot map the memory of a simulated device");
  }
  pool->free_[0] = bytes;
  return pool.release();
}

SimMemoryPool::~SimMemoryPool() {
  if (hidden_ != nullptr) munmap(hidden_, bytes_);
  if (window_ != nullptr) munmap(window_, bytes_);
}

std::size_t SimMemoryPool::free_bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [offset, bytes] : free_) sum += bytes;
  return sum;
}

void* SimMemoryPool::Allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > bytes_) return nullptr;
  const std::size_t need = Rounded(bytes);
  const auto place = std::find_if(free_.begin(), free_.end(),
                                  [&](const auto& hole) { return hole.second >= need; });
  if (place == free_.end()) return nullptr;
  const auto [offset, room] = *place;
  free_.erase(place);
  if (room > need) free_[offset + need] = room - need;
  used_[offset] = bytes;
  return hidden_ + offset;
}

bool SimMemoryPool::Free(void* address) {
  const std::lock_guard lock(mutex_);
  if (!Contains(address)) return false;
  std::size_t offset = static_cast<std::size_t>(static_cast<std::byte*>(address) - hidden_);
  const auto used = used_.find(offset);
  if (used == used_.end()) return false;
  std::size_t bytes = Rounded(used->second);
  used_.erase(used);
  auto next = free_.upper_bound(offset);
  if (next != free_.end() && next->first == offset + bytes) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto last = std::prev(next);
    if (last->first + last->second == offset) {
      offset = last->first;
      bytes += last->second;
      free_.erase(last);
    }
  }
  free_[offset] = bytes;
  // The pages go back to the machine. What is there anew is zero; a machine that cannot do it keeps
  // them until the end, which is no failure.
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t begin = (offset + page - 1) / page * page;
  const std::size_t end = (offset + bytes) / page * page;
  if (begin < end) {
    static_cast<void>(fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(begin), static_cast<off_t>(end - begin)));
  }
  return true;
}

std::byte* SimMemoryPool::Resolve(const void* address, std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  if (!Contains(address)) return nullptr;
  const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(address) - hidden_);
  auto piece = used_.upper_bound(at);
  if (piece == used_.begin()) return nullptr;
  --piece;
  const std::size_t inside = at - piece->first;
  if (inside > piece->second || bytes > piece->second - inside) return nullptr;
  return window_ + at;
}

}  // namespace regatta::device
