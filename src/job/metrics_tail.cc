#include "job/metrics_tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <limits>

#include "base/file.h"

namespace regatta::job {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kLineBytes = 64 << 10;
constexpr double kLatestTime = 1e12;  // seconds since 1970; microseconds of it fit 64 bits

// A NUL byte is no part of a text where metrics are kept.
bool IsName(const base::Json& name) {
  return name.is_string() && name.get_ref<const std::string&>().find('\0') == std::string::npos;
}

// An integer beyond 64 bits with a sign is one to the parser, too.
bool FitsStep(const base::Json& step) {
  return step.is_number_integer() &&
         (!step.is_number_unsigned() ||
          step.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max());
}

}  // namespace

void MetricsTail::TakeLine(std::string_view line, std::vector<base::Event>* events) {
  if (line.empty()) return;
  base::Result<base::Json> json = base::ParseJson(line, {.bytes = kLineBytes, .depth = 4});
  if (!json.ok() || !json->is_object()) {
    ++malformed_;
    return;
  }
  const base::Json name = json->value("name", base::Json());
  const base::Json value = json->value("value", base::Json());
  const base::Json step = json->value("step", base::Json());
  const base::Json time = json->value("time", base::Json());
  const bool good = IsName(name) && (value.is_number() || value.is_null()) &&
                    (step.is_null() || FitsStep(step)) &&
                    (time.is_null() || (time.is_number() && time.get<double>() >= 0 &&
                                        time.get<double>() < kLatestTime));
  if (!good) {
    ++malformed_;
    return;
  }
  const base::Micros now = base::NowMicros();
  const base::Micros when =
      time.is_null() ? now : static_cast<base::Micros>(time.get<double>() * 1e6);
  events->push_back(
      {.kind = "job.metric",
       .subject = job_,
       .time = now,
       .data = {
           {"rank", rank_}, {"name", name}, {"value", value}, {"step", step}, {"time", when}}});
}

bool MetricsTail::Read(std::vector<base::Event>* events) {
  const base::UniqueFd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return false;
  std::string bytes(kReadBytes, '\0');
  const ssize_t got = pread(fd.get(), bytes.data(), bytes.size(), offset_);
  if (got <= 0) return false;
  offset_ += got;
  bytes.resize(static_cast<std::size_t>(got));
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\n', at);
    const std::size_t stop = end == std::string::npos ? bytes.size() : end;
    if (!skipping_) partial_.append(bytes, at, stop - at);
    if (partial_.size() > kLineBytes) {
      partial_.clear();
      skipping_ = true;
    }
    if (end == std::string::npos) break;
    if (skipping_) {
      ++malformed_;
    } else {
      TakeLine(partial_, events);
    }
    skipping_ = false;
    partial_.clear();
    at = end + 1;
  }
  return static_cast<std::size_t>(got) == kReadBytes;
}

}  // namespace regatta::job
