#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "job/executor.h"
#include "job/job_files.h"

namespace regatta::job {
namespace {

constexpr std::int64_t kTailBytes = 64 << 10;
constexpr std::size_t kOffsetDigits = 20;
// Nothing prints that much; beyond it, the end of a segment would not fit 64 bits.
constexpr std::int64_t kLastOffset = std::int64_t{1} << 62;

std::string LogFolder(const std::string& job_directory, int rank) {
  return absl::StrCat(job_directory, "/logs/rank-", rank);
}

// Offsets of the segments' first bytes, in order.
std::vector<std::int64_t> Segments(const std::string& folder) {
  std::vector<std::int64_t> starts;
  DIR* const dir = opendir(folder.c_str());
  if (dir == nullptr) return starts;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name.size() != kOffsetDigits + 4 || !name.ends_with(".log")) continue;
    std::int64_t start = 0;
    const std::string_view digits = name.substr(0, kOffsetDigits);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), start);
    const bool whole = error == std::errc() && stop == digits.data() + digits.size();
    if (!whole || start < 0 || start > kLastOffset) continue;
    starts.push_back(start);
  }
  closedir(dir);
  std::ranges::sort(starts);
  return starts;
}

std::string SegmentPath(const std::string& folder, std::int64_t start) {
  std::string digits = std::to_string(start);
  return folder + "/" + std::string(kOffsetDigits - digits.size(), '0') + digits + ".log";
}

}  // namespace

absl::StatusOr<LogRange> ReadLog(const std::string& job_directory, int rank, std::int64_t offset,
                                 std::int64_t limit, int restarts) {
  const std::string folder = LogFolder(AttemptFolder(job_directory, restarts), rank);
  const std::vector<std::int64_t> starts = Segments(folder);
  if (starts.empty()) {
    return absl::NotFoundError(absl::StrCat("rank ", rank, " has no log in ", job_directory));
  }
  LogRange range;
  struct stat info{};
  range.total = starts.back();
  if (stat(SegmentPath(folder, starts.back()).c_str(), &info) == 0) range.total += info.st_size;
  if (offset < 0) offset = std::max<std::int64_t>(0, range.total + offset);
  // Bytes that were dropped or lost are skipped, at the beginning only: what is returned is always
  // one piece, and its offset tells where it really begins.
  range.offset = range.next_offset = std::min(offset, range.total);
  limit = std::max<std::int64_t>(0, limit);
  for (std::size_t i = 0; i < starts.size() && limit > 0; ++i) {
    if (i + 1 < starts.size() && starts[i + 1] <= range.next_offset) continue;
    if (starts[i] > range.next_offset) {
      if (!range.bytes.empty()) break;
      range.offset = range.next_offset = starts[i];
    }
    const base::UniqueFd fd(open(SegmentPath(folder, starts[i]).c_str(), O_RDONLY | O_CLOEXEC));
    while (fd.valid() && limit > 0) {
      char buffer[64 << 10];
      const std::size_t want =
          std::min<std::size_t>(sizeof buffer, static_cast<std::size_t>(limit));
      const ssize_t got = pread(fd.get(), buffer, want, range.next_offset - starts[i]);
      if (got <= 0) break;
      range.bytes.append(buffer, static_cast<std::size_t>(got));
      range.next_offset += got;
      limit -= got;
    }
  }
  range.total = std::max(range.total, range.next_offset);
  return range;
}

std::string LogTail(const std::string& job_directory, int rank, int lines) {
  const absl::StatusOr<LogRange> range = ReadLog(job_directory, rank, -kTailBytes, kTailBytes);
  if (!range.ok() || lines <= 0) return "";
  std::string text = range->bytes;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t at = text.size();
  for (int line = 0; line < lines; ++line) {
    at = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
    if (at == std::string::npos) return text;
  }
  return text.substr(at + 1);
}

}  // namespace regatta::job
