#include "eccl/monitor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

constexpr auto kBeat = std::chrono::milliseconds(250);

std::string GoneFrame(int rank, const std::string& text) {
  return EncodeFrame(FrameType::kGone,
                     BodyWriter().U32(static_cast<std::uint32_t>(rank)).Text(text).body());
}

void WriteProgress(const Health::Progress& progress, BodyWriter* body) {
  char call[OpDescriptor::kWireBytes];
  progress.call.Encode(reinterpret_cast<std::byte*>(call));
  body->U8(progress.inside ? 1 : 0).Raw({call, sizeof(call)}).Text(progress.site);
}

Health::Progress ReadProgress(BodyReader* reader) {
  Health::Progress progress;
  progress.inside = reader->U8() != 0;
  const std::string call = reader->Raw(OpDescriptor::kWireBytes);
  progress.site = reader->Text();
  progress.heard = Clock::now();
  if (reader->ok()) {
    OpDescriptor::Decode(reinterpret_cast<const std::byte*>(call.data()), &progress.call);
  }
  return progress;
}

}  // namespace

Monitor::Monitor(Health* health, std::vector<base::UniqueFd> sockets,
                 std::function<void()> maintain)
    : health_(health),
      maintain_(std::move(maintain)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (!sockets[i].valid()) continue;
    const int rank = health_->rank() == 0 ? static_cast<int>(i) : 0;
    links_.push_back({rank, std::move(sockets[i]), "", ""});
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Monitor::~Monitor() {
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_fd_.get(), &one, sizeof(one));
  thread_.join();
}

void Monitor::ReportFailure(const Status& why) {
  Say(EncodeFrame(FrameType::kFailed, BodyWriter()
                                          .U32(static_cast<std::uint32_t>(health_->rank()))
                                          .U8(static_cast<std::uint8_t>(why.code()))
                                          .Text(why.message())
                                          .body()));
}

void Monitor::Goodbye(std::chrono::milliseconds patience) {
  Say(EncodeFrame(FrameType::kGoodbye,
                  BodyWriter().U32(static_cast<std::uint32_t>(health_->rank())).body()));
  if (health_->rank() != 0) return;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience,
                    [this] { return health_->failed() || health_->AllOthersLeft(); });
}

// Programs tend to end right after an error. What was only queued would be lost with them, and the
// others would hear of a death instead of its reason.
void Monitor::Say(const std::string& frame) {
  std::unique_lock lock(mutex_);
  outbox_ += frame;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_fd_.get(), &one, sizeof(one));
  changed_.wait_for(lock, std::chrono::seconds(1),
                    [this] { return outbox_.empty() && !outbox_busy_; });
}

