#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace regatta::base {

// Writes JSON text from front to back, without a tree of values in between: for texts that are
// written for every step and event. Gives what DumpJson would give, but for the order of names,
// which is the caller's. Begin/End and Key/value must pair up; that is not checked.
class JsonWriter {
 public:
  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view name);

  void Text(std::string_view value);
  void Integer(std::int64_t value);
  void Bool(bool value);
  void Value(const Json& value);  // any value that is a tree already

  // One member of the object that is open.
  void Text(std::string_view name, std::string_view value) { Key(name), Text(value); }
  void Integer(std::string_view name, std::int64_t value) { Key(name), Integer(value); }
  void Bool(std::string_view name, bool value) { Key(name), Bool(value); }
  void Value(std::string_view name, const Json& value) { Key(name), Value(value); }
  // A list of texts, or a map from names to texts.
  template <typename List>
  void Texts(std::string_view name, const List& list) {
    Key(name);
    BeginArray();
    for (const auto& text : list) Text(text);
    EndArray();
  }
  template <typename Map>
  void TextMap(std::string_view name, const Map& map) {
    Key(name);
    BeginObject();
    for (const auto& [key, text] : map) Text(key, text);
    EndObject();
  }

  // The text so far; the writer starts anew.
  std::string Take();

 private:
  void Open(char bracket);
  void Close(char bracket);
  void Separate();
  void Quoted(std::string_view value);

  std::string out_;
  bool first_ = true;  // nothing before the next value in its array or object
};

}  // namespace regatta::base
