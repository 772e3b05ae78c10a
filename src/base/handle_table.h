#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace regatta::base {

// What the C libraries give out for objects: Handle is a pointer type that is never dereferenced
// but holds a number, counted up and never given twice. So a handle that is used after its end is
// noticed, and an object lives until the last call inside it has returned. Any thread.
//
// Make tables with `new` and leave them at exit, when other threads may still be inside.
template <typename Handle, typename Object>
class HandleTable {
 public:
  // Null for what was never given out or was taken.
  std::shared_ptr<Object> Find(Handle handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  // Ends the handle.
  std::shared_ptr<Object> Take(Handle handle) {
    const std::lock_guard lock(mutex_);
    auto node = objects_.extract(reinterpret_cast<std::uintptr_t>(handle));
    return node.empty() ? nullptr : std::move(node.mapped());
  }
  Handle Put(std::shared_ptr<Object> object) {
    const std::lock_guard lock(mutex_);
    const std::uintptr_t number = next_++;
    objects_[number] = std::move(object);
    return reinterpret_cast<Handle>(number);  // NOLINT(performance-no-int-to-ptr)
  }

 private:
  std::mutex mutex_;
  std::uintptr_t next_ = 1;
  std::map<std::uintptr_t, std::shared_ptr<Object>> objects_;
};

}  // namespace regatta::base
