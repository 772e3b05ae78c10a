#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "job/yaml/problem.h"

namespace regatta::job {

// A YAML document as a plain tree in which everything knows where it stands.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1;    // from 1
  int column = 1;  // from 1
  std::string scalar;
  bool quoted = false;  // written in quotes or as a block: always a string
  std::vector<YamlNode> items;
  struct Member;
  std::vector<Member> members;  // of a map, in the order of the file

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // "a list", "a map", "the number 3", "the text \"x\"": for messages.
  std::string Describe() const;
  // The scalar by YAML 1.2's core schema: null, true/false, integer, float or string; "discarded"
  // for a number that has no JSON form (an integer beyond 64 bits, 1e999, .inf, .nan).
  base::Json Value() const;
};

struct YamlNode::Member {
  std::string key;
  int line = 1;
  int column = 1;
  YamlNode value;
};

struct YamlLimits {
  std::size_t bytes = 4u << 20;
  int depth = 100;
  std::size_t scalar_bytes = 1u << 20;
  std::size_t nodes = 2'000'000;
};

// Reads exactly one document. Refused with a problem each: text over the limits (checked before and
// while it is parsed), bytes that are not UTF-8, tabs as indentation, anchors and aliases, tags,
// keys that are no plain text, duplicate keys, several documents. Returns false and adds to
// `problems` when there is no tree.
bool ReadYaml(std::string_view text, const std::string& file, const YamlLimits& limits,
              YamlNode* tree, std::vector<Problem>* problems);

// The same for a file with several documents, of which at most the first `most` are read. False
// when there is none, or one that is read cannot be understood.
bool ReadYamlDocuments(std::string_view text, const std::string& file, const YamlLimits& limits,
                       std::size_t most, std::vector<YamlNode>* documents,
                       std::vector<Problem>* problems);

}  // namespace regatta::job
