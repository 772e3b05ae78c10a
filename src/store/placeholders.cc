#include "store/placeholders.h"

namespace regatta::store::internal {

Placeholders FindPlaceholders(std::string_view sql) {
  Placeholders found;
  found.named.reserve(sql.size() + 16);
  std::size_t i = 0;
  const auto copy_until = [&](std::string_view end, std::size_t from) {
    std::size_t stop = sql.find(end, from);
    stop = stop == std::string_view::npos ? sql.size() : stop + end.size();
    found.named.append(sql.substr(i, stop - i));
    i = stop;
  };
  while (i < sql.size()) {
    const char c = sql[i];
    const std::string_view two = sql.substr(i, 2);
    if (c == '\'' || c == '"') {
      // A doubled quote inside ends this piece and starts the next, which is as good.
      copy_until(sql.substr(i, 1), i + 1);
    } else if (two == "--") {
      copy_until("\n", i);
    } else if (two == "/*") {
      copy_until("*/", i + 2);
    } else if (c == '?') {
      found.named += ":p" + std::to_string(++found.count);
      ++i;
    } else {
      found.named += c;
      ++i;
    }
  }
  return found;
}

}  // namespace regatta::store::internal
