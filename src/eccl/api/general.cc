#include "eccl/api/guard.h"
#include "eccl/call_log.h"

namespace regatta::eccl {

using base::Code;
using base::Status;

ecclResult_t ResultOf(Code code) {
  switch (code) {
    case Code::kOk:
      return ecclSuccess;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return ecclInvalidArgument;
    case Code::kFailedPrecondition:
    case Code::kAlreadyExists:
    case Code::kUnauthenticated:
      return ecclInvalidUsage;
    case Code::kUnavailable:
    case Code::kDataLoss:
      return ecclRemoteError;
    case Code::kDeadlineExceeded:
      return ecclTimeout;
    case Code::kCancelled:
      return ecclAborted;
    case Code::kAborted:
      return ecclMismatch;
    case Code::kInternal:
    case Code::kUnimplemented:
      return ecclInternalError;
    default:
      return ecclSystemError;
  }
}

std::string& LastError() {
  thread_local std::string text;
  return text;
}

Status NoComm() {
  return Status(Code::kInvalidArgument,
                "comm is no communicator: it was never made, or it was destroyed or aborted");
}

}  // namespace regatta::eccl

using namespace regatta::eccl;  // NOLINT(google-build-using-namespace): the entry points follow
using regatta::base::Code;
using regatta::base::Status;

extern "C" {

ecclResult_t ecclGetVersion(int* version) {
  return Guarded([&]() -> Status {
    if (version == nullptr) return Status(Code::kInvalidArgument, "version is NULL");
    *version = ECCL_VERSION_CODE;
    return Status();
  });
}

const char* ecclGetErrorString(ecclResult_t result) {
  switch (result) {
    case ecclSuccess:
      return "no error";
    case ecclSystemError:
      return "system error";
    case ecclInternalError:
      return "internal error";
    case ecclInvalidArgument:
      return "invalid argument";
    case ecclInvalidUsage:
      return "invalid usage";
    case ecclRemoteError:
      return "remote error";
    case ecclInProgress:
      return "not over yet";
    case ecclTimeout:
      return "timed out";
    case ecclAborted:
      return "aborted";
    case ecclMismatch:
      return "ranks called different operations";
  }
  return "unknown result code";
}

const char* ecclGetLastError(ecclComm_t) { return LastError().c_str(); }

ecclResult_t ecclSetCallSite(const char* text) {
  SetCallSite(text);
  return ecclSuccess;
}

}  // extern "C"
