#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace regatta::base {

// An open file descriptor that closes itself. Movable, not copyable.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The bytes of a file of at most `limit` bytes; kOutOfRange names the limit when it is longer.
Result<std::string> ReadFile(const std::string& path, std::size_t limit = 64u << 20);

// Replaces `path` so that after a power loss it holds either the old bytes or the new ones:
// writes `path`.tmp.<random>, syncs it, renames it, syncs the folder. `mode` as for open(2).
Status WriteFileDurably(const std::string& path, std::string_view data, int mode = 0644);

// mkdir -p. OK when the folder is there already.
Status MakeFolders(const std::string& path, int mode = 0755);

// Syncs a folder, which makes creations, renames and removals inside it durable.
Status SyncFolder(const std::string& path);

// Writes all of `data`, over short writes and EINTR.
Status WriteAll(int fd, std::string_view data, const std::string& name);

// "/a/b" + "c" -> "/a/b/c"; an absolute `tail` stands alone.
std::string JoinPath(std::string_view head, std::string_view tail);

}  // namespace regatta::base
