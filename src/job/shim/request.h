#pragma once

#include <cstddef>
#include <cstdint>

namespace regatta::job::shim {

// What the engine asks for. Pointers lead into a buffer that lives as long as the process.
struct Request {
  const char* job = "";
  const char* folder = "";  // the job's folder
  const char* working_directory = "";
  const char* cgroup = "";  // folder of the replica's cgroup; "" for none
  std::int64_t rank = 0;
  std::int64_t engine = 0;         // pid of the process that starts the shim
  std::int64_t grace_ms = 10'000;  // between SIGTERM and SIGKILL
  std::int64_t timeout_ms = 0;     // 0: none
  std::int64_t segment_bytes = 8 << 20;
  std::int64_t log_bytes = 1 << 30;  // of all segments together
  char** argv = nullptr;             // ends with a null pointer, at least one before it
  char** env = nullptr;
};

// Reads a request (docs/formats/shim.md) from `fd`. False when it is not one of this version.
bool ReadRequest(int fd, Request* request);
// The same for bytes in memory, which have to outlive `request`. One free(3) of `argv` gives back
// what this takes; a shim never does.
bool ParseRequest(char* text, std::size_t size, Request* request);

}  // namespace regatta::job::shim
