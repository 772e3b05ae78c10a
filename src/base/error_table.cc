#include <cerrno>
#include <cstring>

#include "base/status.h"

namespace regatta::base {
namespace {

// Exit codes: 1 for a failed run or an unnamed failure, 2 for wrong input (what shells and getopt
// use), the rest from sysexits.h.
constexpr CodeSurface kTable[] = {
    {Code::kOk, 200, 0, 0, "ok"},
    {Code::kCancelled, 499, 1, 130, "cancelled"},
    {Code::kUnknown, 500, 2, 1, "unknown"},
    {Code::kInvalidArgument, 400, 3, 2, "invalid_argument"},
    {Code::kDeadlineExceeded, 504, 4, 75, "deadline_exceeded"},
    {Code::kNotFound, 404, 5, 66, "not_found"},
    {Code::kAlreadyExists, 409, 6, 73, "already_exists"},
    {Code::kPermissionDenied, 403, 7, 77, "permission_denied"},
    {Code::kResourceExhausted, 507, 8, 74, "resource_exhausted"},
    {Code::kFailedPrecondition, 409, 9, 78, "failed_precondition"},
    {Code::kAborted, 409, 10, 75, "aborted"},
    {Code::kOutOfRange, 400, 11, 2, "out_of_range"},
    {Code::kUnimplemented, 501, 12, 70, "unimplemented"},
    {Code::kInternal, 500, 13, 70, "internal"},
    {Code::kUnavailable, 503, 14, 69, "unavailable"},
    {Code::kDataLoss, 500, 15, 65, "data_loss"},
    {Code::kUnauthenticated, 401, 16, 77, "unauthenticated"},
};

constexpr const char* kNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

Code CodeOfErrno(int err) {
  switch (err) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Code::kResourceExhausted;
    case ETIMEDOUT:
      return Code::kDeadlineExceeded;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EAGAIN:
      return Code::kUnavailable;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
      return Code::kInvalidArgument;
    default:
      return Code::kUnknown;
  }
}

}  // namespace

std::string_view CodeName(Code code) { return kNames[static_cast<int>(code)]; }

const CodeSurface& SurfaceOf(Code code) { return kTable[static_cast<int>(code)]; }

std::string Status::ToString() const {
  if (ok()) return "OK";
  return std::string(CodeName(code_)) + ": " + message_;
}

Status ErrnoStatus(int err, std::string what) {
  what += ": ";
  what += std::strerror(err);
  return Status(CodeOfErrno(err), std::move(what));
}

}  // namespace regatta::base
