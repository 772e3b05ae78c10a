#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"

namespace regatta::base {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t bytes = 16u << 20;
  int depth = 64;
};

// Parses JSON from outside. Size and nesting are checked before anything is built; the message of a
// syntax error has "line L, column C". kInvalidArgument, or kOutOfRange for a limit.
Result<Json> ParseJson(std::string_view text, const JsonLimits& limits = {});

// Compact UTF-8; bytes that are not UTF-8 become U+FFFD, so that output is always valid JSON.
std::string DumpJson(const Json& json);

}  // namespace regatta::base
