#include "flow/condition.h"

#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "base/absl_status.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

struct Value {
  enum class Kind { kBool, kNumber, kText };
  Kind kind = Kind::kText;
  bool truth = false;
  double number = 0;
  std::string text;  // as written; the result of arithmetic has none
};

Value Truth(bool truth) {
  return {.kind = Value::Kind::kBool, .truth = truth, .text = truth ? "true" : "false"};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '/' ||
         c == '@' || c == '~' || (static_cast<unsigned char>(c) & 0x80) != 0;
}
bool IsWordPart(char c) { return IsWordStart(c) || IsDigit(c) || c == ':'; }

// A number to the end of the text, or nothing.
bool ParseNumber(std::string_view text, double* number) {
  if (text.empty() || !(IsDigit(text[0]) || text[0] == '.')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Recursive descent that computes while it reads. Behind a decided && or || (and for a check of the
// syntax alone) it only reads: `live` is false, and values are not looked at.
class Evaluator {
 public:
  Evaluator(std::string_view text, bool live) : text_(text), live_(live) {}

  absl::StatusOr<Value> Run() {
    constexpr std::size_t kLongest = 64u << 10;
    if (text_.size() > kLongest) {
      return absl::InvalidArgumentError("the condition is longer than 64 KiB");
    }
    ASSIGN_OR_RETURN(Value value, Or(live_));
    Blanks();
    if (at_ < text_.size()) return Error(at_, Cat("unexpected ", Quoted(text_.substr(at_))));
    if (live_ && value.kind != Value::Kind::kBool) {
      return absl::InvalidArgumentError(
          Cat("the condition ", Quoted(Trim(text_)), " is neither true nor false"));
    }
    return value;
  }

 private:
  static constexpr int kDeepest = 64;

  absl::Status Error(std::size_t at, std::string_view message) const {
    return absl::InvalidArgumentError(
        Cat("condition, character ", std::to_string(at + 1), ": ", message));
  }

  void Blanks() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }

  bool Accept(std::string_view symbol) {
    Blanks();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  absl::Status NeedTruth(const Value& value, std::size_t at, std::string_view symbol) const {
    if (value.kind == Value::Kind::kBool) return absl::OkStatus();
    return Error(at, Cat(Quoted(symbol), " needs true or false on each side, not ",
                         value.text.empty() ? "a number" : Quoted(value.text)));
  }

  absl::StatusOr<Value> Or(bool live) {
    ASSIGN_OR_RETURN(Value left, And(live));
    while (Accept("||")) {
      const std::size_t at = at_ - 2;
      if (live) RETURN_IF_ERROR(NeedTruth(left, at, "||"));
      ASSIGN_OR_RETURN(const Value right, And(live && !left.truth));
      if (live && !left.truth) {
        RETURN_IF_ERROR(NeedTruth(right, at, "||"));
        left = right;
      }
    }
    return left;
  }

  absl::StatusOr<Value> And(bool live) {
    ASSIGN_OR_RETURN(Value left, Equality(live));
    while (Accept("&&")) {
      const std::size_t at = at_ - 2;
      if (live) RETURN_IF_ERROR(NeedTruth(left, at, "&&"));
      ASSIGN_OR_RETURN(const Value right, Equality(live && left.truth));
      if (live && left.truth) {
        RETURN_IF_ERROR(NeedTruth(right, at, "&&"));
        left = right;
      }
    }
    return left;
  }

  absl::StatusOr<Value> Equality(bool live) {
    ASSIGN_OR_RETURN(Value left, Order(live));
    while (true) {
      const bool equal = Accept("==");
      if (!equal && !Accept("!=")) return left;
      ASSIGN_OR_RETURN(const Value right, Order(live));
      if (live) left = Truth((Compare(left, right) == 0) == equal);
    }
  }

  absl::StatusOr<Value> Order(bool live) {
    ASSIGN_OR_RETURN(Value left, Sum(live));
    while (true) {
      std::string_view found;
      for (const std::string_view symbol : {"<=", ">=", "<", ">"}) {
        if (Accept(symbol)) {
          found = symbol;
          break;
        }
      }
      if (found.empty()) return left;
      ASSIGN_OR_RETURN(const Value right, Sum(live));
      if (!live) continue;
      const int order = Compare(left, right);
      left = Truth(found == "<"    ? order < 0
                   : found == ">"  ? order > 0
                   : found == "<=" ? order <= 0
                                   : order >= 0);
    }
  }

  // Numbers as numbers, all else as text.
  static int Compare(const Value& a, const Value& b) {
    if (a.kind == Value::Kind::kNumber && b.kind == Value::Kind::kNumber) {
      return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
    }
    return TextOf(a).compare(TextOf(b));
  }

  static std::string TextOf(const Value& value) {
    if (value.kind != Value::Kind::kNumber || !value.text.empty()) return value.text;
    char buffer[64];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value.number);
    return std::string(buffer, end);
  }

  absl::StatusOr<Value> Sum(bool live) {
    ASSIGN_OR_RETURN(Value left, Product(live));
    while (true) {
      const char symbol = Accept("+") ? '+' : Accept("-") ? '-' : '\0';
      if (symbol == '\0') return left;
      ASSIGN_OR_RETURN(left, Compute(left, symbol, live));
    }
  }

  absl::StatusOr<Value> Product(bool live) {
    ASSIGN_OR_RETURN(Value left, Unary(live));
    while (true) {
      const char symbol = Accept("*") ? '*' : Accept("/") ? '/' : Accept("%") ? '%' : '\0';
      if (symbol == '\0') return left;
      ASSIGN_OR_RETURN(left, Compute(left, symbol, live));
    }
  }

  absl::StatusOr<Value> Compute(const Value& left, char symbol, bool live) {
    const std::size_t at = at_ - 1;
    ASSIGN_OR_RETURN(const Value right,
                     symbol == '+' || symbol == '-' ? Product(live) : Unary(live));
    if (!live) return left;
    for (const Value* side : {&left, &right}) {
      if (side->kind != Value::Kind::kNumber) {
        return Error(
            at, Cat(Quoted(std::string(1, symbol)), " needs numbers, not ", Quoted(side->text)));
      }
    }
    if ((symbol == '/' || symbol == '%') && right.number == 0) return Error(at, "division by zero");
    Value result{.kind = Value::Kind::kNumber};
    switch (symbol) {
      case '+':
        result.number = left.number + right.number;
        break;
      case '-':
        result.number = left.number - right.number;
        break;
      case '*':
        result.number = left.number * right.number;
        break;
      case '/':
        result.number = left.number / right.number;
        break;
      default:
        result.number = std::fmod(left.number, right.number);
    }
    return result;
  }

  absl::StatusOr<Value> Unary(bool live) {
    Blanks();
    const std::size_t at = at_;
    if (++depth_ > kDeepest) return Error(at, "nested deeper than 64 levels");
    absl::StatusOr<Value> result = UnaryInside(live, at);
    --depth_;
    return result;
  }

  absl::StatusOr<Value> UnaryInside(bool live, std::size_t at) {
    if (!text_.substr(at_).starts_with("!=") && Accept("!")) {
      ASSIGN_OR_RETURN(Value value, Unary(live));
      if (!live) return value;
      RETURN_IF_ERROR(NeedTruth(value, at, "!"));
      return Truth(!value.truth);
    }
    if (Accept("-")) {
      ASSIGN_OR_RETURN(Value value, Unary(live));
      if (!live) return value;
      if (value.kind != Value::Kind::kNumber) {
        return Error(at, Cat("\"-\" needs a number, not ", Quoted(value.text)));
      }
      value.number = -value.number;
      value.text = value.text.empty() ? "" : Cat("-", value.text);
      return value;
    }
    if (Accept("(")) {
      ASSIGN_OR_RETURN(Value value, Or(live));
      if (!Accept(")")) return Error(at_, "\")\" is missing");
      return value;
    }
    return Operand();
  }

  absl::StatusOr<Value> Operand() {
    if (at_ == text_.size()) return Error(at_, "a value is missing at the end");
    const std::size_t begin = at_;
    const char c = text_[at_];
    Value value;
    if (c == '"' || c == '\'') {
      for (++at_; at_ < text_.size() && text_[at_] != c; ++at_) {
        if (text_[at_] == '\\' && at_ + 1 < text_.size() &&
            (text_[at_ + 1] == c || text_[at_ + 1] == '\\')) {
          ++at_;
        }
        value.text += text_[at_];
      }
      if (at_ == text_.size()) return Error(begin, "the quotation mark is never closed");
      ++at_;
      return value;
    }
    if (!live_ && text_.substr(at_).starts_with("{{")) {
      const std::size_t close = text_.find("}}", at_);
      if (close == std::string_view::npos) return Error(begin, "\"}}\" is missing");
      at_ = close + 2;
      // A template may be a part of a word: model-{{version}}.
      if (at_ < text_.size() && (IsWordPart(text_[at_]) || text_[at_] == '{')) return Operand();
      return value;
    }
    if (!IsDigit(c) && !IsWordStart(c)) {
      return Error(begin, Cat("a value is missing before ", Quoted(text_.substr(at_, 10))));
    }
    ReadWord();
    value.text = std::string(text_.substr(begin, at_ - begin));
    if (!live_ && text_.substr(at_).starts_with("{{")) return Operand();
    if (ParseNumber(value.text, &value.number)) {
      value.kind = Value::Kind::kNumber;
    } else if (value.text == "true" || value.text == "false") {
      return Truth(value.text == "true");
    }
    return value;
  }

  // A hyphen belongs to a word that begins with a letter (run-000032) and to an exponent (1e-5);
  // else it is a minus.
  void ReadWord() {
    const std::size_t begin = at_;
    const bool digit = IsDigit(text_[at_]) || text_[at_] == '.';
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool next = at_ + 1 < text_.size() && IsWordPart(text_[at_ + 1]);
      const bool is_sign = (c == '-' || c == '+') && next && digit && at_ > begin &&
                           (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E') &&
                           IsDigit(text_[at_ + 1]);
      if (!IsWordPart(c) && !is_sign && !(c == '-' && next && !digit)) return;
      ++at_;
    }
  }

  std::string_view text_;
  bool live_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<bool> EvaluateCondition(std::string_view text) {
  ASSIGN_OR_RETURN(const Value value, Evaluator(text, true).Run());
  return value.truth;
}

absl::StatusOr<std::string> ExpandCondition(std::string_view text, const LookUp& look_up) {
  ASSIGN_OR_RETURN(const std::vector<TemplateReference> references, FindTemplates(text));
  std::string result;
  char quote = '\0';  // the mark that is open
  std::size_t at = 0;
  const auto copy_to = [&](std::size_t end) {
    for (; at < end; ++at) {
      const char c = text[at];
      result += c;
      if (quote == '\0') {
        if (c == '"' || c == '\'') quote = c;
      } else if (c == '\\' && at + 1 < end && (text[at + 1] == quote || text[at + 1] == '\\')) {
        result += text[++at];
      } else if (c == quote) {
        quote = '\0';
      }
    }
  };
  for (const TemplateReference& reference : references) {
    copy_to(reference.begin);
    ASSIGN_OR_RETURN(const base::Json value, look_up(reference));
    for (const char c : ValueText(value)) {
      if (quote != '\0' && (c == quote || c == '\\')) result += '\\';
      result += c;
    }
    at = reference.end;
  }
  copy_to(text.size());
  return result;
}

absl::Status CheckConditionSyntax(std::string_view text) {
  return Evaluator(text, false).Run().status();
}

}  // namespace regatta::flow
