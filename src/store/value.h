#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace regatta::store {

// NULL, an integer (also booleans and times), a real number, or UTF-8 text without NUL bytes.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

inline const Value kNull = Value();

// A present value, or NULL.
template <typename T>
Value OrNull(const std::optional<T>& value) {
  if (!value) return Value();
  return Value(*value);
}

// One row of a result. Columns count from 0. The typed getters convert as SQLite's do: NULL reads
// as 0 or "", an integer as a real and the reverse (cut off), text as the number that it spells, a
// number as its decimal text; a column beyond the last reads as NULL. Opt… tells NULL from 0.
class Row {
 public:
  Row() = default;
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}

  std::size_t size() const { return values_.size(); }
  const Value& operator[](std::size_t column) const { return values_[column]; }
  bool IsNull(std::size_t column) const;

  std::int64_t Int(std::size_t column) const;
  double Real(std::size_t column) const;
  bool Bool(std::size_t column) const { return Int(column) != 0; }
  std::string Text(std::size_t column) const;
  // The text without a copy, while the row lives; "" when the column does not hold text.
  std::string_view View(std::size_t column) const;

  std::optional<std::int64_t> OptInt(std::size_t column) const;
  std::optional<double> OptReal(std::size_t column) const;
  std::optional<std::string> OptText(std::size_t column) const;

  bool operator==(const Row&) const = default;

 private:
  std::vector<Value> values_;
};

}  // namespace regatta::store
