#pragma once

#include <utility>

#include "eccl/api/calls.h"
#include "eccl/api/group.h"
#include "eccl/api/guard.h"

namespace regatta::eccl {

template <typename Call>
base::Status RunInOrder(Communicator& comm, const Call& call) {
  if (comm.queue().idle()) return call.Run(comm);
  BASE_ASSIGN_OR_RETURN(const std::shared_ptr<Request> request,
                        comm.queue().Submit([&] { return call.Run(comm); }));
  return *request->Wait({});
}

template <typename Call>
base::Status PutIntoGroup(ecclComm_t comm, Call call) {
  const std::shared_ptr<Communicator> found = FindComm(comm);
  if (found == nullptr) return NoComm();
  BASE_RETURN_IF_ERROR(call.Check(*found));
  if constexpr (requires { call.Transfers(); }) {
    AddToGroup(found, Call::kName, call.Transfers());
  } else {
    AddToGroup(found, Call::kName, [call](Communicator& on) { return call.Run(on); });
  }
  return base::Status();
}

// Makes a call of calls.h: checks it and runs it, behind those that were submitted; or leaves it to
// the group that this thread has begun.
template <typename Call>
ecclResult_t Invoke(ecclComm_t comm, Call call) {
  if (GroupIsOpen()) {
    return Guarded([&] {
      base::Status status = PutIntoGroup(comm, std::move(call));
      CountInGroup(Call::kName, status);
      return status;
    });
  }
  return WithComm(comm, [&](Communicator& found) -> base::Status {
    BASE_RETURN_IF_ERROR(call.Check(found));
    return RunInOrder(found, call);
  });
}

// Checks it and leaves it to the communicator's queue.
template <typename Call>
ecclResult_t Submit(ecclComm_t comm, Call call, ecclRequest_t* request) {
  if (request != nullptr) *request = nullptr;
  return WithComm(comm, [&](Communicator& found) -> base::Status {
    if (request == nullptr) {
      return base::Status(base::Code::kInvalidArgument, "request is NULL");
    }
    if (GroupIsOpen()) {
      return base::Status(base::Code::kFailedPrecondition,
                          std::string(Call::kName) +
                              "Async was called in a group; call it before ecclGroupStart, or "
                              "without Async in the group");
    }
    BASE_RETURN_IF_ERROR(call.Check(found));
    // The queue belongs to the communicator, which is there as long as its calls.
    BASE_ASSIGN_OR_RETURN(
        std::shared_ptr<Request> made,
        found.queue().Submit([&found, call = std::move(call)] { return call.Run(found); }));
    *request = PutRequest(std::move(made));
    return base::Status();
  });
}

}  // namespace regatta::eccl
