#include "job/shim/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace regatta::job::shim {

LogWriter::LogWriter(std::int64_t rank, std::int64_t segment_bytes, std::int64_t total_bytes)
    : rank_(static_cast<int>(rank)), segment_bytes_(segment_bytes) {
  const std::int64_t segments = total_bytes / segment_bytes;
  capacity_ = static_cast<std::size_t>(segments < 2 ? 2 : segments);
}

LogWriter::~LogWriter() {
  CloseSegment();
  std::free(kept_);
}

LogWriter::Path LogWriter::PathOf(std::int64_t start) const {
  Path path;
  std::snprintf(path.text, sizeof path.text, "logs/rank-%d/%020" PRId64 ".log", rank_, start);
  return path;
}

void LogWriter::DropOldest() {
  unlink(PathOf(kept_[0].start).text);
  dropped_ += kept_[0].size;
  std::memmove(kept_, kept_ + 1, (--count_) * sizeof(Segment));
}

void LogWriter::CloseSegment() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool LogWriter::OpenSegment() {
  if (kept_ == nullptr) {
    kept_ = static_cast<Segment*>(std::calloc(capacity_, sizeof(Segment)));
    if (kept_ == nullptr) return false;
  }
  if (count_ == capacity_) DropOldest();
  const Path path = PathOf(offset_);
  fd_ = open(path.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0 && errno == ENOENT) {
    mkdir("logs", 0755);
    char folder[64];
    std::snprintf(folder, sizeof folder, "logs/rank-%d", rank_);
    mkdir(folder, 0755);
    fd_ = open(path.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  }
  if (fd_ < 0) return false;
  kept_[count_++] = {offset_, 0};
  return true;
}

void LogWriter::Write(const char* data, std::size_t size) {
  while (size > 0) {
    if (fd_ >= 0 && kept_[count_ - 1].size >= segment_bytes_) CloseSegment();
    ssize_t put = -1;
    if (fd_ >= 0 || OpenSegment()) {
      const std::int64_t room = segment_bytes_ - kept_[count_ - 1].size;
      const std::size_t part =
          static_cast<std::int64_t>(size) < room ? size : static_cast<std::size_t>(room);
      put = write(fd_, data, part);
      if (put < 0 && errno == EINTR) continue;
    }
    if (put <= 0) {
      // Disk full, most likely. The replica must not block on its output: let this piece go. A new
      // segment, named by its offset, starts as soon as there is room again.
      if (fd_ >= 0 && kept_[count_ - 1].size == 0) {
        unlink(PathOf(kept_[--count_].start).text);
      }
      CloseSegment();
      lost_ += static_cast<std::int64_t>(size);
      offset_ += static_cast<std::int64_t>(size);
      return;
    }
    kept_[count_ - 1].size += put;
    offset_ += put;
    data += put;
    size -= static_cast<std::size_t>(put);
  }
}

}  // namespace regatta::job::shim
