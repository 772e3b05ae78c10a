#include "eccl/acceptor.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/random.h"
#include "base/version.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

constexpr auto kHelloTime = std::chrono::seconds(5);
// A flood of silent connections may not use up the descriptors of the training process.
constexpr std::size_t kMaxPending = 64;
constexpr std::size_t kMaxRefusals = 4;
constexpr std::size_t kNonceBytes = 16;
constexpr std::size_t kProofBytes = 32;

std::string VersionSkew(std::uint16_t theirs) {
  return "it speaks version " + std::to_string(theirs) +
         " of the ECCL bootstrap protocol and rank 0 speaks version " +
         std::to_string(kWireVersion) + " (libeccl " + base::Version() +
         "): install the same release on all hosts";
}

}  // namespace

std::string Hello::Describe() const {
  return "rank " + std::to_string(rank) + " (host " + host + ", pid " + std::to_string(pid) + ")";
}

std::string EncodeHello(const Hello& hello, const std::string& key) {
  BodyWriter body;
  body.U8(hello.purpose).U32(hello.rank).U32(hello.size).U32(hello.pid);
  body.Text(hello.host).Text(hello.version).U32(hello.connection).U32(hello.connections);
  std::string nonce(kNonceBytes, '\0');
  base::FillRandom(nonce.data(), nonce.size());
  body.Raw(nonce);
  // The header is part of what is proved, with its final length.
  std::string frame = EncodeFrame(FrameType::kHello, body.body() + std::string(kProofBytes, '\0'));
  frame.resize(frame.size() - kProofBytes);
  return frame + Hmac(key, frame);
}

base::Result<Hello> DecodeHello(const FrameHeader& header, std::string_view body,
                                const std::string& key) {
  const Status malformed(Code::kDataLoss, "its hello is malformed");
  if (header.type != FrameType::kHello || body.size() < kProofBytes) return malformed;
  std::string proved = EncodeFrame(FrameType::kHello, body);
  const std::string proof = proved.substr(proved.size() - kProofBytes);
  proved.resize(proved.size() - kProofBytes);
  if (!base::ConstantTimeEquals(Hmac(key, proved), proof)) {
    return Status(Code::kUnauthenticated,
                  "its job token is not the one of this job (ECCL_JOB_TOKEN, or the unique id)");
  }
  BodyReader reader(body);
  Hello hello;
  hello.purpose = static_cast<Hello::Purpose>(reader.U8());
  hello.rank = reader.U32();
  hello.size = reader.U32();
  hello.pid = reader.U32();
  hello.host = reader.Text();
  hello.version = reader.Text();
  hello.connection = reader.U32();
  hello.connections = reader.U32();
  reader.Raw(kNonceBytes + kProofBytes);
  if (!reader.ok() || reader.left() != 0) return malformed;
  return hello;
}

base::Result<std::string> Introduce(int fd, const Hello& hello, const std::string& key,
                                    Deadline deadline) {
  BASE_RETURN_IF_ERROR(SendAll(fd, EncodeHello(hello, key), deadline));
  BASE_ASSIGN_OR_RETURN(Frame answer, ReceiveFrame(fd, deadline));
  // A refusal keeps its layout in all versions, so it is read before the version is looked at.
  if (answer.header.type == FrameType::kRefuse) {
    return Status(Code::kFailedPrecondition, BodyReader(answer.body).Text());
  }
  if (answer.header.version != kWireVersion || answer.header.type != FrameType::kWelcome) {
    return Status(Code::kFailedPrecondition,
                  "the other side speaks version " + std::to_string(answer.header.version) +
                      " of the ECCL bootstrap protocol, this library version " +
                      std::to_string(kWireVersion) + ": install the same release on all hosts");
  }
  return std::move(answer.body);
}

Acceptor::Acceptor(std::vector<int> listen_fds, std::string key, Judge judge)
    : listen_fds_(std::move(listen_fds)), key_(std::move(key)), judge_(std::move(judge)) {}

