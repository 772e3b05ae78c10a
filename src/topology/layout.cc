#include "topology/layout.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/suggest.h"

namespace regatta::topology {
namespace {

constexpr double kMebibyte = 1 << 20;
constexpr double kLayers = 32;
constexpr double kMicroBatches = 16;
constexpr int kMostRanks = 1 << 20;
constexpr int kMostDimensions = 6;  // 720 orders

struct Kind {
  const char* name;
  const char* word;
  Pattern pattern;
  double bytes;
  double calls;
};

constexpr std::array kKinds = {
    Kind{"tp", "tensor", Pattern::kAllReduce, 32 * kMebibyte, 4 * kLayers* kMicroBatches},
    Kind{"cp", "context", Pattern::kAllGather, 16 * kMebibyte, 2 * kLayers* kMicroBatches},
    Kind{"ep", "expert", Pattern::kAllToAll, 32 * kMebibyte, 4 * kLayers / 2 * kMicroBatches},
    Kind{"sharding", "fsdp", Pattern::kAllGather, 416 * kMebibyte, 3 * kLayers},
    Kind{"dp", "data", Pattern::kAllReduce, 13 * 1024 * kMebibyte, 1},
    Kind{"pp", "pipeline", Pattern::kPointToPoint, 32 * kMebibyte, 2 * kMicroBatches},
};

base::Status Wrong(std::string_view piece, const std::string& what) {
  return base::Status(base::Code::kInvalidArgument,
                      "layout: \"" + std::string(piece) + "\" " + what);
}

base::Result<Dimension> ParseDimension(std::string_view piece) {
  const std::size_t equals = piece.find('=');
  if (equals == piece.npos) return Wrong(piece, "has no size; it is written as tp=8");
  const std::string name(piece.substr(0, equals));
  const auto* const kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& one) {
    return name == one.name || name == one.word;
  });
  if (kind == kKinds.end()) {
    std::vector<std::string> names;
    for (const Kind& one : kKinds) names.insert(names.end(), {one.name, one.word});
    return Wrong(piece, "is no dimension; they are tp, cp, ep, sharding, dp and pp" +
                            base::DidYouMean(name, names));
  }
  const std::string_view digits = piece.substr(equals + 1);
  int size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  if (error != std::errc() || end != digits.data() + digits.size() || size < 1 ||
      size > kMostRanks) {
    return Wrong(piece, "has no size from 1 to " + std::to_string(kMostRanks));
  }
  return Dimension{kind->name, size, kind->pattern, kind->bytes, kind->calls};
}

}  // namespace

int WorldSize(const Layout& layout) {
  int size = 1;
  for (const Dimension& dimension : layout) size *= dimension.size;
  return size;
}

base::Status CheckLayout(const Layout& layout) {
  if (layout.empty()) return Wrong("", "has no dimension");
  std::int64_t world = 1;
  int several = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const Dimension& one = layout[i];
    if (one.name.empty()) return Wrong("", "is no name of a dimension");
    for (std::size_t other = 0; other < i; ++other) {
      if (layout[other].name == one.name) return Wrong(one.name, "is there twice");
    }
    if (one.size < 1 || one.size > kMostRanks) {
      return Wrong(one.name, "has no size from 1 to " + std::to_string(kMostRanks));
    }
    if (one.pattern > Pattern::kPointToPoint) return Wrong(one.name, "has no known pattern");
    if (!std::isfinite(one.bytes) || one.bytes < 0 || !std::isfinite(one.calls) || one.calls < 0) {
      return Wrong(one.name, "sends bytes or calls that are no number from 0");
    }
    world *= one.size;
    if (world > kMostRanks) {
      return Wrong(one.name, "makes more than " + std::to_string(kMostRanks) + " ranks");
    }
    if (one.size > 1 && ++several > kMostDimensions) {
      return Wrong(one.name, "makes more than six dimensions of several ranks");
    }
  }
  return {};
}

base::Result<Layout> ParseLayout(std::string_view text) {
  Layout layout;
  std::int64_t world = 1;
  while (true) {
    const std::size_t comma = text.find(',');
    BASE_ASSIGN_OR_RETURN(Dimension dimension, ParseDimension(text.substr(0, comma)));
    for (const Dimension& other : layout) {
      if (other.name == dimension.name) {
        return Wrong(text.substr(0, comma), "is there twice");
      }
    }
    world *= dimension.size;
    if (world > kMostRanks) {
      return Wrong(text.substr(0, comma),
                   "makes more than " + std::to_string(kMostRanks) + " ranks");
    }
    layout.push_back(std::move(dimension));
    if (comma == text.npos) return layout;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace regatta::topology
