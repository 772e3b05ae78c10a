#include "eccl/wire.h"

#include <cstring>

#include "base/sha256.h"

namespace regatta::eccl {
namespace {

constexpr char kMagic[4] = {'E', 'C', 'C', 'L'};

template <typename T>
void AppendLittle(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

template <typename T>
T LoadLittle(std::string_view bytes) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<std::uint8_t>(bytes[i])) << (8 * i));
  }
  return value;
}

}  // namespace

std::string EncodeFrame(FrameType type, std::string_view body) {
  std::string out(kMagic, sizeof(kMagic));
  AppendLittle(out, kWireVersion);
  AppendLittle(out, static_cast<std::uint16_t>(type));
  AppendLittle(out, static_cast<std::uint32_t>(body.size()));
  out += body;
  return out;
}

bool DecodeHeader(std::string_view bytes, FrameHeader* header) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, 4) != 0) return false;
  header->version = LoadLittle<std::uint16_t>(bytes.substr(4));
  header->type = static_cast<FrameType>(LoadLittle<std::uint16_t>(bytes.substr(6)));
  header->length = LoadLittle<std::uint32_t>(bytes.substr(8));
  return true;
}

BodyWriter& BodyWriter::U8(std::uint8_t value) {
  body_ += static_cast<char>(value);
  return *this;
}
BodyWriter& BodyWriter::U32(std::uint32_t value) {
  AppendLittle(body_, value);
  return *this;
}
BodyWriter& BodyWriter::U64(std::uint64_t value) {
  AppendLittle(body_, value);
  return *this;
}
BodyWriter& BodyWriter::Raw(std::string_view bytes) {
  body_ += bytes;
  return *this;
}
BodyWriter& BodyWriter::Text(std::string_view text) {
  return U32(static_cast<std::uint32_t>(text.size())).Raw(text);
}

std::string BodyReader::Raw(std::size_t size) {
  if (size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  std::string bytes(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return bytes;
}
std::uint8_t BodyReader::U8() {
  const std::string bytes = Raw(1);
  return bytes.empty() ? 0 : static_cast<std::uint8_t>(bytes[0]);
}
std::uint32_t BodyReader::U32() {
  const std::string bytes = Raw(4);
  return bytes.empty() ? 0 : LoadLittle<std::uint32_t>(bytes);
}
std::uint64_t BodyReader::U64() {
  const std::string bytes = Raw(8);
  return bytes.empty() ? 0 : LoadLittle<std::uint64_t>(bytes);
}
std::string BodyReader::Text() { return Raw(U32()); }

std::string Hmac(const std::string& key, std::string_view message) {
  constexpr std::size_t kBlock = 64;
  const auto digest = [](std::string_view a, std::string_view b) {
    base::Sha256 sha;
    sha.Update(a);
    sha.Update(b);
    const auto bytes = sha.Digest();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  std::string padded = key.size() > kBlock ? digest(key, "") : key;
  padded.resize(kBlock, '\0');
  std::string inner = padded;
  std::string outer = padded;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  return digest(outer, digest(inner, message));
}

}  // namespace regatta::eccl
