#include "job/shim/request.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace regatta::job::shim {
namespace {

// The value of `item` when its key is `key`, else null.
char* ValueOf(char* item, const char* key) {
  const std::size_t length = std::strlen(key);
  return std::strncmp(item, key, length) == 0 && item[length] == '=' ? item + length + 1 : nullptr;
}

void Take(char* item, const char* key, const char** out) {
  if (const char* value = ValueOf(item, key)) *out = value;
}

void Take(char* item, const char* key, std::int64_t* out) {
  if (const char* value = ValueOf(item, key)) *out = std::strtoll(value, nullptr, 10);
}

}  // namespace

bool ReadRequest(int fd, Request* request) {
  struct stat info{};
  if (fstat(fd, &info) != 0 || info.st_size < 2) return false;
  const std::size_t size = static_cast<std::size_t>(info.st_size);
  char* const text = static_cast<char*>(std::malloc(size));
  if (text == nullptr) return false;
  for (std::size_t at = 0; at < size;) {
    const ssize_t got = pread(fd, text + at, size - at, static_cast<off_t>(at));
    if (got <= 0) return false;
    at += static_cast<std::size_t>(got);
  }
  return ParseRequest(text, size, request);
}

bool ParseRequest(char* text, std::size_t size, Request* request) {
  if (size == 0 || text[size - 1] != '\0' || std::strcmp(text, "regatta-shim-request 1") != 0)
    return false;

  std::size_t items = 0;
  for (std::size_t at = 0; at < size; ++at) items += text[at] == '\0';
  // Both lists in one allocation: each is at most as long as all items, plus its null pointer.
  char** const pointers = static_cast<char**>(std::calloc(2 * (items + 1), sizeof(char*)));
  if (pointers == nullptr) return false;
  request->argv = pointers;
  request->env = pointers + items + 1;
  std::size_t args = 0;
  std::size_t variables = 0;
  for (char* item = text; item < text + size; item += std::strlen(item) + 1) {
    if (char* arg = ValueOf(item, "arg")) request->argv[args++] = arg;
    if (char* variable = ValueOf(item, "env")) request->env[variables++] = variable;
    Take(item, "job", &request->job);
    Take(item, "folder", &request->folder);
    Take(item, "cwd", &request->working_directory);
    Take(item, "cgroup", &request->cgroup);
    Take(item, "rank", &request->rank);
    Take(item, "engine", &request->engine);
    Take(item, "grace_ms", &request->grace_ms);
    Take(item, "timeout_ms", &request->timeout_ms);
    Take(item, "segment_bytes", &request->segment_bytes);
    Take(item, "log_bytes", &request->log_bytes);
  }
  return args > 0 && request->segment_bytes > 0;
}

}  // namespace regatta::job::shim
