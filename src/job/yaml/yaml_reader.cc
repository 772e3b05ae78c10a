#include "job/yaml/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <exception>
#include <sstream>
#include <unordered_set>

#include "job/yaml/text.h"

namespace regatta::job {
namespace {

struct Refusal : std::exception {
  Refusal(int line_in, int column_in, std::string message_in)
      : line(line_in), column(column_in), message(std::move(message_in)) {}
  const char* what() const noexcept override { return message.c_str(); }
  int line;
  int column;
  std::string message;
};

// Builds the tree from the parser's events. Throwing is the parser's own way of stopping early;
// everything is caught in ReadYaml.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const YamlLimits& limits, YamlNode* tree) : limits_(limits), tree_(tree) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    YamlNode node = NodeAt(mark, YamlNode::Kind::kNull);
    Place(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal(mark.line + 1, mark.column + 1,
                  "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (value.size() > limits_.scalar_bytes) {
      throw Refusal(mark.line + 1, mark.column + 1,
                    Cat("a text of ", std::to_string(value.size()), " bytes is over the limit of ",
                        std::to_string(limits_.scalar_bytes)));
    }
    YamlNode node = NodeAt(mark, YamlNode::Kind::kScalar);
    node.scalar = value;
    node.quoted = tag == "!";
    Place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    Open(NodeAt(mark, YamlNode::Kind::kList));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    Open(NodeAt(mark, YamlNode::Kind::kMap));
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    YamlNode node;
    YamlNode::Member pending;  // a map's key that waits for its value
    bool has_key = false;
    std::unordered_set<std::string> keys;
  };

  YamlNode NodeAt(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++nodes_ > limits_.nodes) {
      throw Refusal(mark.line + 1, mark.column + 1,
                    Cat("more than ", std::to_string(limits_.nodes), " values"));
    }
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    throw Refusal(mark.line + 1, mark.column + 1,
                  "anchors (&name) are not supported; write the value out");
  }

  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refusal(mark.line + 1, mark.column + 1, Cat("tags (", tag, ") are not supported"));
  }

  void Open(YamlNode node) {
    if (static_cast<int>(frames_.size()) >= limits_.depth) {
      throw Refusal(node.line, node.column,
                    Cat("nested deeper than the limit of ", std::to_string(limits_.depth)));
    }
    if (!frames_.empty() && frames_.back().node.is_map() && !frames_.back().has_key) {
      throw Refusal(node.line, node.column, "a key must be a plain text, not a list or a map");
    }
    Frame frame;
    frame.node = std::move(node);
    frames_.push_back(std::move(frame));
  }

  void Close() {
    YamlNode node = std::move(frames_.back().node);
    frames_.pop_back();
    Place(std::move(node));
  }

  void Place(YamlNode node) {
    if (frames_.empty()) {
      *tree_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      if (!node.is_scalar()) throw Refusal(node.line, node.column, "a key is missing before \":\"");
      if (!frame.keys.insert(node.scalar).second) {
        throw Refusal(node.line, node.column,
                      Cat("the key ", Quoted(node.scalar), " stands here a second time"));
      }
      frame.pending = {std::move(node.scalar), node.line, node.column, {}};
      frame.has_key = true;
    } else {
      frame.pending.value = std::move(node);
      frame.node.members.push_back(std::move(frame.pending));
      frame.has_key = false;
    }
  }

  const YamlLimits& limits_;
  YamlNode* tree_;
  std::size_t nodes_ = 0;
  std::vector<Frame> frames_;
};

// Where the first byte that is not valid UTF-8 stands, or npos.
std::size_t FirstInvalidUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const int length = c < 0x80                ? 1
                       : c >= 0xc2 && c < 0xe0 ? 2
                       : c >= 0xe0 && c < 0xf0 ? 3
                       : c >= 0xf0 && c < 0xf5 ? 4
                                               : 0;
    if (length == 0 || i + static_cast<std::size_t>(length) > text.size()) return i;
    std::uint32_t point = length == 1 ? c : c & (0x7fu >> length);
    for (int k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if ((next & 0xc0) != 0x80) return i;
      point = point << 6 | (next & 0x3f);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (overlong || surrogate || point > 0x10ffff ||
        (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) {
      return i;
    }
    i += static_cast<std::size_t>(length);
  }
  return std::string_view::npos;
}

std::pair<int, int> PlaceOf(std::string_view text, std::size_t at) {
  int line = 1;
  int column = 1;
  for (std::size_t i = 0; i < at; ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return {line, column};
}

// The column of a tab in the indentation of a line (from 1), or 0. YAML forbids it, and the
// parser's own message for it is about something else.
int TabInIndentation(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const std::size_t indent = text.find_first_not_of(" \t");
  const std::size_t tab = text.substr(0, indent).find('\t');
  return tab == std::string_view::npos ? 0 : static_cast<int>(tab) + 1;
}

bool IsNumber(std::string_view text, bool* is_float) {
  std::size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  std::size_t digits = 0;
  bool dot = false;
  bool exponent = false;
  for (; i < text.size(); ++i) {
    if (text[i] >= '0' && text[i] <= '9') {
      ++digits;
    } else if (text[i] == '.' && !dot && !exponent) {
      dot = true;
    } else if ((text[i] == 'e' || text[i] == 'E') && digits > 0 && !exponent) {
      exponent = true;
      if (i + 1 < text.size() && (text[i + 1] == '-' || text[i + 1] == '+')) ++i;
      if (i + 1 >= text.size()) return false;
    } else {
      return false;
    }
  }
  *is_float = dot || exponent;
  return digits > 0;
}

}  // namespace

