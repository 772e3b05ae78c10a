#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "job/executor.h"
#include "job/fuzz/fuzz_support.h"
#include "job/shim/log_writer.h"

namespace regatta::job {
namespace {

constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();

const ScratchFolder& Home() {
  static ScratchFolder folder;
  return folder;
}

absl::StatusOr<LogRange> Read(std::int64_t offset, std::int64_t limit) {
  absl::StatusOr<LogRange> range = ReadLog(Home().path(), 0, offset, limit);
  if (!range.ok()) {
    Require(absl::IsNotFound(range.status()), "a log is there or not");
    return range;
  }
  const std::int64_t got = static_cast<std::int64_t>(range->bytes.size());
  Require(range->offset >= 0 && range->next_offset == range->offset + got &&
              range->next_offset <= range->total && got <= std::max<std::int64_t>(0, limit),
          "a piece lies within the log and the limit");
  Require(offset < 0 || range->offset >= std::min(offset, range->total),
          "nothing comes from before the asked place");
  return range;
}

// All that is there, in pieces of `limit` bytes.
std::string ReadAll(std::int64_t limit) {
  std::string all;
  for (std::int64_t at = 0;;) {
    const absl::StatusOr<LogRange> range = Read(at, limit);
    if (!range.ok()) return all;
    all += range->bytes;
    if (range->next_offset >= range->total) return all;
    Require(range->next_offset > at, "a reader gets on");
    at = range->next_offset;
  }
}

void CheckTail(int lines) {
  const std::string tail = LogTail(Home().path(), 0, lines);
  Require(std::ranges::count(tail, '\n') < std::max(1, lines), "a tail has so many lines");
}

// What a shim writes, in whatever pieces, is read again up to what was dropped.
void CheckWriter(std::string_view text) {
  if (text.size() < 2) return;
  const std::int64_t segment_bytes = 1 + static_cast<unsigned char>(text[0]) % 32;
  const std::int64_t total_bytes = static_cast<unsigned char>(text[1]);
  text = text.substr(2, 256);
  const int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Require(before >= 0 && chdir(Home().path().c_str()) == 0, "the folder can be entered");
  shim::LogWriter writer(0, segment_bytes, total_bytes);
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view piece = text.substr(at, 1 + static_cast<unsigned char>(text[at]) % 40);
    writer.Write(piece.data(), piece.size());
    at += piece.size();
  }
  Require(fchdir(before) == 0, "the way back is there");
  close(before);
  Require(writer.lost() == 0 && writer.bytes() == static_cast<std::int64_t>(text.size()) &&
              writer.dropped() <= writer.bytes(),
          "a writer counts its bytes");
  Require(writer.bytes() - writer.dropped() <= std::max(total_bytes, 2 * segment_bytes),
          "a log keeps to its size");
  const std::string_view kept = text.substr(static_cast<std::size_t>(writer.dropped()));
  Require(ReadAll(7) == kept && ReadAll(kFar) == kept, "a log is read as it was written");
  CheckTail(3);
  std::filesystem::remove_all(Home() / "logs");
}

// Each line is a file's name, but for the zeros in front and the ending.
void CheckFolder(std::string_view text) {
  const std::string folder = Home() / "logs/rank-0/";
  std::filesystem::create_directories(folder);
  for (int files = 0; files < 12 && !text.empty(); ++files) {
    const std::string name(text.substr(0, std::min<std::size_t>(text.find('\n'), 20)));
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    if (name.find_first_of(std::string_view("/\0", 2)) != std::string::npos) continue;
    PutFile(folder + std::string(20 - name.size(), '0') + name + ".log",
            std::string_view("one\ntwo\n").substr(name.size() % 4));
  }
  for (const std::int64_t limit : {std::int64_t{1}, std::int64_t{5}, kFar}) ReadAll(limit);
  for (const std::int64_t offset : {-kFar - 1, std::int64_t{-3}, std::int64_t{2}, kFar}) {
    for (const std::int64_t limit : {std::int64_t{-1}, std::int64_t{4}}) (void)Read(offset, limit);
  }
  CheckTail(2);
  std::filesystem::remove_all(Home() / "logs");
}

}  // namespace
}  // namespace regatta::job

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  regatta::job::CheckWriter(text);
  regatta::job::CheckFolder(text);
  return 0;
}
