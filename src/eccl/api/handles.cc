#include "eccl/api/handles.h"

#include <map>
#include <mutex>

#include "base/handle_table.h"

namespace regatta::eccl {
namespace {

struct Listeners {
  std::mutex mutex;
  std::map<std::string, base::UniqueFd> by_secret;  // of ecclGetUniqueId
};

// Never destroyed: other threads may be inside at exit.
base::HandleTable<ecclComm_t, Communicator>& Comms() {
  static auto& table = *new base::HandleTable<ecclComm_t, Communicator>;
  return table;
}
base::HandleTable<ecclRequest_t, Request>& Requests() {
  static auto& table = *new base::HandleTable<ecclRequest_t, Request>;
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
