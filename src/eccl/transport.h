#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "base/status.h"

namespace regatta::eccl {

class ShmChannel;

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
  // The descriptor to poll before trying again, or -1: then the peer rings this rank's bell.
  virtual int poll_fd() const = 0;
  virtual const char* name() const = 0;
  // Bytes so far, by any thread; of shared memory with what lies between messages.
  struct Traffic {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
  };
  virtual Traffic traffic() const = 0;
};

// Over a connected, non-blocking stream socket.
std::unique_ptr<Channel> MakeTcpChannel(base::UniqueFd socket);

}  // namespace regatta::eccl
