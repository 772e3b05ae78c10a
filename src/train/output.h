#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/file.h"
#include "base/status.h"

namespace regatta::train {

struct OutputOptions {
  std::string folder;      // also write to <folder>/rank.<label>/stdout and stderr; "": do not
  bool prefix = true;      // "[label]<stdout>:" before each line
  bool timestamp = false;  // and the local time before that
};

enum class Stream { kOut = 1, kErr = 2 };

// Where the lines of the ranks go: whole lines, each in one write. A thread of its own writes to
// the terminal, because whoever reads there may stop reading, and the job must go on being watched.
class Output {
 public:
  // `drained` is called, on the writing thread, when there is room again after Congested() was
  // true.
  Output(OutputOptions options, std::function<void()> drained);
  ~Output();  // after everything has been written
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Bytes that a rank wrote; what is no whole line yet is kept.
  void Add(const std::string& label, Stream stream, std::string_view bytes);
  // The rank has ended: what is left of its lines, and its files.
  void End(const std::string& label);
  // A line of the launcher itself, on standard error.
  void Say(std::string_view line);

  // Whether so much waits that no more should be taken from ranks.
  bool Congested();

  // The last lines that a rank wrote, the oldest first; those on standard error if there are any.
  std::vector<std::string> LastLines(const std::string& label) const;
  void Forget(const std::string& label) { ranks_.erase(label); }

 private:
  struct OneStream {
    std::string partial;
    std::deque<std::string> last;
    base::UniqueFd file;
  };
  struct OneRank {
    OneStream streams[2];
  };

  void Line(const std::string& label, Stream stream, std::string_view line);
  void Queue(Stream stream, std::string text);
  void Write();

  const OutputOptions options_;
  const std::function<void()> drained_;
  std::map<std::string, OneRank> ranks_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Stream, std::string>> queue_;
  std::size_t waiting_ = 0;  // bytes
  bool was_congested_ = false;
  bool closing_ = false;
  std::thread writer_;
};

}  // namespace regatta::train
