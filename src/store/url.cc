#include "store/url.h"

#include <string_view>

#include "absl/strings/str_cat.h"

namespace regatta::store::internal {
namespace {

// "user:password@host:5432/db?sslmode=require" -> "host:5432/db".
std::string WithoutSecrets(std::string_view rest) {
  rest = rest.substr(0, rest.find('?'));
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  std::string shown(authority.empty() ? "localhost" : authority);
  if (slash != std::string_view::npos) shown.append(rest.substr(slash));
  return shown;
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  std::string_view rest = text;
  if (TakePrefix(rest, "sqlite://")) {
    if (rest.size() < 2 || rest[0] != '/' || rest.back() == '/') {
      return absl::InvalidArgumentError(absl::StrCat(
          "store URL \"", text,
          "\" names no file: write sqlite:///absolute/path/regatta.db (three slashes)"));
    }
    // SOCI splits its connection string at quotes and cannot escape one.
    if (rest.find('"') != std::string_view::npos || rest.find('\0') != std::string_view::npos) {
      return absl::InvalidArgumentError(
          "the path of an SQLite store cannot contain a double quote");
    }
    return Url{Url::Kind::kSqlite, std::string(rest), "", std::string(rest)};
  }
  if (TakePrefix(rest, "postgresql://") || TakePrefix(rest, "postgres://")) {
    return Url{Url::Kind::kPostgres, "", text, WithoutSecrets(rest)};
  }
  // The text is not echoed beyond its scheme: it may be a URL with a password and a typing error.
  const std::string scheme = text.substr(0, text.find(':'));
  return absl::InvalidArgumentError(
      absl::StrCat("store URL with scheme \"", scheme.substr(0, 32),
                   "\" is not known: use sqlite:///absolute/path/regatta.db or "
                   "postgresql://user@host:5432/database"));
}

}  // namespace regatta::store::internal
