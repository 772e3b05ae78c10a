#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include "base/file.h"
#include "base/status.h"

namespace regatta::device {

// The memory of one simulated device: one file in memory, mapped twice. The addresses that are
// handed out may not be touched; copies go through the other mapping. Thread-safe.
class SimMemoryPool {
 public:
  // kResourceExhausted when the machine has no room.
  static base::Result<SimMemoryPool*> Make(std::size_t bytes);
  ~SimMemoryPool();
  SimMemoryPool(const SimMemoryPool&) = delete;
  SimMemoryPool& operator=(const SimMemoryPool&) = delete;

  std::size_t size() const { return bytes_; }
  std::size_t free_bytes() const;
  // Null when there is no such piece left.
  void* Allocate(std::size_t bytes);
  // False for an address that was not allocated.
  bool Free(void* address);
  bool Contains(const void* address) const {
    return address >= hidden_ && address < hidden_ + bytes_;
  }
  // The bytes behind [address, address + bytes); null unless one allocation has all of them.
  std::byte* Resolve(const void* address, std::size_t bytes) const;

 private:
  SimMemoryPool() = default;

  base::UniqueFd fd_;
  std::size_t bytes_ = 0;
  std::byte* hidden_ = nullptr;
  std::byte* window_ = nullptr;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::size_t> used_;  // by offset: bytes asked for
  std::map<std::size_t, std::size_t> free_;  // by offset: bytes
};

}  // namespace regatta::device
