#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "server/api/api.h"

namespace regatta::server {

// Readers of what comes from outside. Each names the field, what is wrong and what would be right,
// keeps the first error and returns it from Finish, which also refuses fields that nobody asked
// for, with a suggestion. Until Finish is OK, what was read must not be used.

// The query of an address.
class QueryReader {
 public:
  explicit QueryReader(const Call& call) : query_(call.http.query) {}

  std::optional<std::string> Text(const std::string& name, std::size_t most_characters);
  std::optional<std::int64_t> Integer(const std::string& name, std::int64_t least,
                                      std::int64_t most);
  std::optional<std::string> Choice(const std::string& name,
                                    const std::vector<std::string>& choices);
  // "a,b": each one of `choices`, at most `most_items`.
  std::vector<std::string> Choices(const std::string& name, const std::vector<std::string>& choices,
                                   std::size_t most_items);
  // "true" or "false".
  std::optional<bool> Boolean(const std::string& name);
  // "" when absent.
  std::string Id(const std::string& name);
  absl::Status Finish();

 private:
  const std::string* Take(const std::string& name);
  void Fail(std::string message);

  const std::multimap<std::string, std::string>& query_;
  std::vector<std::string> known_;
  absl::Status status_;
};

// A JSON object as a body.
class BodyReader {
 public:
  // kInvalidArgument when the body is not a JSON object or is not declared as JSON. A body that is
  // absent reads as {} when `optional`.
  static absl::StatusOr<BodyReader> Parse(const Call& call, bool optional = false);

  // Characters are counted as Unicode code points, as the API's description does.
  std::optional<std::string> Text(const std::string& name, std::size_t most_characters,
                                  std::size_t fewest_characters = 0);
  std::string RequiredText(const std::string& name, std::size_t most_characters,
                           std::size_t fewest_characters = 0);
  std::optional<bool> Boolean(const std::string& name);
  std::optional<std::int64_t> Integer(const std::string& name, std::int64_t least,
                                      std::int64_t most);
  std::optional<std::string> Choice(const std::string& name,
                                    const std::vector<std::string>& choices);
  std::vector<std::string> TextList(const std::string& name);
  base::Json Object(const std::string& name);  // {} when absent
  absl::Status Finish();

 private:
  explicit BodyReader(base::Json json) : json_(std::move(json)) {}
  const base::Json* Take(const std::string& name);
  void Fail(absl::Status status);

  base::Json json_;
  std::vector<std::string> known_;
  absl::Status status_;
};

// The id in the path, checked.
absl::StatusOr<std::string> IdFromPath(const Call& call, const std::string& name);

// Last-Event-ID, else the query parameter that the reader gave; both are event ids.
absl::StatusOr<std::optional<std::int64_t>> LastEventId(const Call& call);

}  // namespace regatta::server
