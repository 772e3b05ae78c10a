#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "eccl/transport.h"
#include "eccl/wait.h"

namespace regatta::eccl {

// The memory in which one rank receives from its peers on the same host: its bell and one ring a
// peer. It is a memfd, opened by peers through /proc/<pid>/fd, so there is never a file that a
// killed process could leave behind. Ranks that are threads of one process share one mapping.
class ShmSegment {
 public:
  // `rings` inbound rings of `ring_bytes` (a power of two) each. The memory is reserved now:
  // kResourceExhausted here rather than a SIGBUS in mid-training.
  static base::Result<std::shared_ptr<ShmSegment>> Create(int rings, std::size_t ring_bytes);
  // What peers need to open it; opaque text for the bootstrap.
  std::string Ticket() const;
  // Opens a peer's segment. Fails when it lives on another host, in another process namespace, or
  // belongs to another user.
  static base::Result<std::shared_ptr<ShmSegment>> Open(const std::string& ticket);

  ~ShmSegment();
  ShmSegment(const ShmSegment&) = delete;
  ShmSegment& operator=(const ShmSegment&) = delete;

  Bell* bell() const;
  int rings() const;
  // No more peers will open it: the descriptor can go.
  void Seal() { fd_.Reset(); }

 private:
  friend class ShmChannel;
  struct Header;
  struct Ring;
  ShmSegment(base::UniqueFd fd, void* memory, std::size_t bytes)
      : fd_(std::move(fd)), memory_(memory), bytes_(bytes) {}
  Header* header() const { return static_cast<Header*>(memory_); }
  Ring* ring(int index) const;

  base::UniqueFd fd_;
  void* memory_;
  std::size_t bytes_;
};

// Receives from ring `mine` of this rank's segment and sends into ring `theirs` of the peer's.
base::Result<std::unique_ptr<Channel>> MakeShmChannel(std::shared_ptr<ShmSegment> own, int mine,
                                                      std::shared_ptr<ShmSegment> peer, int theirs);

}  // namespace regatta::eccl
