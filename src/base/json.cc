#include "base/json.h"

namespace regatta::base {
namespace {

// Nesting depth of the text without building anything; strings are skipped.
int DepthOf(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

std::string Place(std::string_view text, std::size_t byte) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return Status(Code::kOutOfRange, "JSON of " + std::to_string(text.size()) +
                                         " bytes is over the limit of " +
                                         std::to_string(limits.bytes));
  }
  if (DepthOf(text) > limits.depth) {
    return Status(Code::kOutOfRange,
                  "JSON is nested deeper than the limit of " + std::to_string(limits.depth));
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return Status(Code::kInvalidArgument, "not valid JSON at " + Place(text, error.byte));
  } catch (const Json::out_of_range&) {
    // 1e400 is JSON, but no number of ours.
    return Status(Code::kInvalidArgument, "a number in this JSON is out of range");
  }
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace regatta::base
