#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "regatta/eccl.h"

namespace regatta::eccl {

// Bytes of one element; 0 for a number that is no ecclDataType_t.
std::size_t SizeOf(ecclDataType_t type);
const char* NameOf(ecclDataType_t type);
const char* NameOf(ecclRedOp_t op);
bool IsValid(ecclRedOp_t op);
const char* NameOf(ecclWireFormat_t format);
bool IsInteger(ecclDataType_t type);
bool IsBitwise(ecclRedOp_t op);

// The same text, for as long as the library is there. There may only be few of them.
const char* LastingText(const std::string& text);

enum class OpKind : std::uint8_t {
  kAllReduce = 1,
  kAllGather,
  kReduceScatter,
  kBroadcast,
  kAllToAll,
  kBarrier,
  kSendRecv,
  kReduce,
  kGather,
  kScatter,
};
const char* NameOf(OpKind kind);
// False for a name that NameOf gives to no collective.
bool KindOf(const std::string& name, OpKind* kind);

// What one rank calls. Ranks compare descriptors before any payload moves, so that a program whose
// ranks disagree gets an error instead of wrong numbers. The wire form is in
// docs/formats/eccl-bootstrap.md.
struct OpDescriptor {
  static constexpr std::size_t kWireBytes = 32;

  OpKind kind = OpKind::kBarrier;
  ecclDataType_t type = ecclUint8;
  ecclRedOp_t op = ecclSum;
  std::uint32_t root = 0;
  std::uint64_t count = 0;
  // Of the communicator for a collective; of the pair and direction for send/receive.
  std::uint64_t sequence = 0;
  // Of a compressed all-reduce; else 0. `root` then is the format's main number.
  std::uint8_t wire_format = 0;
  std::uint32_t wire_options = 0;

  // Makes it a compressed one: the caller's type and operator, and a digest of what else the ranks
  // have to agree on, go into wire_options, because the steps of such a call have types of their
  // own.
  void Compressed(ecclWireFormat_t format, std::uint32_t main_number, std::uint32_t digest);

  bool operator==(const OpDescriptor&) const = default;
  // "allreduce #17 (float32 x 1024, sum)".
  std::string ToString() const;
  void Encode(std::byte* wire) const;
  // False when the bytes are no descriptor: the two ends have lost step.
  static bool Decode(const std::byte* wire, OpDescriptor* descriptor);
};

}  // namespace regatta::eccl
