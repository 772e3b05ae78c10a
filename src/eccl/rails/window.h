#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace regatta::eccl {

// A stretch of a stream of bytes, by their offsets in the stream: the place of byte i is i modulo
// the size, a power of two. Memory is taken when it is first written to.
class Window {
 public:
  explicit Window(std::size_t size) : size_(size) {}

  std::size_t size() const { return size_; }
  // The one or two pieces in which [offset, offset + bytes) lies; bytes is at most size().
  std::array<iovec, 2> Pieces(std::uint64_t offset, std::size_t bytes) {
    if (memory_ == nullptr) memory_ = std::make_unique_for_overwrite<std::byte[]>(size_);
    const std::size_t at = offset & (size_ - 1);
    const std::size_t first = std::min(bytes, size_ - at);
    return {iovec{memory_.get() + at, first}, iovec{memory_.get(), bytes - first}};
  }
  void Put(std::uint64_t offset, std::span<const std::byte> data) {
    const auto pieces = Pieces(offset, data.size());
    std::memcpy(pieces[0].iov_base, data.data(), pieces[0].iov_len);
    std::memcpy(pieces[1].iov_base, data.data() + pieces[0].iov_len, pieces[1].iov_len);
  }
  void Get(std::uint64_t offset, std::span<std::byte> data) {
    const auto pieces = Pieces(offset, data.size());
    std::memcpy(data.data(), pieces[0].iov_base, pieces[0].iov_len);
    std::memcpy(data.data() + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
  }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> memory_;
};

}  // namespace regatta::eccl
