#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace regatta::flow {

// Where a page ended, as an opaque word for the client: the sort and the key of its last row, in
// URL-safe base64 of a JSON list. `kind` ties it to one list and order.
std::string MakeCursor(const std::string& kind, const base::Json& key);
// kInvalidArgument for a word that is not a cursor of this kind with `size` values.
absl::StatusOr<base::Json> ReadCursor(const std::string& cursor, const std::string& kind,
                                      std::size_t size);

}  // namespace regatta::flow
