#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace regatta::train {

// What the launcher and its agent on a host say to each other over the agent's standard input and
// output. docs/formats/rank-agent.md has the bytes.
enum class FrameKind : std::uint8_t {
  // From the launcher.
  kSetup = 1,
  kAsk = 2,
  kStart = 3,
  kSignal = 4,
  kSend = 5,
  kStop = 6,
  kPing = 7,
  // From the agent.
  kHello = 64,
  kAddress = 65,
  kOutput = 66,
  kEnded = 67,
  kReceived = 68,
  kPong = 69,
};

constexpr int kAgentVersion = 1;
// The agent writes this first: before it may come whatever the other side's shell prints.
constexpr std::string_view kAgentGreeting = "\nregatta-rank-agent\n";
constexpr std::size_t kLongestFrame = 16u << 20;  // bytes, kind and body

struct Frame {
  FrameKind kind = FrameKind::kPing;
  std::string body;

  bool operator==(const Frame&) const = default;
};

std::string EncodeFrame(FrameKind kind, std::string_view body);

// Cuts a stream into frames.
class FrameReader {
 public:
  // `greeting`: frames begin after this text, wherever it comes within the first 64 KiB.
  explicit FrameReader(std::string_view greeting = {}) : greeting_(greeting) {}

  void Feed(std::string_view bytes) { buffer_.append(bytes); }

  // The next frame; nothing when it is not complete. kDataLoss, from then on, for a stream that
  // does not greet or has a frame of no possible length.
  base::Result<std::optional<Frame>> Next();

  // What came before the greeting, or is not yet a frame.
  std::string_view rest() const { return std::string_view(buffer_).substr(at_); }

 private:
  std::string_view greeting_;
  std::string buffer_;
  std::size_t at_ = 0;  // of the first byte that is in no frame given out
};

// A list of texts without NULs in them, each ended by one.
std::string JoinFields(const std::vector<std::string>& fields);
// kDataLoss when the last one is not ended.
base::Result<std::vector<std::string>> SplitFields(std::string_view body);

}  // namespace regatta::train
