#include <cstdlib>

#include "topology/api/guard.h"

namespace regatta::topology {

using base::Code;
using base::Status;

eccl_topo_result_t ResultOf(Code code) {
  switch (code) {
    case Code::kOk:
      return ECCL_TOPO_OK;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return ECCL_TOPO_INVALID_ARGUMENT;
    case Code::kFailedPrecondition:
      return ECCL_TOPO_INVALID_USAGE;
    case Code::kNotFound:
      return ECCL_TOPO_NOT_FOUND;
    case Code::kUnavailable:
      return ECCL_TOPO_UNAVAILABLE;
    case Code::kInternal:
    case Code::kUnimplemented:
      return ECCL_TOPO_INTERNAL_ERROR;
    default:
      return ECCL_TOPO_SYSTEM_ERROR;
  }
}

std::string& LastError() {
  thread_local std::string text;
  return text;
}

Status GiveText(const std::string& text, char** out, std::size_t* length) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) return Status(Code::kResourceExhausted, "out of memory");
  std::memcpy(copy, text.c_str(), text.size() + 1);
  *out = copy;
  if (length != nullptr) *length = text.size();
  return Status();
}

}  // namespace regatta::topology

using namespace regatta::topology;  // NOLINT(google-build-using-namespace): the entry points follow
using regatta::base::Status;

extern "C" {

eccl_topo_result_t eccl_topo_version(int* version) {
  return Guarded([&]() -> Status {
    if (version == nullptr) return IsNull("version");
    *version = ECCL_TOPO_VERSION_CODE;
    return Status();
  });
}

const char* eccl_topo_error_string(eccl_topo_result_t result) {
  switch (result) {
    case ECCL_TOPO_OK:
      return "no error";
    case ECCL_TOPO_SYSTEM_ERROR:
      return "system error";
    case ECCL_TOPO_INTERNAL_ERROR:
      return "internal error";
    case ECCL_TOPO_INVALID_ARGUMENT:
      return "invalid argument";
    case ECCL_TOPO_INVALID_USAGE:
      return "invalid usage";
    case ECCL_TOPO_NOT_FOUND:
      return "not found";
    case ECCL_TOPO_UNAVAILABLE:
      return "not available on this machine";
  }
  return "unknown error";
}

const char* eccl_topo_last_error(void) { return LastError().c_str(); }

void eccl_topo_free(char* text) { std::free(text); }

}  // extern "C"
