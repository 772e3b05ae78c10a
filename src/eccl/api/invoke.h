#pragma once

#include <utility>

#include "eccl/api/calls.h"
#include "eccl/api/guard.h"

namespace regatta::eccl {

// Makes a call of calls.h: checks it and runs it, behind those that were submitted.
template <typename Call>
ecclResult_t Invoke(ecclComm_t comm, Call call) {
  return WithComm(comm, [&](Communicator& found) -> base::Status {
    BASE_RETURN_IF_ERROR(call.Check(found));
    if (found.queue().idle()) return call.Run(found);
    BASE_ASSIGN_OR_RETURN(const std::shared_ptr<Request> request,
                          found.queue().Submit([&] { return call.Run(found); }));
    return *request->Wait({});
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
