#include "topology/xml.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>

namespace regatta::topology {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsNameChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' ||
         c == ':';
}

void AppendUtf8(std::uint32_t point, std::string* to) {
  const auto byte = [&](std::uint32_t value) { to->push_back(static_cast<char>(value)); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xc0 | point >> 6), byte(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    byte(0xe0 | point >> 12), byte(0x80 | (point >> 6 & 0x3f)), byte(0x80 | (point & 0x3f));
  } else {
    byte(0xf0 | point >> 18), byte(0x80 | (point >> 12 & 0x3f)), byte(0x80 | (point >> 6 & 0x3f));
    byte(0x80 | (point & 0x3f));
  }
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name, const XmlLimits& limits)
      : text_(text), name_(name), limits_(limits) {}

  base::Result<XmlElement> Parse() {
    if (text_.size() > limits_.bytes) {
      return TooMuch("more than " + std::to_string(limits_.bytes) + " bytes");
    }
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    BASE_RETURN_IF_ERROR(SkipBetween());
    if (Done()) return Error("there is no element");
    XmlElement root;
    BASE_RETURN_IF_ERROR(ParseElement(1, &root));
    BASE_RETURN_IF_ERROR(SkipBetween());
    if (!Done()) return Error("there is more after </" + root.name + ">, which ends the document");
    return root;
  }

 private:
  bool Done() const { return at_ >= text_.size(); }
  char Peek() const { return Done() ? '\0' : text_[at_]; }
  bool At(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  void Advance(std::size_t by) {
    const std::size_t end = std::min(at_ + by, text_.size());
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }

  base::Status Error(const std::string& what) const {
    return base::Status(base::Code::kInvalidArgument,
                        name_ + ":" + std::to_string(line_) + ": " + what);
  }
  base::Status TooMuch(const std::string& what) const {
    return base::Status(base::Code::kOutOfRange, name_ + ":" + std::to_string(line_) + ": " + what +
                                                     ", which no topology has");
  }

  void SkipBlanks() {
    while (!Done() && IsBlank(text_[at_])) Advance(1);
  }

  base::Status SkipPast(std::string_view begin, std::string_view end) {
    const std::size_t found = text_.find(end, at_ + begin.size());
    if (found == text_.npos)
      return Error("\"" + std::string(begin) + "\" without its \"" + std::string(end) + "\"");
    Advance(found + end.size() - at_);
    return {};
  }

  // Blanks, comments, processing instructions, a document type without declarations.
  base::Status SkipBetween() {
    while (true) {
      SkipBlanks();
      if (At("<!--")) {
        BASE_RETURN_IF_ERROR(SkipPast("<!--", "-->"));
      } else if (At("<?")) {
        BASE_RETURN_IF_ERROR(SkipPast("<?", "?>"));
      } else if (At("<!DOCTYPE")) {
        const std::size_t end = text_.find('>', at_);
        if (end == text_.npos || text_.substr(at_, end - at_).find('[') != std::string_view::npos) {
          return Error("a document type with declarations; topology files need none");
        }
        Advance(end + 1 - at_);
      } else {
        return {};
      }
    }
  }

  base::Status ParseName(const char* what, std::string* name) {
    const std::size_t begin = at_;
    while (!Done() && IsNameChar(text_[at_])) ++at_;
    *name = text_.substr(begin, at_ - begin);
    if (name->empty()) return Error(std::string(what) + " expected" + Here());
    return {};
  }

  std::string Here() const {
    if (Done()) return ", but the text ends";
    return std::string(", not \"") + text_[at_] + "\"";
  }

  base::Status ParseElement(int depth, XmlElement* element) {
    if (depth > limits_.depth)
      return TooMuch("elements nested more than " + std::to_string(limits_.depth) + " deep");
    if (++elements_ > limits_.elements) {
      return TooMuch("more than " + std::to_string(limits_.elements) + " elements");
    }
    if (Peek() != '<') return Error("text where an element is expected");
    if (At("<![CDATA[")) return Error("CDATA; topology files have attributes only");
    element->line = line_;
    Advance(1);
    BASE_RETURN_IF_ERROR(ParseName("an element's name", &element->name));
    while (true) {
      SkipBlanks();
      if (At("/>")) {
        Advance(2);
        return {};
      }
      if (Peek() == '>') break;
      BASE_RETURN_IF_ERROR(ParseAttribute(element));
    }
    Advance(1);
    while (true) {
      BASE_RETURN_IF_ERROR(SkipBetween());
      if (Done()) {
        return Error("the text ends inside <" + element->name + ">, which began in line " +
                     std::to_string(element->line));
      }
      if (At("</")) break;
      element->children.emplace_back();
      BASE_RETURN_IF_ERROR(ParseElement(depth + 1, &element->children.back()));
    }
    Advance(2);
    std::string closed;
    BASE_RETURN_IF_ERROR(ParseName("an element's name", &closed));
    SkipBlanks();
    if (closed != element->name) {
      return Error("</" + closed + "> where </" + element->name + "> of line " +
                   std::to_string(element->line) + " is expected");
    }
    if (Peek() != '>') return Error("\">\" expected" + Here());
    Advance(1);
    return {};
  }

  base::Status ParseAttribute(XmlElement* element) {
    std::string name;
    BASE_RETURN_IF_ERROR(ParseName("an attribute's name or \">\"", &name));
    SkipBlanks();
    if (Peek() != '=') return Error("\"=\" expected after " + name + Here());
    Advance(1);
    SkipBlanks();
    const char quote = Peek();
    if (quote != '"' && quote != '\'')
      return Error("the value of " + name + " has no quotation marks");
    Advance(1);
    const std::size_t end = text_.find(quote, at_);
    if (end == text_.npos) return Error("the value of " + name + " does not end");
    std::string value;
    BASE_RETURN_IF_ERROR(Decode(text_.substr(at_, end - at_), name, &value));
    Advance(end + 1 - at_);
    if (element->Find(name) != nullptr)
      return Error("<" + element->name + "> has " + name + " twice");
    element->attributes.emplace_back(std::move(name), std::move(value));
    return {};
  }

  base::Status Decode(std::string_view raw, const std::string& attribute,
                      std::string* value) const {
    static constexpr std::pair<std::string_view, char> kEntities[] = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '<') return Error("\"<\" in the value of " + attribute + "; write &lt;");
      if (raw[i] != '&') {
        value->push_back(raw[i]);
        continue;
      }
      const std::size_t end = raw.find(';', i);
      const std::string_view entity =
          end == raw.npos ? std::string_view() : raw.substr(i + 1, end - i - 1);
      const auto* const known = std::find_if(std::begin(kEntities), std::end(kEntities),
                                             [&](const auto& one) { return one.first == entity; });
      std::uint32_t point = 0;
      if (known != std::end(kEntities)) {
        value->push_back(known->second);
      } else if (ParseCharacter(entity, &point)) {
        AppendUtf8(point, value);
      } else {
        return Error("an unknown entity in the value of " + attribute + "; write \"&\" as &amp;");
      }
      i = end;
    }
    return {};
  }

  // "#65", "#x41".
  static bool ParseCharacter(std::string_view entity, std::uint32_t* point) {
    if (entity.size() < 2 || entity.size() > 9 || entity[0] != '#') return false;
    const bool hexadecimal = entity[1] == 'x';
    const std::string digits(entity.substr(hexadecimal ? 2 : 1));
    char* end = nullptr;
    const unsigned long value = std::strtoul(digits.c_str(), &end, hexadecimal ? 16 : 10);
    if (digits.empty() || std::isxdigit(static_cast<unsigned char>(digits[0])) == 0 || *end != '\0')
      return false;
    if (value == 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return false;
    *point = static_cast<std::uint32_t>(value);
    return true;
  }

  std::string_view text_;
  const std::string& name_;
  XmlLimits limits_;
  std::size_t at_ = 0;
  int line_ = 1;
  int elements_ = 0;
};