void Monitor::Run(const std::stop_token& stop) {
  auto next_beat = Clock::now();
  while (!stop.stop_requested()) {
    if (Clock::now() >= next_beat) {
      Beat();
      maintain_();
      next_beat = Clock::now() + kBeat;
    }
    std::vector<pollfd> items{{wake_fd_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      const short events = static_cast<short>(POLLIN | (link.out.empty() ? 0 : POLLOUT));
      items.push_back({link.fd.get(), events, 0});  // poll ignores closed links: fd -1
    }
    const auto wait =
        std::chrono::duration_cast<std::chrono::milliseconds>(next_beat - Clock::now()).count();
    if (poll(items.data(), items.size(), static_cast<int>(std::max<std::int64_t>(wait, 0)) + 1) <
        0) {
      continue;
    }
    if (items[0].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof(count));
      std::string frames;
      {
        const std::lock_guard lock(mutex_);
        frames.swap(outbox_);
        outbox_busy_ = true;
      }
      Post(frames, -1);
    }
    for (std::size_t i = 0; i < links_.size(); ++i) {
      if ((items[i + 1].revents & POLLOUT) != 0) Flush(links_[i]);
      if ((items[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) Receive(links_[i]);
    }
    const bool idle = std::all_of(links_.begin(), links_.end(),
                                  [](const Link& link) { return link.out.empty(); });
    {
      const std::lock_guard lock(mutex_);
      if (idle) outbox_busy_ = false;
    }
    changed_.notify_all();
  }
}

void Monitor::Beat() {
  if (health_->rank() != 0) {
    for (Link& link : links_) {
      // A rank 0 that does not read must not make this side's queue grow.
      if (!link.fd.valid() || !link.out.empty()) continue;
      BodyWriter body;
      WriteProgress(health_->ProgressOf(health_->rank()), &body);
      link.out += EncodeFrame(FrameType::kHeartbeat, body.body());
      Flush(link);
    }
    return;
  }
  BodyWriter table;
  const auto now = Clock::now();
  for (int rank = 0; rank < health_->size(); ++rank) {
    const Health::Progress progress = health_->ProgressOf(rank);
    const auto age =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - progress.heard).count();
    WriteProgress(progress, &table);
    table.U32(static_cast<std::uint32_t>(std::clamp<std::int64_t>(age, 0, 0x7fffffff)));
  }
  const std::string frame = EncodeFrame(FrameType::kTable, table.body());
  for (Link& link : links_) {
    if (!link.fd.valid() || !link.out.empty()) continue;
    link.out += frame;
    Flush(link);
  }
}

// Ranks that exchange data compare their calls on the way; ranks that wait for each other because
// their calls differ are found here.
void Monitor::CheckAgreement() {
  const int other = health_->Disagrees();
  if (other < 0 || health_->failed()) return;
  const Status why = Mismatch(*health_, other, health_->ProgressOf(other).call, health_->call());
  if (!health_->Fail(why)) return;
  Post(EncodeFrame(FrameType::kFailed, BodyWriter()
                                           .U32(static_cast<std::uint32_t>(health_->rank()))
                                           .U8(static_cast<std::uint8_t>(why.code()))
                                           .Text(why.message())
                                           .body()),
       -1);
}

void Monitor::Receive(Link& link) {
  char buffer[16384];
  for (;;) {
    const ssize_t got = recv(link.fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got < 0) return Lost(link, base::ErrnoStatus(errno, "its connection broke").message());
    if (got == 0) return Lost(link, "its connection closed without a goodbye");
    link.in.append(buffer, static_cast<std::size_t>(got));
    FrameHeader header;
    while (link.in.size() >= kHeaderBytes) {
      if (!DecodeHeader(link.in, &header) || header.length > kMaxBodyBytes) {
        return Lost(link, "it sent bytes that are no ECCL frame");
      }
      if (link.in.size() < kHeaderBytes + header.length) break;
      Handle(link, header, std::string_view(link.in).substr(kHeaderBytes, header.length));
      link.in.erase(0, kHeaderBytes + header.length);
    }
  }
}

void Monitor::Handle(Link& link, const FrameHeader& header, std::string_view body) {
  BodyReader reader(body);
  const bool hub = health_->rank() == 0;
  switch (header.type) {
    case FrameType::kHeartbeat: {
      Health::Progress progress = ReadProgress(&reader);
      if (reader.ok()) health_->Heard(link.rank, std::move(progress));
      CheckAgreement();
      return;
    }
    case FrameType::kTable:
      for (int rank = 0; rank < health_->size() && reader.ok(); ++rank) {
        Health::Progress progress = ReadProgress(&reader);
        progress.heard -= std::chrono::milliseconds(reader.U32());
        if (reader.ok() && rank != health_->rank()) health_->Heard(rank, std::move(progress));
      }
      CheckAgreement();
      return;
    case FrameType::kGone: {
      const auto rank = reader.U32();
      if (!reader.ok() || rank >= static_cast<std::uint32_t>(health_->size())) return;
      health_->SetGone(static_cast<int>(rank));
      health_->Fail(Status(Code::kUnavailable, reader.Text()));
      return;
    }
    case FrameType::kFailed: {
      const auto rank = reader.U32();
      const auto code = static_cast<Code>(std::min<std::uint8_t>(reader.U8(), 16));
      const std::string text = reader.Text();
      if (!reader.ok() || rank >= static_cast<std::uint32_t>(health_->size())) return;
      if (hub) Post(EncodeFrame(header.type, body), link.rank);
      // A mismatch and a time-out say the same on every rank; anything else is somebody else's.
      const bool shared = code == Code::kAborted || code == Code::kDeadlineExceeded;
      health_->Fail(Status(shared ? code : Code::kUnavailable,
                           health_->NameOf(static_cast<int>(rank)) + " failed: " + text));
      return;
    }
    case FrameType::kGoodbye: {
      const auto rank = reader.U32();
      if (!reader.ok() || rank >= static_cast<std::uint32_t>(health_->size())) return;
      if (hub) Post(EncodeFrame(header.type, body), link.rank);
      health_->SetLeft(static_cast<int>(rank));
      return;
    }
    default:
      return;  // A newer minor release may say more; what it says is not needed here.
  }
}

void Monitor::Flush(Link& link) {
  while (link.fd.valid() && !link.out.empty()) {
    const ssize_t sent =
        send(link.fd.get(), link.out.data(), link.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      link.out.erase(0, static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      // Full: poll says when there is room. Broken: Receive sees it, with what was sent before.
      if (errno != EAGAIN && errno != EWOULDBLOCK) link.out.clear();
      return;
    }
  }
}

void Monitor::Lost(Link& link, const std::string& why) {
  link.fd.Reset();
  link.out.clear();
  if (health_->HasLeft(link.rank)) return;
  const std::string text = health_->NameOf(link.rank) + " is gone: " + why;
  if (health_->rank() == 0) Post(GoneFrame(link.rank, text), link.rank);
  health_->SetGone(link.rank);
  health_->Fail(Status(Code::kUnavailable, text));
}

void Monitor::Post(const std::string& frame, int except) {
  for (Link& link : links_) {
    if (!link.fd.valid() || link.rank == except) continue;
    link.out += frame;
    Flush(link);
  }
}

}  // namespace regatta::eccl
