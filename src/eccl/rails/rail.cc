#include "eccl/rails/rail.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "eccl/wire.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

constexpr std::uint32_t kMagic = 0x4c524345;  // "ECRL"
// A rate is made of so much, over so long: what a shaper lets through at once does not count much.
constexpr std::uint64_t kSampleBytes = 64u << 10;
constexpr auto kSampleTime = 5ms;
// A sample of fewer bytes, when it takes so long to get more.
constexpr auto kLongestSample = 100ms;
// With less under way it is the sender that is slow.
constexpr std::uint64_t kBusyBytes = 16u << 10;
// Whoever has not answered so long after what was sent last has not heard it.
constexpr std::uint32_t kAnswerMs = 50;
// The newest measurement's share: a rail that has become slow is known to be within some 20 ms.
constexpr double kNewest = 0.5;

void Add(std::atomic<std::uint64_t>* total, std::uint64_t more) {
  total->store(total->load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

void PutLittle(std::byte* to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
}

std::uint64_t GetLittle(const std::byte* from, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= std::to_integer<std::uint64_t>(from[i]) << (8 * i);
  return value;
}

bool Later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

Status Broken(const char* what) {
  return Status(Code::kUnavailable, base::ErrnoStatus(errno, what).message());
}

}  // namespace

void RailHeader::Encode(std::byte* to) const {
  PutLittle(to, kMagic, 4);
  PutLittle(to + 4, length, 4);
  PutLittle(to + 8, offset, 8);
}

bool RailHeader::Decode(const std::byte* from, RailHeader* header) {
  header->length = static_cast<std::uint32_t>(GetLittle(from + 4, 4));
  header->offset = GetLittle(from + 8, 8);
  return GetLittle(from, 4) == kMagic && header->length > 0 && header->length <= kMaxLength;
}

Rail::Rail(base::UniqueFd socket, std::string interface)
    : socket_(std::move(socket)), interface_(std::move(interface)) {
  name_ = LocalAddress(fd()) + " - " + PeerAddress(fd());
  if (!interface_.empty()) name_ = interface_ + " " + name_;
  // One of several may be away for a while and come back. Whether all are is the channel's to say.
  const int off = 0;
  setsockopt(fd(), SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off));
  setsockopt(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &off, sizeof(off));
}

void Rail::Begin(std::uint64_t frame, const RailHeader& header) {
  header.Encode(header_out_.data());
  out_ = header;
  begun_ += RailHeader::kBytes + header.length;
  frames_.push_back({frame, begun_});
  Add(&sent_bytes_, header.length);
}

base::Result<bool> Rail::Write(Window* window) {
  const std::uint64_t before = written_;
  while (writing()) {
    const std::uint64_t done = RailHeader::kBytes + out_.length - (begun_ - written_);
    std::array<iovec, 3> places{};
    std::size_t count = 0;
    if (done < RailHeader::kBytes) {
      places[count++] = {header_out_.data() + done, RailHeader::kBytes - done};
    }
    const std::uint64_t payload = done < RailHeader::kBytes ? 0 : done - RailHeader::kBytes;
    for (const iovec& piece : window->Pieces(out_.offset + payload, out_.length - payload)) {
      if (piece.iov_len > 0) places[count++] = piece;
    }
    msghdr message{};
    message.msg_iov = places.data();
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (Later()) break;
      return Broken("cannot send");
    }
    written_ += static_cast<std::uint64_t>(sent);
  }
  return written_ > before;
}

