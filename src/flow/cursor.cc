#include "flow/cursor.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace regatta::flow {

std::string MakeCursor(const std::string& kind, const base::Json& key) {
  return absl::WebSafeBase64Escape(base::DumpJson({kind, key}));
}

absl::StatusOr<base::Json> ReadCursor(const std::string& cursor, const std::string& kind,
                                      std::size_t size) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "cursor \"", cursor.substr(0, 64),
        "\" does not belong to this list and order; take next_cursor of the page before"));
  };
  std::string text;
  if (cursor.size() > 1024 || !absl::WebSafeBase64Unescape(cursor, &text)) return bad();
  auto json = base::ParseJson(text, {.bytes = 1024, .depth = 4});
  if (!json.ok() || !json->is_array() || json->size() != 2 || (*json)[0] != kind ||
      !(*json)[1].is_array() || (*json)[1].size() != size) {
    return bad();
  }
  for (const base::Json& value : (*json)[1]) {
    if (!value.is_string() && !value.is_number_integer()) return bad();
  }
  return (*json)[1];
}

}  // namespace regatta::flow
