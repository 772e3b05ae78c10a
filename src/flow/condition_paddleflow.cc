#include "flow/condition_paddleflow.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/absl_status.h"
#include "base/json.h"
#include "flow/template.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

using base::Json;

constexpr std::size_t kLongest = 64u << 10;
constexpr int kDeepest = 64;
constexpr std::string_view kBlanks = " \t\n\v\f\r";

enum class Kind { kBegin, kValue, kWord, kPrefix, kOperator, kSeparator, kOpen, kClose };

struct Token {
  Kind kind = Kind::kBegin;
  Json value;          // of a value or a word
  std::string symbol;  // of an operator or a prefix
  std::size_t at = 0;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// All of UTF-8 beyond ASCII counts as letters.
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}
bool IsNumeric(char c) { return IsDigit(c) || c == '.'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsWordPart(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '.'; }
bool IsSymbol(char c) {
  return !IsDigit(c) && !IsLetter(c) && std::string_view("()[]'\"").find(c) == std::string::npos;
}

int Precedence(std::string_view symbol) {
  static constexpr std::pair<std::string_view, int> kOperators[] = {
      {"?", 1},  {":", 1}, {"??", 1}, {"||", 2}, {"&&", 3}, {"==", 4}, {"!=", 4}, {"<", 4},
      {"<=", 4}, {">", 4}, {">=", 4}, {"in", 4}, {"&", 5},  {"|", 5},  {"^", 5},  {"<<", 6},
      {">>", 6}, {"+", 7}, {"-", 7},  {"*", 8},  {"/", 8},  {"%", 8},  {"**", 9}};
  for (const auto& [name, precedence] : kOperators) {
    if (symbol == name) return precedence;
  }
  return 0;
}

absl::Status Error(std::size_t at, std::string_view message) {
  return absl::InvalidArgumentError(
      Cat("condition, character ", std::to_string(at + 1), ": ", message));
}

// Cuts a text into tokens and checks which may follow which.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Token>> Run() {
    if (text_.size() > kLongest) {
      return absl::InvalidArgumentError("the condition is longer than 64 KiB");
    }
    std::vector<Token> tokens;
    Token last;
    int open = 0;
    while ((at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size())) < text_.size()) {
      ASSIGN_OR_RETURN(Token token, Next(last.kind));
      if (!MayFollow(last, token)) {
        return Error(token.at, Cat("unexpected ", Quoted(text_.substr(token.at))));
      }
      open += token.kind == Kind::kOpen ? 1 : token.kind == Kind::kClose ? -1 : 0;
      if (open < 0) return Error(token.at, "unexpected \")\"");
      last = token;
      tokens.push_back(std::move(token));
    }
    if (last.kind != Kind::kValue && last.kind != Kind::kWord && last.kind != Kind::kClose) {
      return Error(at_, "a value is missing at the end");
    }
    if (open > 0) return Error(at_, "\")\" is missing");
    return tokens;
  }

 private:
  static bool IsOperand(Kind kind) {
    return kind == Kind::kValue || kind == Kind::kWord || kind == Kind::kOpen;
  }

  static bool MayFollow(const Token& last, const Token& next) {
    switch (last.kind) {
      case Kind::kValue:
      case Kind::kWord:
      case Kind::kClose:
        return next.kind == Kind::kOperator || next.kind == Kind::kSeparator ||
               next.kind == Kind::kClose;
      case Kind::kPrefix:
        return IsOperand(next.kind);
      default:
        return IsOperand(next.kind) || next.kind == Kind::kPrefix;
    }
  }

  // What `fits` says, and whatever a backslash stands before, up to a blank.
  template <typename Fits>
  std::string Read(const Fits& fits) {
    std::string read;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        if (++at_ < text_.size()) read += text_[at_];
        if (at_ == text_.size()) break;
        continue;
      }
      if (kBlanks.find(text_[at_]) != std::string_view::npos || !fits(text_[at_])) break;
      read += text_[at_];
    }
    return read;
  }

  // To one of the characters `ends`, which is taken as well.
  absl::StatusOr<std::string> ReadTo(std::string_view ends) {
    const std::size_t begin = at_++;
    std::string read;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        if (++at_ == text_.size()) break;
      } else if (ends.find(text_[at_]) != std::string_view::npos) {
        ++at_;
        return read;
      }
      read += text_[at_];
    }
    return Error(
        begin, ends == "]" ? "the bracket is never closed" : "the quotation mark is never closed");
  }

  absl::StatusOr<Token> Next(Kind last) {
    Token token;
    token.at = at_;
    const char c = text_[at_];
    if (IsNumeric(c)) {
      token.kind = Kind::kValue;
      ASSIGN_OR_RETURN(token.value, Number());
    } else if (c == ',') {
      ++at_;
      token.kind = Kind::kSeparator;
    } else if (c == '(' || c == ')') {
      ++at_;
      token.kind = c == '(' ? Kind::kOpen : Kind::kClose;
    } else if (c == '[') {
      token.kind = Kind::kWord;
      ASSIGN_OR_RETURN(token.value, ReadTo("]"));
    } else if (c == '"' || c == '\'') {
      token.kind = Kind::kValue;
      ASSIGN_OR_RETURN(token.value, ReadTo("'\""));
    } else if (IsLetter(c)) {
      const std::string word = Read(IsWordPart);
      token.kind = Kind::kWord;
      token.value = word;
      if (word == "true" || word == "false") {
        token.kind = Kind::kValue;
        token.value = word == "true";
      } else if (word == "in" || word == "IN") {
        token.kind = Kind::kOperator;
        token.symbol = "in";
      } else if (word.find('.') != std::string::npos) {
        return Error(token.at, Cat(Quoted(word), " has a point; put it in quotes"));
      }
    } else {
      token.symbol = Read(IsSymbol);
      const bool operand = last == Kind::kBegin || last == Kind::kOperator ||
                           last == Kind::kSeparator || last == Kind::kOpen;
      if (operand && (token.symbol == "-" || token.symbol == "!" || token.symbol == "~")) {
        token.kind = Kind::kPrefix;
      } else if (Precedence(token.symbol) > 0) {
        token.kind = Kind::kOperator;
      } else if (token.symbol == "=~" || token.symbol == "!~") {
        return Error(token.at, Cat(Quoted(token.symbol),
                                   " is not supported: an expression may take for ever"));
      } else {
        return Error(token.at, Cat("there is no operator ", Quoted(token.symbol)));
      }
    }
    return token;
  }

  absl::StatusOr<Json> Number() {
    const std::size_t begin = at_;
    if (text_.substr(at_).starts_with("0x")) {
      at_ += 2;
      const std::string digits = Read(IsHexDigit);
      std::uint64_t number = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
      if (error != std::errc() || end != digits.data() + digits.size()) {
        return Error(begin, Cat(Quoted("0x" + digits), " is no number"));
      }
      return Json(static_cast<double>(number));
    }
    const std::string digits = Read(IsNumeric);
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return Error(begin, Cat(Quoted(digits), " is no number"));
    }
    return Json(number);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Whole numbers as the processor of a server makes them of floats that do not fit.
