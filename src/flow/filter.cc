#include "flow/filter.h"

namespace regatta::flow {

std::string LikePattern(const std::string& part) {
  std::string pattern = "%";
  for (char c : part) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '%' || c == '_' || c == '!') pattern += '!';
    pattern += c;
  }
  return pattern + "%";
}

store::Value ValueOf(const base::Json& json) {
  if (json.is_string()) return json.get<std::string>();
  return json.get<std::int64_t>();
}

}  // namespace regatta::flow
