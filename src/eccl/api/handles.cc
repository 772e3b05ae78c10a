#include "eccl/api/handles.h"

#include <map>
#include <mutex>

namespace regatta::eccl {
namespace {

// Handle is ecclComm_t or ecclRequest_t: a number that is never dereferenced.
template <typename Handle, typename Object>
class Table {
 public:
  std::shared_ptr<Object> Find(Handle handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
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

struct Listeners {
  std::mutex mutex;
  std::map<std::string, base::UniqueFd> by_secret;  // of ecclGetUniqueId
};

// Never destroyed: other threads may be inside at exit.
Table<ecclComm_t, Communicator>& Comms() {
  static auto& table = *new Table<ecclComm_t, Communicator>;
  return table;
}
Table<ecclRequest_t, Request>& Requests() {
  static auto& table = *new Table<ecclRequest_t, Request>;
  return table;
}
Listeners& TheListeners() {
  static Listeners& listeners = *new Listeners;
  return listeners;
}

}  // namespace

std::shared_ptr<Communicator> FindComm(ecclComm_t comm) { return Comms().Find(comm); }
std::shared_ptr<Communicator> TakeComm(ecclComm_t comm) { return Comms().Take(comm); }
ecclComm_t PutComm(std::shared_ptr<Communicator> comm) { return Comms().Put(std::move(comm)); }

std::shared_ptr<Request> FindRequest(ecclRequest_t request) { return Requests().Find(request); }
std::shared_ptr<Request> TakeRequest(ecclRequest_t request) { return Requests().Take(request); }
ecclRequest_t PutRequest(std::shared_ptr<Request> request) {
  return Requests().Put(std::move(request));
}

base::UniqueFd TakeListener(const UniqueId& id) {
  Listeners& listeners = TheListeners();
  const std::lock_guard lock(listeners.mutex);
  auto node = listeners.by_secret.extract(id.secret);
  return node.empty() ? base::UniqueFd() : std::move(node.mapped());
}

void PutListener(const UniqueId& id, base::UniqueFd listener) {
  Listeners& listeners = TheListeners();
  const std::lock_guard lock(listeners.mutex);
  listeners.by_secret[id.secret] = std::move(listener);
}

}  // namespace regatta::eccl
