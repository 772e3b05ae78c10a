#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "eccl/wait.h"

namespace regatta::eccl {

class ShmChannel;

// One of the connections that a channel is made of.
struct RailInfo {
  std::string name;       // "eth0 10.0.0.1 - 10.0.0.2"
  std::string interface;  // of this host; "" unknown
  std::uint64_t sent = 0, received = 0;
  double bytes_per_second = 0;  // that it lately carried; 0: not known
  const char* state = "up";     // or "silent": delivers nothing now; or "down"
  std::string why;              // it is down
};

// A two-way stream of bytes to one peer. What is sent arrives whole and in order. Never blocks;
// Links does the waiting, with deadline and abort. Used by one thread at each end. The contract
// test (transport_test.cc) runs over every implementation.
class Channel {
 public:
  virtual ~Channel() = default;
  // How many bytes were taken, 0 when there is no room now. kUnavailable when the peer is gone and
  // the wire can tell.
  virtual base::Result<std::size_t> TrySend(std::span<const std::byte> data) = 0;
  // How many bytes came, 0 when there are none now. kUnavailable as above, after everything that
  // the peer sent has been received.
  virtual base::Result<std::size_t> TryReceive(std::span<std::byte> data) = 0;
  // Both ends call these where a message ends, so that a wire made of memory can begin the next one
  // at a line's start: an element of up to 8 bytes then never lies across the end of the ring.
  virtual void EndSend() {}
  virtual void EndReceive() {}
  // The wire's memory, where it has some: what arrives is read, and what leaves is written, there.
  virtual ShmChannel* shm() { return nullptr; }
  // Some wires take more than they can pass on at once. How much is not on its way yet, after this
  // try: at 0 this process is not needed for it any more. Errors as of TrySend.
  virtual base::Result<std::size_t> Flush() { return std::size_t{0}; }
  virtual bool buffers() const { return false; }
  // For wires that need a hand now and then also while nobody sends or receives. Any thread.
  virtual void Maintain() {}
  // The peer rings this rank's bell; else there is something to poll before trying again.
  virtual bool has_bell() const = 0;
  // Adds that, and shortens `limit` where it has to be tried again sooner.
  virtual void AddPolls(bool sending, std::vector<Waiter::FdInterest>* polls,
                        std::chrono::microseconds* limit) const = 0;
  virtual const char* name() const = 0;
  virtual std::vector<RailInfo> rails() const { return {}; }
  // Bytes so far, by any thread; of shared memory with what lies between messages.
  struct Traffic {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
  };
  virtual Traffic traffic() const = 0;
};

// Over a connected, non-blocking stream socket; `interface` is this host's, for people.
std::unique_ptr<Channel> MakeTcpChannel(base::UniqueFd socket, const std::string& interface = "");

}  // namespace regatta::eccl
