#include "train/output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>
#include <vector>

namespace regatta::train {
namespace {

constexpr std::size_t kMostWaiting = 4u << 20;  // bytes
constexpr std::size_t kLongestLine = 64u << 10;
constexpr std::size_t kLastLines = 10;
constexpr std::size_t kLongestLastLine = 500;

// Over short writes, EINTR and descriptors that do not block; a reader that is gone is no concern.
void WriteOut(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::write(fd, text.data(), text.size());
    if (sent >= 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      pollfd one{fd, POLLOUT, 0};
      ::poll(&one, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y ", &local)};
}

}  // namespace

Output::Output(OutputOptions options, std::function<void()> drained)
    : options_(std::move(options)), drained_(std::move(drained)), writer_([this] { Write(); }) {}

Output::~Output() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  writer_.join();
}

void Output::Add(const std::string& label, Stream stream, std::string_view bytes) {
  OneStream& one = ranks_[label].streams[stream == Stream::kOut ? 0 : 1];
  if (!options_.folder.empty()) {
    if (!one.file.valid()) {
      const std::string folder = options_.folder + "/rank." + label;
      const std::string path = folder + (stream == Stream::kOut ? "/stdout" : "/stderr");
      if (base::MakeFolders(folder).ok()) {
        one.file.Reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
      }
      if (!one.file.valid()) Say("cannot write " + path);
    }
    if (one.file.valid()) WriteOut(one.file.get(), bytes);
  }
  one.partial.append(bytes);
  std::size_t begin = 0;
  for (auto end = one.partial.find('\n'); end != std::string::npos;
       end = one.partial.find('\n', begin)) {
    Line(label, stream, std::string_view(one.partial).substr(begin, end - begin));
    begin = end + 1;
  }
  one.partial.erase(0, begin);
  if (one.partial.size() > kLongestLine) {
    Line(label, stream, one.partial);
    one.partial.clear();
  }
}

void Output::End(const std::string& label) {
  const auto found = ranks_.find(label);
  if (found == ranks_.end()) return;
  for (const Stream stream : {Stream::kOut, Stream::kErr}) {
    OneStream& one = found->second.streams[stream == Stream::kOut ? 0 : 1];
    if (!one.partial.empty()) Line(label, stream, std::exchange(one.partial, {}));
    one.file.Reset();
  }
}

void Output::Line(const std::string& label, Stream stream, std::string_view line) {
  OneStream& one = ranks_[label].streams[stream == Stream::kOut ? 0 : 1];
  one.last.emplace_back(line.substr(0, kLongestLastLine));
  if (one.last.size() > kLastLines) one.last.pop_front();
  std::string text;
  if (options_.timestamp) text += Now();
  if (options_.prefix) text += "[" + label + (stream == Stream::kOut ? "]<stdout>:" : "]<stderr>:");
  text.append(line);
  text.push_back('\n');
  Queue(stream, std::move(text));
}

void Output::Say(std::string_view line) {
  Queue(Stream::kErr, "regatta hvdrun: " + std::string(line) + "\n");
}

void Output::Queue(Stream stream, std::string text) {
  {
    const std::lock_guard lock(mutex_);
    waiting_ += text.size();
    queue_.emplace_back(stream, std::move(text));
  }
  changed_.notify_all();
}

bool Output::Congested() {
  const std::lock_guard lock(mutex_);
  if (waiting_ > kMostWaiting) was_congested_ = true;
  return waiting_ > kMostWaiting;
}

std::vector<std::string> Output::LastLines(const std::string& label) const {
  const auto found = ranks_.find(label);
  if (found == ranks_.end()) return {};
  const OneStream* streams = found->second.streams;
  const std::deque<std::string>& last = streams[1].last.empty() ? streams[0].last : streams[1].last;
  return {last.begin(), last.end()};
}

void Output::Write() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const auto [stream, text] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    WriteOut(stream == Stream::kOut ? STDOUT_FILENO : STDERR_FILENO, text);
    lock.lock();
    waiting_ -= text.size();
    if (was_congested_ && waiting_ <= kMostWaiting / 2) {
      was_congested_ = false;
      drained_();
    }
  }
}

}  // namespace regatta::train
