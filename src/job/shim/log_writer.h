#pragma once

#include <cstddef>
#include <cstdint>

namespace regatta::job::shim {

// Appends a replica's output to segment files (docs/formats/log-segments.md). Never fails towards
// the caller: what cannot be written (disk full) is counted as lost, and the offsets go on, so that
// the hole can be seen. Makes folders and files with the first byte only.
class LogWriter {
 public:
  // The current folder is the job's.
  LogWriter(std::int64_t rank, std::int64_t segment_bytes, std::int64_t total_bytes);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void Write(const char* data, std::size_t size);

  std::int64_t bytes() const { return offset_; }
  std::int64_t lost() const { return lost_; }        // could not be written
  std::int64_t dropped() const { return dropped_; }  // were written, then made room for newer ones

 private:
  struct Path {
    char text[96];
  };
  struct Segment {
    std::int64_t start;
    std::int64_t size;
  };

  bool OpenSegment();
  void CloseSegment();
  void DropOldest();
  Path PathOf(std::int64_t start) const;

  int rank_;
  std::int64_t segment_bytes_;
  std::int64_t offset_ = 0;
  std::int64_t lost_ = 0;
  std::int64_t dropped_ = 0;
  int fd_ = -1;
  Segment* kept_ = nullptr;  // oldest first; the last one is open
  std::size_t count_ = 0;
  std::size_t capacity_;
};

}  // namespace regatta::job::shim