std::string Escape(const std::string& value) {
  std::string out;
  for (const char c : value) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";
        break;
      default:
        // Other control characters do not exist in XML 1.0.
        out.push_back(static_cast<unsigned char>(c) < 0x20 && c != '\t' ? '?' : c);
    }
  }
  return out;
}

void Write(const XmlElement& element, int depth, std::string* out) {
  const std::string lead(static_cast<std::size_t>(depth) * 2, ' ');
  *out += lead + "<" + element.name;
  for (const auto& [name, value] : element.attributes)
    *out += " " + name + "=\"" + Escape(value) + "\"";
  if (element.children.empty()) {
    *out += "/>\n";
    return;
  }
  *out += ">\n";
  for (const XmlElement& child : element.children) Write(child, depth + 1, out);
  *out += lead + "</" + element.name + ">\n";
}

}  // namespace

const std::string* XmlElement::Find(std::string_view attribute) const {
  for (const auto& [key, value] : attributes) {
    if (key == attribute) return &value;
  }
  return nullptr;
}

base::Result<XmlElement> ParseXml(std::string_view text, const std::string& name,
                                  const XmlLimits& limits) {
  return Parser(text, name, limits).Parse();
}

std::string WriteXml(const XmlElement& element) {
  std::string out;
  Write(element, 0, &out);
  return out;
}

}  // namespace regatta::topology
