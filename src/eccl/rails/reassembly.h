#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/rails/rail.h"
#include "eccl/rails/window.h"

namespace regatta::eccl {

// Puts what comes over several rails back into one stream. Frames may come in any order, and more
// than once.
class Reassembly {
 public:
  explicit Reassembly(std::size_t window) : window_(window) {}

  // Reads from a rail what it has, straight into `*direct` where it continues the stream and
  // nothing is kept before it; takes from `*direct` what it filled. False: nothing came. Stops at a
  // frame that is too far ahead, which is no error: what comes before it is on another rail.
  base::Result<bool> Read(Rail* rail, std::span<std::byte>* direct);
  // Moves what is kept to `to`; how many bytes.
  std::size_t Take(std::span<std::byte> to);
  std::uint64_t taken() const { return taken_; }
  // The rail waits with a frame that is too far ahead.
  bool Chokes(const Rail& rail) const {
    return rail.header_missing() == 0 && rail.position() >= taken_ + window_.size();
  }

 private:
  // [begin, end) is here now; nothing of it was before.
  void Add(std::uint64_t begin, std::uint64_t end);

  Window window_;
  std::uint64_t taken_ = 0;                       // given to the reader
  std::uint64_t known_ = 0;                       // all before it is here
  std::map<std::uint64_t, std::uint64_t> ahead_;  // begin to end, of what is here after known_
  std::vector<std::byte> waste_;                  // what came again goes here
};

}  // namespace regatta::eccl
