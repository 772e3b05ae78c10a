#include "server/api/input.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/absl_status.h"
#include "base/suggest.h"
#include "base/ulid.h"

namespace regatta::server {
namespace {

std::size_t CodePoints(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  return absl::StrCat("\"", std::string(text.substr(0, kShown)), text.size() > kShown ? "…" : "",
                      "\"");
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string OneOf(const std::vector<std::string>& choices, const std::string& value) {
  return absl::StrCat("must be one of ", absl::StrJoin(choices, ", "), ", not ", Quoted(value),
                      base::DidYouMean(value, choices));
}

}  // namespace

const std::string* QueryReader::Take(const std::string& name) {
  known_.push_back(name);
  const auto [begin, end] = query_.equal_range(name);
  if (begin == end) return nullptr;
  if (std::next(begin) != end) Fail(absl::StrCat("query parameter \"", name, "\" is given twice"));
  return &begin->second;
}

void QueryReader::Fail(std::string message) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(message);
}

std::optional<std::string> QueryReader::Text(const std::string& name, std::size_t most_characters) {
  const std::string* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (CodePoints(*value) > most_characters) {
    Fail(absl::StrCat("query parameter \"", name, "\" is longer than ", most_characters,
                      " characters"));
  }
  if (value->find('\0') != std::string::npos) {
    Fail(absl::StrCat("query parameter \"", name, "\" has a NUL character in it"));
  }
  return *value;
}

std::optional<std::int64_t> QueryReader::Integer(const std::string& name, std::int64_t least,
                                                 std::int64_t most) {
  const std::string* value = Take(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number = ParseInteger(*value);
  if (!number || *number < least || *number > most) {
    Fail(absl::StrCat("query parameter \"", name, "\" must be a whole number from ", least, " to ",
                      most, ", not ", Quoted(*value)));
  }
  return number;
}

std::optional<std::string> QueryReader::Choice(const std::string& name,
                                               const std::vector<std::string>& choices) {
  const std::string* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (!Contains(choices, *value)) {
    Fail(absl::StrCat("query parameter \"", name, "\" ", OneOf(choices, *value)));
  }
  return *value;
}

std::vector<std::string> QueryReader::Choices(const std::string& name,
                                              const std::vector<std::string>& choices,
                                              std::size_t most_items) {
  const std::string* value = Take(name);
  if (value == nullptr || value->empty()) return {};
  std::vector<std::string> items;
  for (const auto item : absl::StrSplit(*value, ',')) {
    items.emplace_back(item);
    if (!Contains(choices, items.back())) {
      Fail(absl::StrCat("query parameter \"", name, "\" ", OneOf(choices, items.back())));
    }
    if (items.size() > most_items) {
      Fail(absl::StrCat("query parameter \"", name, "\" has more than ", most_items, " items"));
      break;
    }
  }
  return items;
}

std::optional<bool> QueryReader::Boolean(const std::string& name) {
  const std::optional<std::string> value = Choice(name, {"true", "false"});
  if (!value) return std::nullopt;
  return *value == "true";
}

std::string QueryReader::Id(const std::string& name) {
  const std::string* value = Take(name);
  if (value == nullptr) return "";
  if (!base::IsUlid(*value)) {
    Fail(absl::StrCat("query parameter \"", name, "\" is no id: ids have 26 lower-case letters ",
                      "and digits, not ", Quoted(*value)));
  }
  return *value;
}

absl::Status QueryReader::Finish() {
  for (const auto& [key, value] : query_) {
    if (Contains(known_, key)) continue;
    Fail(absl::StrCat("there is no query parameter ", Quoted(key), " here",
                      base::DidYouMean(key, known_)));
  }
  return status_;
}

absl::StatusOr<BodyReader> BodyReader::Parse(const Call& call, bool optional) {
  if (call.http.body.empty() && optional) return BodyReader(base::Json::object());
  const std::string type = call.http.Header("content-type");
  const std::string media_type(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))));
  if (!absl::EqualsIgnoreCase(media_type, "application/json")) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body must be JSON (Content-Type: application/json), not ",
                     type.empty() ? "without a type" : Quoted(type)));
  }
  auto json = base::ParseJson(call.http.body, {.bytes = call.http.body.size() + 1, .depth = 64});
  if (!json.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the body: ", json.status().message()));
  }
  if (!json->is_object()) return absl::InvalidArgumentError("the body must be a JSON object");
  return BodyReader(*std::move(json));
}

