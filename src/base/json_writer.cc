#include "base/json_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace regatta::base {
namespace {

bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

}  // namespace

void JsonWriter::Separate() {
  if (!first_) out_ += ',';
  first_ = false;
}

void JsonWriter::Open(char bracket) {
  Separate();
  out_ += bracket;
  first_ = true;
}

void JsonWriter::Close(char bracket) {
  out_ += bracket;
  first_ = false;
}

void JsonWriter::Quoted(std::string_view value) {
  if (!std::all_of(value.begin(), value.end(), IsPlain)) {
    // Escapes and broken UTF-8 have their rules in one place.
    out_ += DumpJson(Json(value));
    return;
  }
  out_ += '"';
  out_ += value;
  out_ += '"';
}

void JsonWriter::Key(std::string_view name) {
  Separate();
  Quoted(name);
  out_ += ':';
  first_ = true;
}

void JsonWriter::Text(std::string_view value) {
  Separate();
  Quoted(value);
}

void JsonWriter::Integer(std::int64_t value) {
  Separate();
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  out_.append(digits, end);
}

void JsonWriter::Bool(bool value) {
  Separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::Value(const Json& value) {
  Separate();
  out_ += DumpJson(value);
}

std::string JsonWriter::Take() {
  first_ = true;
  return std::exchange(out_, std::string());
}

}  // namespace regatta::base
