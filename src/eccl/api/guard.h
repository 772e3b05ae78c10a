#pragma once

#include <exception>
#include <new>
#include <string>

#include "base/status.h"
#include "eccl/api/handles.h"

namespace regatta::eccl {

ecclResult_t ResultOf(base::Code code);

// The text of ecclGetLastError in this thread.
std::string& LastError();

// Every entry point runs inside this: nothing is thrown into C, and the text is kept.
template <typename Function>
ecclResult_t Guarded(Function function) {
  base::Status status;
  try {
    status = function();
  } catch (const std::bad_alloc&) {
    status = base::Status(base::Code::kResourceExhausted, "out of memory");
  } catch (const std::exception& error) {
    status = base::Status(base::Code::kInternal, error.what());
  }
  if (!status.ok()) LastError() = status.message();
  return ResultOf(status.code());
}

base::Status NoComm();

template <typename Function>
ecclResult_t WithComm(ecclComm_t comm, Function function) {
  return Guarded([&]() -> base::Status {
    const std::shared_ptr<Communicator> found = FindComm(comm);
    return found == nullptr ? NoComm() : function(*found);
  });
}

}  // namespace regatta::eccl
