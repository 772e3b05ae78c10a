#pragma once

// The one place where base's Abseil-free Status becomes the absl::Status that the rest of the
// program speaks. Header-only, so that base itself links no Abseil.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/status.h"

namespace regatta {

inline absl::Status ToAbsl(const base::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()), status.message());
}

template <typename T>
absl::StatusOr<T> ToAbsl(base::Result<T> result) {
  if (!result.ok()) return ToAbsl(result.status());
  return *std::move(result);
}

inline base::Status FromAbsl(const absl::Status& status) {
  return base::Status(static_cast<base::Code>(status.code()), std::string(status.message()));
}

// The row of the one code table (HTTP, gRPC, exit code) for an absl::Status.
inline const base::CodeSurface& SurfaceOf(const absl::Status& status) {
  return base::SurfaceOf(static_cast<base::Code>(status.code()));
}

// Same code, with "context: " before the message. OK stays OK.
inline absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), std::string(context) + ": " + std::string(status.message()));
}

}  // namespace regatta

// For functions that return absl::Status or absl::StatusOr.
#define RETURN_IF_ERROR(expr)                                                \
  do {                                                                       \
    if (auto absl_status_ = (expr); !absl_status_.ok()) return absl_status_; \
  } while (0)

#define REGATTA_CONCAT_INNER_(a, b) a##b
#define REGATTA_CONCAT_(a, b) REGATTA_CONCAT_INNER_(a, b)
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(REGATTA_CONCAT_(absl_result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                           \
  if (!tmp.ok()) return tmp.status();          \
  lhs = *std::move(tmp)
