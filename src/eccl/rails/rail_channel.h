#pragma once

#include <memory>
#include <vector>

#include "eccl/rails/rail.h"
#include "eccl/transport.h"

namespace regatta::eccl {

struct RailOptions {
  // Bytes that may be under way; the same at both ends, a power of two.
  std::size_t window_bytes = 4u << 20;
  // A rail that has not delivered for so long does not get more, and others send its bytes again.
  std::chrono::milliseconds patience{300};
  // Without any rail that delivers, the peer counts as gone after so long.
  std::chrono::milliseconds all_patience{10'000};
};

// How large the window is where a rank has so many peers on other hosts.
std::size_t RailWindowBytes(int peers);

// One channel over several connected TCP sockets. The stream is cut into frames; each goes over the
// rail on which it should be there first, by what the rails have lately carried. What a rail that
// dies or falls silent had not delivered is sent again over the others. The channel is broken when
// none is left. Thread-safe.
class RailChannel : public Channel {
 public:
  // At least two rails.
  static std::unique_ptr<RailChannel> Make(std::vector<std::unique_ptr<Rail>> rails,
                                           const RailOptions& options);
};

}  // namespace regatta::eccl
