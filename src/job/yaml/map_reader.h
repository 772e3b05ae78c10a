#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/suggest.h"
#include "job/yaml/problem.h"
#include "job/yaml/text.h"
#include "job/yaml/yaml_reader.h"

namespace regatta::job {

// Where one is while reading: collects problems and knows the file and the path.
class ReadContext {
 public:
  ReadContext(std::string file, bool compat, std::vector<Problem>* problems)
      : file_(std::move(file)), compat_(compat), problems_(problems) {}

  bool compat() const { return compat_; }
  // A pipeline says so itself with `compat: paddleflow`.
  void SetCompat() { compat_ = true; }
  Place At(const YamlNode& node) const { return {file_, node.line, node.column}; }
  Place At(const YamlNode::Member& member) const { return {file_, member.line, member.column}; }
  void Add(const Place& place, std::string path, std::string message) {
    if (full()) return;
    problems_->push_back({place, OneLine(std::move(path)), OneLine(std::move(message))});
  }
  void Add(const YamlNode& node, std::string path, std::string message) {
    Add(At(node), std::move(path), std::move(message));
  }
  std::size_t count() const { return problems_->size(); }
  // Nobody reads more than this; looking on would only cost time.
  bool full() const { return problems_->size() >= 1000; }
  // " (did you mean \"prepare\"?)". Only for the first problems: comparing thousands of wrong names
  // with thousands of right ones takes minutes.
  std::string Hint(std::string_view word, const std::vector<std::string>& known) const {
    return count() < (known.size() < 1000 ? 20 : 5) ? base::DidYouMean(word, known) : "";
  }

 private:
  std::string file_;
  bool compat_;
  std::vector<Problem>* problems_;
};

// "a.b", or "b" when there is no `head`.
std::string JoinDots(std::string_view head, std::string_view tail);

// The fields of one map with a fixed set of keys. Unknown keys are problems (with a suggestion) as
// soon as the reader is made; a null value counts as an absent key.
class MapReader {
 public:
  // `what`: "step", "workflow", "cache": who has no such attribute.
  MapReader(const YamlNode& node, std::string what, std::string path,
            std::vector<std::string> known, ReadContext* context);

  // Null when absent.
  const YamlNode* Find(std::string_view key) const;
  const YamlNode::Member* FindMember(std::string_view key) const;
  std::string PathOf(std::string_view key) const { return JoinDots(path_, key); }

  // Typed reading: `fallback` when absent; a problem and `fallback` when of another type.
  std::string Text(std::string_view key, std::string fallback = "") const;
  std::int64_t Integer(std::string_view key, std::int64_t fallback) const;
  bool Bool(std::string_view key, bool fallback) const;

 private:
  const YamlNode& node_;
  std::string path_;
  ReadContext* context_;
};

}  // namespace regatta::job
