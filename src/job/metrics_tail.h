#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/event_sink.h"

namespace regatta::job {

// Follows one rank's metrics file (docs/formats/metrics.md).
class MetricsTail {
 public:
  MetricsTail(std::string job, int rank, std::string path)
      : job_(std::move(job)), rank_(rank), path_(std::move(path)) {}

  // Adds one "job.metric" event for each complete line that came since the last call. True when
  // there may be more: one call reads a bounded part, so that a busy rank cannot starve others.
  bool Read(std::vector<base::Event>* events);

  // Lines that were no metric; they are skipped.
  std::int64_t malformed() const { return malformed_; }

 private:
  void TakeLine(std::string_view line, std::vector<base::Event>* events);

  std::string job_;
  int rank_;
  std::string path_;
  std::int64_t offset_ = 0;
  std::string partial_;    // the beginning of a line whose end is not written yet
  bool skipping_ = false;  // inside a line that is too long
  std::int64_t malformed_ = 0;
};

}  // namespace regatta::job