void Rail::Measure(Clock::time_point now) {
  if (outstanding() == 0) {
    sample_since_ = last_progress_ = now;
    sample_from_ = acknowledged_;
    return;
  }
  int queued = 0;
  if (ioctl(fd(), SIOCOUTQ, &queued) != 0) return;
  const std::uint64_t arrived = written_ - std::min<std::uint64_t>(written_, std::uint64_t(queued));
  if (arrived > acknowledged_) {
    acknowledged_ = arrived;
    last_progress_ = now;
    if (stalled_) {
      // What it could do before says nothing about now.
      stalled_ = false;
      rate_.store(0, std::memory_order_relaxed);
      sample_since_ = now;
      sample_from_ = arrived;
    }
  }
  const bool busy = static_cast<std::uint64_t>(queued) >= kBusyBytes;
  const auto time = now - sample_since_;
  const std::uint64_t bytes = arrived - std::min(arrived, sample_from_);
  const bool enough = bytes >= kSampleBytes && time > Clock::duration::zero();
  if (busy && !(enough && time >= kSampleTime) && time < kLongestSample) return;
  if (enough || (busy && time >= kLongestSample)) {
    const double measured =
        std::max(1.0, static_cast<double>(bytes) / std::chrono::duration<double>(time).count());
    const double known = rate();
    // When it has nothing to do now, it may have been done long ago: this is the least it can do.
    if (known == 0) {
      rate_.store(measured, std::memory_order_relaxed);
    } else if (busy || measured > known) {
      rate_.store(known + kNewest * (measured - known), std::memory_order_relaxed);
    }
    measured_ = now;
  }
  sample_since_ = now;
  sample_from_ = arrived;
}

bool Rail::Silent(Clock::time_point now, Clock::duration patience) const {
  if (outstanding() == 0 || now - last_progress_ < patience) return false;
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  // A peer that takes nothing still answers what is sent to it, now or when it is tried again.
  return info.tcpi_unacked > 0 && info.tcpi_last_ack_recv > info.tcpi_last_data_sent &&
         info.tcpi_last_data_sent >= kAnswerMs + info.tcpi_rtt / 1000;
}

void Rail::SetStalled(Clock::time_point now) {
  stalled_ = true;
  stalled_since_ = now;
}

void Rail::StopSending(const Status& why) {
  can_send_ = false;
  if (why_.empty()) why_ = why.message();
}

void Rail::StopReceiving(const Status& why) {
  can_receive_ = false;
  if (why_.empty()) why_ = why.message();
}

base::Result<std::size_t> Rail::Read(std::span<const iovec> places, bool to_the_end) {
  std::array<iovec, 4> all{};
  std::size_t count = 0, wanted = 0;
  for (const iovec& place : places) {
    if (place.iov_len == 0) continue;
    all[count++] = place;
    wanted += place.iov_len;
  }
  const bool header_only = header_missing() > 0;
  if (header_only) {
    all[count++] = {header_in_.data() + header_got_, header_missing()};
  } else if (to_the_end) {
    all[count++] = {header_in_.data(), RailHeader::kBytes};
  }
  msghdr message{};
  message.msg_iov = all.data();
  message.msg_iovlen = count;
  const ssize_t got = recvmsg(fd(), &message, MSG_DONTWAIT);
  if (got == 0) return Status(Code::kUnavailable, "the peer closed the connection");
  if (got < 0) {
    if (Later()) return std::size_t{0};
    return Broken("cannot receive");
  }
  const auto bytes = static_cast<std::size_t>(got);
  if (header_only) {
    BASE_RETURN_IF_ERROR(TakeHeader(bytes));
    return bytes;
  }
  const std::size_t payload = std::min(bytes, wanted);
  got_ += payload;
  next_got_ = bytes - payload;
  Add(&received_bytes_, payload);
  return payload;
}

Status Rail::TakeHeader(std::size_t bytes) {
  header_got_ += bytes;
  if (header_missing() > 0) return Status();
  got_ = 0;
  if (RailHeader::Decode(header_in_.data(), &frame_)) return Status();
  return Status(Code::kDataLoss, "what came over " + name_ + " is no frame");
}

void Rail::NextFrame() {
  header_got_ = 0;
  got_ = 0;
  const std::size_t early = next_got_;
  next_got_ = 0;
  frame_ = {};
  header_got_ = early;
  if (early == RailHeader::kBytes && !RailHeader::Decode(header_in_.data(), &frame_)) {
    StopReceiving(Status(Code::kDataLoss, "what came over " + name_ + " is no frame"));
  }
}

}  // namespace regatta::eccl
