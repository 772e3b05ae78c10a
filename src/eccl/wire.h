#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/status.h"

namespace regatta::eccl {

// The control frames of docs/formats/eccl-bootstrap.md, and the socket calls that carry them.

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

inline constexpr std::uint16_t kWireVersion = 7;
inline constexpr std::size_t kHeaderBytes = 12;
// Of a frame from a peer that has not proved itself, and from one that has.
inline constexpr std::size_t kMaxHelloBytes = 2048;
inline constexpr std::size_t kMaxBodyBytes = 16u << 20;

enum class FrameType : std::uint16_t {
  kHello = 1,
  kWelcome = 2,
  kRefuse = 3,
  kData = 4,
  kHeartbeat = 16,
  kTable = 17,
  kGone = 18,
  kFailed = 19,
  kGoodbye = 20,
};

struct FrameHeader {
  std::uint16_t version = kWireVersion;
  FrameType type = FrameType::kData;
  std::uint32_t length = 0;
};

std::string EncodeFrame(FrameType type, std::string_view body);
// False when the bytes do not start with the magic: no ECCL peer.
bool DecodeHeader(std::string_view bytes, FrameHeader* header);

// Little-endian fields of a body.
class BodyWriter {
 public:
  BodyWriter& U8(std::uint8_t value);
  BodyWriter& U32(std::uint32_t value);
  BodyWriter& U64(std::uint64_t value);
  BodyWriter& Raw(std::string_view bytes);
  // u32 length, then the bytes.
  BodyWriter& Text(std::string_view text);
  const std::string& body() const { return body_; }

 private:
  std::string body_;
};

// Reads what BodyWriter wrote. Reading past the end gives zeros and clears ok().
class BodyReader {
 public:
  explicit BodyReader(std::string_view body) : rest_(body) {}
  std::uint8_t U8();
  std::uint32_t U32();
  std::uint64_t U64();
  std::string Raw(std::size_t size);
  std::string Text();
  bool ok() const { return ok_; }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// HMAC-SHA-256 (RFC 2104), 32 bytes.
std::string Hmac(const std::string& key, std::string_view message);

// --- sockets: non-blocking descriptors, waits bounded by a deadline ---

// Waits for `events` (poll(2)); kDeadlineExceeded when the deadline passes first.
base::Status WaitFor(int fd, short events, Deadline deadline);
base::Status SendAll(int fd, std::string_view bytes, Deadline deadline);
base::Result<std::string> ReceiveExactly(int fd, std::size_t size, Deadline deadline);
struct Frame {
  FrameHeader header;
  std::string body;
};
// kUnavailable when the peer closed, kDataLoss when it does not speak ECCL, kOutOfRange when the
// body is larger than `limit`.
base::Result<Frame> ReceiveFrame(int fd, Deadline deadline, std::size_t limit = kMaxBodyBytes);

// Listens on host:port (port 0: any free one). When no address of `host` belongs to this machine,
// as with the virtual address of a service, listens on all addresses.
base::Result<base::UniqueFd> Listen(const std::string& host, std::uint16_t port);
// Tries again until the deadline: the listener may start later.
base::Result<base::UniqueFd> Connect(const std::string& host, std::uint16_t port,
                                     Deadline deadline);
// From one of this host's addresses to a numeric one; through `interface`, where that is allowed.
// One attempt, not longer than until the deadline.
base::Result<base::UniqueFd> ConnectFrom(const std::string& from, const std::string& interface,
                                         const std::string& to, std::uint16_t port,
                                         Deadline deadline);
// Connections to the listener come and go through this interface only, where that is allowed:
// where two have one subnet, the routes would choose the same for both.
void UseInterface(int fd, const std::string& interface);
// No delay, keep-alive: a host that vanishes is noticed within about 10 s.
void TuneSocket(int fd);
std::uint16_t LocalPort(int fd);
// Numeric addresses without port; "" when unknown.
std::string LocalAddress(int fd);
std::string PeerAddress(int fd);

}  // namespace regatta::eccl