std::int64_t Whole(double number) {
  return number >= -0x1p63 && number < 0x1p63 ? static_cast<std::int64_t>(number)
                                              : std::int64_t{-0x7fffffffffffffff - 1};
}

std::uint64_t Shifted(double left, double right, bool to_left) {
  const auto bits = static_cast<std::uint64_t>(Whole(left));
  const std::int64_t by = Whole(right);
  if (by < 0 || by > 63) return 0;
  return to_left ? bits << by : bits >> by;
}

// Computes while it reads. Behind what decides already (`live` is false) it only reads.
class Evaluator {
 public:
  Evaluator(std::vector<Token> tokens, bool live) : tokens_(std::move(tokens)), live_(live) {}

  absl::StatusOr<Json> Run() { return List(live_); }

 private:
  bool At(Kind kind) const { return at_ < tokens_.size() && tokens_[at_].kind == kind; }

  absl::StatusOr<Json> List(bool live) {
    ASSIGN_OR_RETURN(Json value, Binary(live, 1));
    bool list = false;
    while (At(Kind::kSeparator)) {
      ++at_;
      if (!list) value = Json::array({std::move(value)});
      list = true;
      ASSIGN_OR_RETURN(Json next, Binary(live, 1));
      value.push_back(std::move(next));
    }
    return value;
  }

  absl::StatusOr<Json> Binary(bool live, int loosest) {
    if (loosest > 9) return Operand(live);
    ASSIGN_OR_RETURN(Json left, Binary(live, loosest + 1));
    while (At(Kind::kOperator) && Precedence(tokens_[at_].symbol) == loosest) {
      const Token& token = tokens_[at_++];
      ASSIGN_OR_RETURN(const Json right, Binary(live && !Decided(token.symbol, left), loosest + 1));
      if (live) {
        ASSIGN_OR_RETURN(left, Apply(token, left, right));
      }
    }
    return left;
  }

  static bool Decided(std::string_view symbol, const Json& left) {
    if (symbol == "&&" || symbol == "?") return left == Json(false);
    if (symbol == "||") return left == Json(true);
    return (symbol == ":" || symbol == "??") && !left.is_null();
  }

