#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "eccl/wire.h"

namespace regatta::eccl {

// What a rank says first on every connection it opens.
struct Hello {
  enum Purpose : std::uint8_t { kJoin = 0, kPayload = 1 };
  Purpose purpose = kJoin;
  std::uint32_t rank = 0;
  std::uint32_t size = 0;
  std::uint32_t pid = 0;
  std::string host;
  std::string version;
  // Of a payload connection: which one of its channel. The first one is opened last, and says how
  // many there are.
  std::uint32_t connection = 0;
  std::uint32_t connections = 1;

  // "rank 3 (host web-1, pid 4242)".
  std::string Describe() const;
};

// The frame, with a proof of knowing `key` (HMAC over everything before it): the token itself never
// travels.
std::string EncodeHello(const Hello& hello, const std::string& key);
// kUnauthenticated when the proof is wrong, kDataLoss when the body is malformed.
base::Result<Hello> DecodeHello(const FrameHeader& header, std::string_view body,
                                const std::string& key);
// Sends the hello and waits for the answer. Returns the welcome's body; a refusal becomes
// kFailedPrecondition with the other side's text.
base::Result<std::string> Introduce(int fd, const Hello& hello, const std::string& key,
                                    Deadline deadline);

// Accepts connections until `done`. Whoever connects has 5 s to say a valid hello; connections that
// send garbage, nothing, or too much are dropped and logged without disturbing the others.
class Acceptor {
 public:
  struct Guest {
    base::UniqueFd fd;
    Hello hello;
  };
  // Looks at an authenticated hello: OK to take the guest (which has then not been answered yet),
  // or the reason to refuse it.
  using Judge = std::function<base::Status(Guest&)>;

  Acceptor(std::vector<int> listen_fds, std::string key, Judge judge);

  // Runs until `done()` is true; kDeadlineExceeded otherwise. done is asked after each guest.
  base::Status Run(const std::function<bool()>& done, Deadline deadline);
  // Why connections were turned away, for the message of a time-out; the last few.
  const std::vector<std::string>& refusals() const { return refusals_; }

 private:
  struct Pending {
    base::UniqueFd fd;
    std::string address;
    std::string bytes;
    Deadline deadline;
  };
  void AcceptAll(int listen_fd);
  // True when the connection is finished with, one way or the other.
  bool ReadFrom(Pending& pending);
  bool Drop(const Pending& pending, const std::string& why);
  bool Refuse(Pending& pending, const std::string& who, const std::string& why);

  std::vector<int> listen_fds_;
  std::string key_;
  Judge judge_;
  std::vector<Pending> pending_;
  std::vector<std::string> refusals_;
};

}  // namespace regatta::eccl