void BodyReader::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

const base::Json* BodyReader::Take(const std::string& name) {
  known_.push_back(name);
  const auto it = json_.find(name);
  return it == json_.end() ? nullptr : &*it;
}

std::optional<std::string> BodyReader::Text(const std::string& name, std::size_t most_characters,
                                            std::size_t fewest_characters) {
  const base::Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" must be text, not ", value->type_name())));
    return std::nullopt;
  }
  const auto& text = value->get_ref<const std::string&>();
  const std::size_t characters = CodePoints(text);
  if (characters > most_characters) {
    Fail(absl::OutOfRangeError(absl::StrCat("\"", name, "\" has ", characters,
                                            " characters; the limit is ", most_characters)));
  }
  if (characters < fewest_characters) {
    Fail(absl::InvalidArgumentError(absl::StrCat("\"", name, "\" must not be empty")));
  }
  if (text.find('\0') != std::string::npos) {
    Fail(absl::InvalidArgumentError(absl::StrCat("\"", name, "\" has a NUL character in it")));
  }
  return text;
}

std::string BodyReader::RequiredText(const std::string& name, std::size_t most_characters,
                                     std::size_t fewest_characters) {
  const std::optional<std::string> text = Text(name, most_characters, fewest_characters);
  if (!text) Fail(absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is missing")));
  return text.value_or("");
}

std::optional<bool> BodyReader::Boolean(const std::string& name) {
  const base::Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" must be true or false, not ", value->type_name())));
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<std::int64_t> BodyReader::Integer(const std::string& name, std::int64_t least,
                                                std::int64_t most) {
  const base::Json* value = Take(name);
  if (value == nullptr) return std::nullopt;
  // As JSON Schema counts: 2.0 is a whole number, too.
  const double number = value->is_number() ? value->get<double>() : 0.5;
  if (number != std::floor(number) || number < static_cast<double>(least) ||
      number > static_cast<double>(most)) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" must be a whole number from ", least, " to ", most)));
    return std::nullopt;
  }
  return static_cast<std::int64_t>(number);
}

std::optional<std::string> BodyReader::Choice(const std::string& name,
                                              const std::vector<std::string>& choices) {
  std::optional<std::string> value = Text(name, 1000);
  if (value && !Contains(choices, *value)) {
    Fail(absl::InvalidArgumentError(absl::StrCat("\"", name, "\" ", OneOf(choices, *value))));
  }
  return value;
}

std::vector<std::string> BodyReader::TextList(const std::string& name) {
  const base::Json* value = Take(name);
  if (value == nullptr) return {};
  std::vector<std::string> items;
  if (value->is_array()) {
    for (const base::Json& item : *value) {
      if (!item.is_string()) break;
      items.push_back(item.get<std::string>());
    }
  }
  if (!value->is_array() || items.size() != value->size()) {
    Fail(absl::InvalidArgumentError(absl::StrCat("\"", name, "\" must be a list of texts")));
  }
  return items;
}

base::Json BodyReader::Object(const std::string& name) {
  const base::Json* value = Take(name);
  if (value == nullptr) return base::Json::object();
  if (!value->is_object()) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" must be an object, not ", value->type_name())));
    return base::Json::object();
  }
  return *value;
}

absl::Status BodyReader::Finish() {
  // A misspelt field comes before the one that is then missing.
  for (const auto& [key, value] : json_.items()) {
    if (Contains(known_, key)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("there is no field ", Quoted(key), " here", base::DidYouMean(key, known_)));
  }
  return status_;
}

absl::StatusOr<std::string> IdFromPath(const Call& call, const std::string& name) {
  const std::string& id = call.http.params.at(name);
  if (!base::IsUlid(id)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(id), " is not an id: ids have 26 lower-case letters and digits"));
  }
  return id;
}

absl::StatusOr<std::optional<std::int64_t>> LastEventId(const Call& call) {
  const std::string text = call.http.Header("last-event-id");
  if (text.empty()) return std::nullopt;
  const std::optional<std::int64_t> id = ParseInteger(text);
  if (!id || *id < 0 || text.size() > 19) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Last-Event-ID must be the id of an event of this stream, not ", Quoted(text)));
  }
  return id;
}

}  // namespace regatta::server
