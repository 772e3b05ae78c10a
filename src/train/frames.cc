#include "train/frames.h"

namespace regatta::train {
namespace {

using base::Code;
using base::Status;

constexpr std::size_t kHeader = 4;
constexpr std::size_t kMostNoise = 64u << 10;

}  // namespace

std::string EncodeFrame(FrameKind kind, std::string_view body) {
  const auto length = static_cast<std::uint32_t>(body.size() + 1);
  std::string frame;
  frame.reserve(kHeader + length);
  for (unsigned shift = 0; shift < 32; shift += 8) {
    frame.push_back(static_cast<char>((length >> shift) & 0xff));
  }
  frame.push_back(static_cast<char>(kind));
  frame.append(body);
  return frame;
}

base::Result<std::optional<Frame>> FrameReader::Next() {
  if (!greeting_.empty()) {
    const auto found = buffer_.find(greeting_);
    if (found == std::string::npos) {
      if (buffer_.size() < kMostNoise) return std::optional<Frame>();
      return Status(Code::kDataLoss, "no rank agent answers, but something that talks a lot");
    }
    buffer_.erase(0, found + greeting_.size());
    greeting_ = {};
  }
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  if (rest.size() < kHeader) return std::optional<Frame>();
  std::uint32_t length = 0;
  for (unsigned byte = 0; byte < kHeader; ++byte) {
    length |= static_cast<std::uint32_t>(static_cast<unsigned char>(rest[byte])) << (8 * byte);
  }
  if (length < 1 || length > kLongestFrame) {
    return Status(Code::kDataLoss, "a frame of " + std::to_string(length) +
                                       " bytes came; something else writes into the stream");
  }
  if (rest.size() < kHeader + length) return std::optional<Frame>();
  Frame frame{static_cast<FrameKind>(rest[kHeader]),
              std::string(rest.substr(kHeader + 1, length - 1))};
  at_ += kHeader + length;
  // Moved together now and then, not for every frame.
  if (at_ == buffer_.size() || at_ > (1u << 20)) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  return std::optional<Frame>(std::move(frame));
}

std::string JoinFields(const std::vector<std::string>& fields) {
  std::string body;
  for (const std::string& field : fields) {
    body.append(field);
    body.push_back('\0');
  }
  return body;
}

base::Result<std::vector<std::string>> SplitFields(std::string_view body) {
  std::vector<std::string> fields;
  while (!body.empty()) {
    const auto end = body.find('\0');
    if (end == std::string_view::npos) return Status(Code::kDataLoss, "a field has no end");
    fields.emplace_back(body.substr(0, end));
    body.remove_prefix(end + 1);
  }
  return fields;
}

}  // namespace regatta::train
