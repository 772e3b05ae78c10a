#include "store/value.h"

#include <charconv>
#include <cstdlib>

namespace regatta::store {
namespace {

std::string RealText(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

}  // namespace

bool Row::IsNull(std::size_t column) const {
  return column >= values_.size() || std::holds_alternative<std::monostate>(values_[column]);
}

std::int64_t Row::Int(std::size_t column) const {
  if (IsNull(column)) return 0;
  const Value& value = values_[column];
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) return static_cast<std::int64_t>(*real);
  return std::strtoll(std::get<std::string>(value).c_str(), nullptr, 10);
}

double Row::Real(std::size_t column) const {
  if (IsNull(column)) return 0;
  const Value& value = values_[column];
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::strtod(std::get<std::string>(value).c_str(), nullptr);
}

std::string Row::Text(std::size_t column) const {
  if (IsNull(column)) return "";
  const Value& value = values_[column];
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return RealText(*real);
  return std::get<std::string>(value);
}

std::string_view Row::View(std::size_t column) const {
  if (IsNull(column)) return {};
  const auto* text = std::get_if<std::string>(&values_[column]);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

std::optional<std::int64_t> Row::OptInt(std::size_t column) const {
  if (IsNull(column)) return std::nullopt;
  return Int(column);
}

std::optional<double> Row::OptReal(std::size_t column) const {
  if (IsNull(column)) return std::nullopt;
  return Real(column);
}

std::optional<std::string> Row::OptText(std::size_t column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

}  // namespace regatta::store