Status Acceptor::Run(const std::function<bool()>& done, Deadline deadline) {
  while (!done()) {
    Deadline next = deadline;
    std::vector<pollfd> items;
    for (const int fd : listen_fds_) items.push_back({fd, POLLIN, 0});
    const std::size_t listeners = items.size();
    for (const Pending& pending : pending_) {
      items.push_back({pending.fd.get(), POLLIN, 0});
      next = std::min(next, pending.deadline);
    }
    const auto now = Clock::now();
    if (now >= deadline) return Status(Code::kDeadlineExceeded, "not everybody came in time");
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - now).count();
    if (poll(items.data(), items.size(),
             static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000)) + 1) < 0 &&
        errno != EINTR) {
      return base::ErrnoStatus(errno, "poll failed");
    }
    std::vector<Pending> waiting;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      Pending& pending = pending_[i];
      bool finished = false;
      if (items[listeners + i].revents != 0) {
        finished = ReadFrom(pending);
      } else if (Clock::now() >= pending.deadline) {
        finished = Drop(pending, "said nothing for 5 s");
      }
      if (!finished) waiting.push_back(std::move(pending));
    }
    pending_ = std::move(waiting);
    for (std::size_t i = 0; i < listeners; ++i) {
      if (items[i].revents != 0) AcceptAll(items[i].fd);
    }
  }
  return Status();
}

void Acceptor::AcceptAll(int listen_fd) {
  while (pending_.size() < kMaxPending) {
    base::UniqueFd fd(accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    TuneSocket(fd.get());
    std::string address = PeerAddress(fd.get());
    pending_.push_back({std::move(fd), std::move(address), "", Clock::now() + kHelloTime});
  }
}

bool Acceptor::ReadFrom(Pending& pending) {
  char buffer[kMaxHelloBytes];
  const ssize_t got = recv(pending.fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) return Drop(pending, "closed before it said who it is");
  pending.bytes.append(buffer, static_cast<std::size_t>(got));

  FrameHeader header;
  if (pending.bytes.compare(0, 4, std::string("ECCL"), 0,
                            std::min<std::size_t>(4, pending.bytes.size())) != 0) {
    return Drop(pending, "does not speak the ECCL protocol");
  }
  if (!DecodeHeader(pending.bytes, &header)) return false;
  if (header.version != kWireVersion) {
    return Refuse(pending, pending.address, VersionSkew(header.version));
  }
  if (header.length > kMaxHelloBytes || pending.bytes.size() > kHeaderBytes + header.length) {
    return Drop(pending, "sent more than a hello");
  }
  if (pending.bytes.size() < kHeaderBytes + header.length) return false;

  auto hello = DecodeHello(header, std::string_view(pending.bytes).substr(kHeaderBytes), key_);
  if (!hello.ok()) {
    if (hello.status().code() == Code::kDataLoss) return Drop(pending, hello.status().message());
    return Refuse(pending, pending.address, hello.status().message());
  }
  const std::string who = hello->Describe();
  Guest guest{std::move(pending.fd), *std::move(hello)};
  const Status verdict = judge_(guest);
  if (!verdict.ok()) {
    pending.fd = std::move(guest.fd);
    return Refuse(pending, who, verdict.message());
  }
  return true;
}

bool Acceptor::Drop(const Pending& pending, const std::string& why) {
  base::Log(base::LogLevel::kWarning, "eccl", "dropped a stray connection",
            {{"from", pending.address}, {"why", why}});
  return true;
}

bool Acceptor::Refuse(Pending& pending, const std::string& who, const std::string& why) {
  base::Log(base::LogLevel::kWarning, "eccl", "refused a connection",
            {{"from", who}, {"why", why}});
  if (refusals_.size() < kMaxRefusals) refusals_.push_back(who + " was refused: " + why);
  // One attempt: a peer that does not read its refusal may not hold up the others.
  const std::string frame =
      EncodeFrame(FrameType::kRefuse, BodyWriter().Text(who + ": " + why).body());
  if (send(pending.fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    shutdown(pending.fd.get(), SHUT_WR);
  }
  return true;
}

}  // namespace regatta::eccl
