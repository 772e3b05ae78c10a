#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace regatta::base {

// The canonical codes of gRPC and Abseil, with their numbers, so that a Status converts to an
// absl::Status (base/absl_status.h) without a table. `base` itself uses no Abseil because it is
// linked into libraries that are loaded by other people's processes.
enum class Code : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on.
std::string_view CodeName(Code code);

// How one code appears on each surface. The one table of the program (error_table.cc).
struct CodeSurface {
  Code code;
  int http;          // HTTP status
  int grpc;          // gRPC status number
  int exit;          // exit code of the command line; sysexits.h where one fits
  const char* slug;  // the `code` field of an API error body, e.g. "invalid_argument"
};
const CodeSurface& SurfaceOf(Code code);

// Success, or a code and a message. The message names the thing, what is wrong and what would be
// right. Cheap to move; safe to share between threads when const.
class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // "OK", or "NOT_FOUND: message".
  std::string ToString() const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// Appends the text of `err` (an errno value): "cannot open /x: No such file or directory", with the
// code that fits it (ENOENT -> kNotFound, ENOSPC -> kResourceExhausted, ...).
Status ErrnoStatus(int err, std::string what);

// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    if (status_.ok()) status_ = Status(Code::kInternal, "Result made from an OK status");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  // Only when ok().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace regatta::base

// Returns early with the Status of a failed expression.
#define BASE_RETURN_IF_ERROR(expr)                                           \
  do {                                                                       \
    if (auto base_status_ = (expr); !base_status_.ok()) return base_status_; \
  } while (0)

#define BASE_CONCAT_INNER_(a, b) a##b
#define BASE_CONCAT_(a, b) BASE_CONCAT_INNER_(a, b)
// BASE_ASSIGN_OR_RETURN(auto x, F()): x = *F(), or returns F()'s Status.
#define BASE_ASSIGN_OR_RETURN(lhs, expr) \
  BASE_ASSIGN_OR_RETURN_IMPL_(BASE_CONCAT_(base_result_, __LINE__), lhs, expr)
#define BASE_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                \
  if (!tmp.ok()) return tmp.status();               \
  lhs = *std::move(tmp)
