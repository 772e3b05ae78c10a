#include "eccl/types.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <mutex>
#include <set>

namespace regatta::eccl {
namespace {

struct TypeRow {
  const char* name;
  std::size_t size;
};
// By the numbers of ecclDataType_t.
constexpr TypeRow kTypes[] = {{"int8", 1},    {"uint8", 1},   {"int32", 4},   {"uint32", 4},
                              {"int64", 8},   {"uint64", 8},  {"float16", 2}, {"float32", 4},
                              {"float64", 8}, {"bfloat16", 2}};
constexpr const char* kOps[] = {"sum", "prod", "max", "min", "avg", "band", "bor", "bxor"};
constexpr const char* kKinds[] = {"?",         "allreduce", "allgather", "reducescatter",
                                  "broadcast", "alltoall",  "barrier",   "send/recv",
                                  "reduce",    "gather",    "scatter"};
// By the numbers of ecclWireFormat_t.
constexpr const char* kFormats[] = {"?", "float16", "bfloat16", "int8", "top-k", "powersgd"};
constexpr std::uint32_t kMagic = 0x504f4345;  // "ECOP", little-endian

const TypeRow* Row(ecclDataType_t type) {
  const auto index = static_cast<unsigned>(type);
  return index < std::size(kTypes) ? &kTypes[index] : nullptr;
}

}  // namespace

std::size_t SizeOf(ecclDataType_t type) { return Row(type) == nullptr ? 0 : Row(type)->size; }
const char* NameOf(ecclDataType_t type) { return Row(type) == nullptr ? "?" : Row(type)->name; }
bool IsValid(ecclRedOp_t op) { return static_cast<unsigned>(op) < std::size(kOps); }
bool IsInteger(ecclDataType_t type) {
  return static_cast<unsigned>(type) <= static_cast<unsigned>(ecclUint64);
}
bool IsBitwise(ecclRedOp_t op) { return op == ecclBand || op == ecclBor || op == ecclBxor; }
const char* NameOf(ecclRedOp_t op) { return IsValid(op) ? kOps[op] : "?"; }

const char* LastingText(const std::string& text) {
  static std::mutex mutex;
  // Never freed: a caller may still hold a text when the process ends.
  static auto* texts = new std::set<std::string>();
  const std::lock_guard lock(mutex);
  return texts->insert(text).first->c_str();
}

const char* NameOf(OpKind kind) {
  const auto index = static_cast<unsigned>(kind);
  return index < std::size(kKinds) ? kKinds[index] : kKinds[0];
}

bool KindOf(const std::string& name, OpKind* kind) {
  const auto* found = std::find(std::begin(kKinds) + 1, std::end(kKinds), name);
  if (found == std::end(kKinds)) return false;
  *kind = static_cast<OpKind>(found - std::begin(kKinds));
  return *kind != OpKind::kSendRecv;
}

const char* NameOf(ecclWireFormat_t format) {
  const auto index = static_cast<unsigned>(format);
  return index < std::size(kFormats) ? kFormats[index] : kFormats[0];
}

void OpDescriptor::Compressed(ecclWireFormat_t format, std::uint32_t main_number,
                              std::uint32_t digest) {
  wire_format = static_cast<std::uint8_t>(format);
  root = main_number;
  const auto kinds = static_cast<std::uint32_t>(type) << 4 | static_cast<std::uint32_t>(op);
  wire_options = kinds << 24 | (digest & 0xffffff);
}

namespace {

std::string DescribeCompressed(const OpDescriptor& call) {
  const auto format = static_cast<ecclWireFormat_t>(call.wire_format);
  char text[64] = "";
  if (format == ecclWireInt8) std::snprintf(text, sizeof(text), " in groups of %u", call.root);
  if (format == ecclWirePowerSgd) std::snprintf(text, sizeof(text), " of rank %u", call.root);
  if (format == ecclWireTopK) {
    std::snprintf(text, sizeof(text), " of %g", double{std::bit_cast<float>(call.root)});
  }
  char options[32];
  std::snprintf(options, sizeof(options), ", options %06x", call.wire_options & 0xffffff);
  return std::string(", ") + NameOf(format) + text + options;
}

}  // namespace

std::string OpDescriptor::ToString() const {
  std::string text = std::string(NameOf(kind)) + " #" + std::to_string(sequence);
  if (kind == OpKind::kBarrier) return text;
  if (wire_format != 0) {
    const auto users = static_cast<ecclDataType_t>(wire_options >> 28);
    return text + " (" + NameOf(users) + " x " + std::to_string(count) + ", " +
           NameOf(static_cast<ecclRedOp_t>(wire_options >> 24 & 15)) + DescribeCompressed(*this) +
           ")";
  }
  text += std::string(" (") + NameOf(type) + " x " + std::to_string(count);
  if (kind == OpKind::kAllReduce || kind == OpKind::kReduceScatter || kind == OpKind::kReduce) {
    text += std::string(", ") + NameOf(op);
  }
  const bool rooted = kind == OpKind::kBroadcast || kind == OpKind::kReduce ||
                      kind == OpKind::kGather || kind == OpKind::kScatter;
  if (rooted) text += ", root " + std::to_string(root);
  return text + ")";
}

void OpDescriptor::Encode(std::byte* wire) const {
  const std::uint8_t small[4] = {static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(type),
                                 static_cast<std::uint8_t>(op), wire_format};
  std::memcpy(wire, &kMagic, 4);
  std::memcpy(wire + 4, small, 4);
  std::memcpy(wire + 8, &root, 4);
  std::memcpy(wire + 12, &wire_options, 4);
  std::memcpy(wire + 16, &count, 8);
  std::memcpy(wire + 24, &sequence, 8);
}

bool OpDescriptor::Decode(const std::byte* wire, OpDescriptor* descriptor) {
  std::uint32_t magic = 0;
  std::uint8_t small[4] = {};
  std::memcpy(&magic, wire, 4);
  std::memcpy(small, wire + 4, 4);
  if (magic != kMagic || small[0] >= std::size(kKinds)) return false;
  descriptor->kind = static_cast<OpKind>(small[0]);
  descriptor->type = static_cast<ecclDataType_t>(small[1]);
  descriptor->op = static_cast<ecclRedOp_t>(small[2]);
  descriptor->wire_format = small[3];
  std::memcpy(&descriptor->root, wire + 8, 4);
  std::memcpy(&descriptor->wire_options, wire + 12, 4);
  std::memcpy(&descriptor->count, wire + 16, 8);
  std::memcpy(&descriptor->sequence, wire + 24, 8);
  return true;
}

}  // namespace regatta::eccl