  absl::StatusOr<Json> Operand(bool live) {
    const Token& token = tokens_[at_++];
    if (token.kind == Kind::kPrefix) {
      ASSIGN_OR_RETURN(const Json value, Operand(live));
      if (!live) return value;
      if (token.symbol == "!") {
        if (!value.is_boolean()) return Misfit(token, value, "true or false");
        return Json(!value.get<bool>());
      }
      if (!value.is_number()) return Misfit(token, value, "a number");
      const double number = value.get<double>();
      return Json(token.symbol == "-" ? -number : static_cast<double>(~Whole(number)));
    }
    if (token.kind != Kind::kOpen) return token.value;
    if (++depth_ > kDeepest) return Error(token.at, "nested deeper than 64 levels");
    ASSIGN_OR_RETURN(Json value, List(live));
    --depth_;
    ++at_;  // the lexer counted the parentheses
    return value;
  }

  static absl::Status Misfit(const Token& token, const Json& value, std::string_view wanted) {
    return Error(token.at,
                 Cat(Quoted(token.symbol), " needs ", wanted, ", not ",
                     value.is_string() ? Quoted(value.get<std::string>()) : GoText(value)));
  }

  static absl::StatusOr<Json> Apply(const Token& token, const Json& left, const Json& right) {
    const std::string& symbol = token.symbol;
    if (symbol == "==") return Json(left == right);
    if (symbol == "!=") return Json(left != right);
    if (symbol == ":" || symbol == "??") return left.is_null() ? right : left;
    if (symbol == "?") {
      if (!left.is_boolean()) return Misfit(token, left, "true or false");
      return left.get<bool>() ? right : Json();
    }
    if (symbol == "&&" || symbol == "||") {
      if (!left.is_boolean()) return Misfit(token, left, "true or false");
      if (Decided(symbol, left)) return left;
      if (!right.is_boolean()) return Misfit(token, right, "true or false");
      return right;
    }
    if (symbol == "in") {
      if (!right.is_array()) return Misfit(token, right, "a list, as (1, 2)");
      return Json(std::find(right.begin(), right.end(), left) != right.end());
    }
    if (symbol == "+" && (left.is_string() || right.is_string())) {
      return Json(Cat(GoText(left), GoText(right)));
    }
    if (Precedence(symbol) == 4) return Order(token, left, right);
    if (!left.is_number()) return Misfit(token, left, "numbers");
    if (!right.is_number()) return Misfit(token, right, "numbers");
    return Compute(symbol, left.get<double>(), right.get<double>());
  }

  static absl::StatusOr<Json> Order(const Token& token, const Json& left, const Json& right) {
    const bool texts = left.is_string() && right.is_string();
    if (!texts && !(left.is_number() && right.is_number())) {
      return Misfit(token, left.is_number() ? right : left, "two numbers or two texts");
    }
    if (token.symbol == "<") return Json(left < right);
    if (token.symbol == ">") return Json(left > right);
    return Json(token.symbol == "<=" ? left <= right : left >= right);
  }

  static Json Compute(const std::string& symbol, double left, double right) {
    if (symbol == "**") return std::pow(left, right);
    if (symbol == "<<" || symbol == ">>") {
      return static_cast<double>(Shifted(left, right, symbol == "<<"));
    }
    switch (symbol[0]) {
      case '+':
        return left + right;
      case '-':
        return left - right;
      case '*':
        return left * right;
      case '/':
        return left / right;
      case '%':
        return std::fmod(left, right);
      case '&':
        return static_cast<double>(Whole(left) & Whole(right));
      case '|':
        return static_cast<double>(Whole(left) | Whole(right));
      default:
        return static_cast<double>(Whole(left) ^ Whole(right));
    }
  }

  std::vector<Token> tokens_;
  const bool live_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<bool> EvaluatePaddleFlowCondition(std::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Lexer(text).Run());
  ASSIGN_OR_RETURN(const Json value, Evaluator(std::move(tokens), true).Run());
  if (!value.is_boolean()) {
    return absl::InvalidArgumentError(
        Cat("the condition ", Quoted(Trim(text)), " is neither true nor false"));
  }
  return value.get<bool>();
}

absl::Status CheckPaddleFlowConditionSyntax(std::string_view text) {
  std::string words;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view two = text.substr(i, 2);
    if (two == "{{" || two == "}}") {
      ++i;
    } else {
      words += text[i];
    }
  }
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Lexer(words).Run());
  return Evaluator(std::move(tokens), false).Run().status();
}

}  // namespace regatta::flow
