#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace regatta::base {

// SHA-256 (FIPS 180-4), the address of all content. Uses the processor's SHA instructions where it
// has them. Not thread-safe per object; objects are independent.
class Sha256 {
 public:
  Sha256();
  void Update(const void* data, std::size_t size);
  void Update(std::string_view data) { Update(data.data(), data.size()); }
  // Ends the computation; the object must not be used afterwards.
  std::array<std::uint8_t, 32> Digest();
  std::string HexDigest();

 private:
  std::uint32_t state_[8];
  std::uint64_t bytes_ = 0;
  std::uint8_t block_[64];
  std::size_t used_ = 0;
};

std::string ToHex(std::string_view bytes);

// Lower-case hexadecimal digest, 64 characters.
std::string Sha256Hex(std::string_view data);
// The digest of a regular file's bytes. kNotFound and other errno-based codes.
Result<std::string> Sha256File(const std::string& path);

}  // namespace regatta::base