std::string YamlNode::Describe() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
    case Kind::kScalar:
      break;
  }
  const base::Json value = Value();
  if (value.is_boolean()) return "the truth value " + scalar;
  if (value.is_number()) return "the number " + scalar;
  if (value.is_discarded()) return "the number " + scalar + ", which is out of range";
  return "the text " + Quoted(scalar);
}

base::Json YamlNode::Value() const {
  if (kind == Kind::kNull) return nullptr;
  if (quoted) return scalar;
  if (scalar.empty() || scalar == "~" || scalar == "null" || scalar == "Null" || scalar == "NULL") {
    return nullptr;
  }
  if (scalar == "true" || scalar == "True" || scalar == "TRUE") return true;
  if (scalar == "false" || scalar == "False" || scalar == "FALSE") return false;
  const std::string_view unsigned_part =
      scalar.front() == '-' || scalar.front() == '+' ? std::string_view(scalar).substr(1) : scalar;
  // Numbers that have no JSON form are no text either: whoever wrote them must hear of it.
  const base::Json out_of_range(base::Json::value_t::discarded);
  if (unsigned_part == ".inf" || unsigned_part == ".Inf" || unsigned_part == ".INF" ||
      scalar == ".nan" || scalar == ".NaN" || scalar == ".NAN") {
    return out_of_range;
  }
  const char* begin = scalar.data() + (scalar.front() == '+' ? 1 : 0);
  const char* end = scalar.data() + scalar.size();
  std::int64_t integer = 0;
  for (const auto& [prefix, radix] : {std::pair{"0x", 16}, std::pair{"0o", 8}}) {
    if (!scalar.starts_with(prefix) || scalar.size() == 2) continue;
    const auto [stop, error] = std::from_chars(begin + 2, end, integer, radix);
    if (error == std::errc() && stop == end && scalar[2] != '-') return integer;
    if (error == std::errc::result_out_of_range && stop == end) return out_of_range;
  }
  bool is_float = false;
  if (!IsNumber(scalar, &is_float)) return scalar;
  if (!is_float) {
    const auto [stop, error] = std::from_chars(begin, end, integer);
    return error == std::errc() && stop == end ? base::Json(integer) : out_of_range;
  }
  double number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  return error == std::errc() && stop == end ? base::Json(number) : out_of_range;
}

bool ReadYaml(std::string_view text, const std::string& file, const YamlLimits& limits,
              YamlNode* tree, std::vector<Problem>* problems) {
  std::vector<YamlNode> documents;
  if (!ReadYamlDocuments(text, file, limits, 2, &documents, problems)) return false;
  if (documents.size() > 1) {
    problems->push_back({{file, documents[1].line, documents[1].column},
                         "",
                         "a second document begins here; give each a file of its own"});
    return false;
  }
  *tree = std::move(documents.front());
  return true;
}

bool ReadYamlDocuments(std::string_view text, const std::string& file, const YamlLimits& limits,
                       std::size_t most, std::vector<YamlNode>* documents,
                       std::vector<Problem>* problems) {
  const auto refuse = [&](int line, int column, std::string message) {
    problems->push_back({{file, line, column}, "", OneLine(std::move(message))});
    return false;
  };
  if (text.size() > limits.bytes) {
    return refuse(1, 1,
                  Cat("a file of ", std::to_string(text.size()), " bytes is over the limit of ",
                      std::to_string(limits.bytes)));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const std::size_t bad = FirstInvalidUtf8(text); bad != std::string_view::npos) {
    const auto [line, column] = PlaceOf(text, bad);
    return refuse(line, column, "not UTF-8 text; save the file as UTF-8");
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (documents->size() < most) {
      YamlNode tree;
      TreeBuilder builder(limits, &tree);
      if (!parser.HandleNextDocument(builder)) break;
      documents->push_back(std::move(tree));
    }
    if (documents->empty()) return refuse(1, 1, "the file is empty");
  } catch (const Refusal& refusal) {
    return refuse(refusal.line, refusal.column, refusal.message);
  } catch (const YAML::Exception& error) {
    const int line = std::max(0, error.mark.line) + 1;
    const int column = std::max(0, error.mark.column) + 1;
    if (const int tab = TabInIndentation(text, line); tab > 0) {
      return refuse(line, tab, "a tab in the indentation; use spaces");
    }
    return refuse(line, column, Cat("not valid YAML: ", error.msg));
  }
  return true;
}

}  // namespace regatta::job
